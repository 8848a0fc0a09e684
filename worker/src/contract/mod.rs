//! The contract: which columns are loaded, what type each has, and which rows break it.
//!
//! # Layout
//! - [`decide`]: the layout of a load, from the files' profile, the schema and the existing table
//! - [`expectations`]: the types that the first pass tests the cells for
//! - [`layout`]: the columns of a load
//! - [`type_choice`]: the type of one column, and why
//! - [`name_matching`]: columns of files are matched to columns of the contract
//! - [`existing_columns`]: the columns of an existing table, as far as they bind a load
//! - [`sql_type`], [`foreign`]: the types of columns, and the catalog's description of those that the server converts to
//! - [`typing`], [`type_order`]: the types of a column over time, and which type holds more values than another
//! - [`convert`]: a batch of raw cells becomes a batch of typed ones, and violations
//! - [`cast`]: the cells of one column are converted to one type
//! - [`local_numbers`]: cells of numbers with a decimal comma or separators between groups of digits
//! - [`rules`]: nullable, enum, min, max, pattern
//! - [`column_limits`]: lengths, digits and labels that the table's column allows
//! - [`cells`]: typed columns of a batch, and the canonical text of their values
//! - [`json`]: JSON as PostgreSQL can store it

mod cast;
pub mod cells;
pub mod column_limits;
pub mod convert;
pub mod decide;
pub mod existing_columns;
pub mod expectations;
pub mod foreign;
pub mod json;
pub mod layout;
mod local_numbers;
pub mod name_matching;
pub mod rules;
pub mod sql_type;
mod type_choice;
pub mod type_order;
pub mod typing;

pub use convert::{Converter, TypedBatch, Violation};
pub use layout::{Column, Layout};
pub use sql_type::SqlType;
pub use typing::Typing;
