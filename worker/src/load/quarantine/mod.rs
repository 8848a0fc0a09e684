//! Quarantine: rejected rows and records, kept in the target with the reason of each, until they are replayed.
//!
//! The reason of a rejected row comes from one of these places:
//! - the file: a record that is not a row, such as one with too many cells ([`frame::delimited`](crate::frame),
//!   [`frame::json`](crate::frame::json));
//! - the contract: a cell that is not a value of its column's type ([`contract::cast`](crate::contract)), or breaks a
//!   rule or limit of the column ([`contract::rules`](crate::contract), [`contract::column_limits`](crate::contract));
//! - the table: a constraint, trigger or type of the target refuses the row ([`refusal`]).
//!
//! # Layout
//! - [`reject`]: a rejected row is noted, counted, and fails the run when the config says so
//! - [`rejected_rows`]: rejected rows on their way to the quarantine table
//! - [`open_rows`]: one open row for each place, however many runs reject it
//! - [`refused`]: rows the table refuses, left out by the next try of the load
//! - [`refused_search`]: the search for these rows after a statement over all rows failed
//! - [`refusal`]: the reason why the table refuses a row
//! - [`replay`]: rejected rows become files that are loaded like others

pub mod open_rows;
pub mod refusal;
pub mod refused;
pub(super) mod refused_search;
pub mod reject;
pub(super) mod rejected_rows;
pub mod replay;
