//! A target table's database: connecting to it, finding the table, reading a page of it.
//!
//! # Layout
//! - [`address`]: the one reader of connection URLs
//! - [`connect()`]: a checked [`TargetDatabase`](crate::config::TargetDatabase) becomes a connection
//! - [`guard`]: limits on what a server may send; `tls`: encryption of a connection
//! - `through_pooler`: the settings of a session through a pooler, and poolers that cannot be used
//! - `standing`: what a server says about a session that waits for it
//! - [`table`]: where a table is, what it is, and its columns
//! - [`page`]: sorted, filtered pages for the data view
//! - `groups`: rows counted by their values
//! - `value_ranges`: what the columns of an export hold; `scalar_type`: the column types that exports keep as types
//! - `values`: what a query of a config selects
//! - [`export`]: all rows of the data view as CSV; `export_rows`: as values
//! - [`source_state`]: the cursors of incremental sources
//! - [`quote`]: names and texts inside SQL
//! - [`error`]: why a target cannot be used

pub mod address;
mod connect;
mod error;
mod export;
mod export_rows;
mod groups;
pub mod guard;
mod page;
mod place;
mod quote;
mod scalar_type;
pub mod source_state;
mod standing;
mod table;
mod through_pooler;
mod tls;
mod value_ranges;
mod values;

pub(crate) use address::percent_decoded;
pub use address::{AddressProblem, Author, CertificateFiles, Host, TargetAddress, is_loopback};
pub use connect::{connect, connect_evenly, connect_watched, hung_up};
pub use error::TargetError;
pub use export::{Export, Exported, export_csv};
pub use export_rows::{Batch, Measure, TableRows, export_rows};
pub use groups::{Group, count_groups};
pub use guard::AnswerLimits;
pub use page::{Compare, Filter, Page, PageColumn, PageQuery, Sort, read_page};
pub use place::TargetPlace;
pub use quote::{quote_ident, quote_literal};
pub use scalar_type::ScalarType;
pub use table::{Existing, TableColumn, TableKind, TableRef};
pub(crate) use tls::{is_certificates, is_private_key};
pub use value_ranges::ValueRange;
pub use values::{SelectedValue, select_values};
