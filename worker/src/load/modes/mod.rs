//! The ways in which rows reach the target table.
//!
//! `load.mode: append` inserts what is new. It has no file of its own: it is what remains of [`existing_table`] without the
//! steps of the other modes.
//!
//! # Layout
//! - [`new_table`]: a table this run creates, filled directly by COPY
//! - [`existing_table`]: a table that exists, filled from the staging table; the order of the steps of all modes
//! - [`merge`]: the steps of `load.mode: merge`
//! - [`replace`]: the steps of `load.mode: replace`

pub mod existing_table;
pub mod merge;
pub mod new_table;
pub mod replace;
