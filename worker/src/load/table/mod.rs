//! The target table: what kind of relation it is, which columns it has, and how its shape is changed.
//!
//! # Layout
//! - [`schema`]: the schema, created when it is missing and the config allows it
//! - [`relation`]: the relations that can be loaded into
//! - [`column_types`]: facts from the catalog about the types of columns
//! - [`shape`]: the DDL: tables, columns and indexes are created and altered
//! - [`partitions`]: a partitioned table, and the partitions that rows need
//! - [`replica_identity`]: a published table gets what updates and deletions need
//! - [`triggers`]: whether triggers of the table move, delete or keep rows

pub mod column_types;
pub mod partitions;
pub mod relation;
pub mod replica_identity;
pub mod schema;
pub mod shape;
pub mod triggers;
