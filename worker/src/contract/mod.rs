//! The contract: which columns are loaded, what type each has, and which rows break it.
//!
//! # Layout
//! - [`sql_type`]: types a target's column can have
//! - [`typing`]: a column's types over time, and which cells each accepts
//! - [`layout`]: the columns as they will be loaded
//! - [`known`]: the existing table, as far as it binds a load
//! - [`decide`]: a layout from the files' profile, the schema and the existing table
//! - [`choose`]: the type of one column, and why
//! - [`matching`]: the files' names meet the contract's names
//! - [`widen`]: which type holds what a narrower one does not
//! - [`rules`]: nullable, enum, min, max, pattern
//! - [`cells`]: typed columns of a batch, and the canonical text of their values
//! - [`cast`]: conversion of one column of a batch to one type
//! - [`convert`]: a batch of raw cells becomes a batch of typed ones, and violations
//! - [`foreign`]: types elt does not convert to itself, as the catalog describes them
//! - [`fit`]: limits that a column sets to its values
//! - [`json`]: JSON as PostgreSQL can keep it

mod cast;
pub mod cells;
mod choose;
pub mod convert;
pub mod decide;
pub mod fit;
pub mod foreign;
pub mod json;
pub mod known;
pub mod layout;
pub mod matching;
pub mod rules;
pub mod sql_type;
pub mod typing;
pub mod widen;

pub use convert::{Converter, TypedBatch, Violation};
pub use layout::{Column, Layout};
pub use sql_type::SqlType;
pub use typing::Typing;
