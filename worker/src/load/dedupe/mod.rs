//! Dedupe: a row that is equal to one that is loaded, or came before, is not loaded again. Equal rows have the same row
//! hash.
//!
//! # Layout
//! - [`row_hash`]: the hash of a row
//! - [`table_hashes`]: the hashes of the rows a table has, fetched before a load
//! - [`hash_set`]: the hashes that a run knows, in bounded memory
//! - [`hash_files`]: the hashes of the table and of delivered rows in files, when they do not fit there
//! - [`hash_digest`]: number and sum of hashes, by which two sets of rows are compared
//! - [`spill`]: the hashes that found no room there, in a file
//! - [`collision_check`]: the rows of spilled hashes are checked for repeated ones at the end
//! - [`sql`]: the statements that drop repeated and known rows in the target
//! - [`backfill`]: the hashes of rows that were in a table before elt

pub(super) mod backfill;
pub mod collision_check;
pub mod hash_digest;
pub mod hash_files;
pub mod hash_set;
pub mod row_hash;
pub mod spill;
pub mod sql;
pub mod table_hashes;
