//! Faults: real workers are killed, frozen and cut off while they load, on a real private cluster. Afterwards every
//! distinct source row is in its table exactly once, every run has ended, and the receipts balance.
//!
//! Each test prints what it measured. `ELT_FAULT_ROUNDS` repeats them. The long ones are in `long.rs`: `make faults`.
//!
//! # Layout
//! - `once`: one of each
//! - `cursors`: incremental sources
//! - `notified`: messages about pipelines
//! - `tables`: a table for each file
//! - `token_chain`: an OAuth server whose refresh tokens work once each
//! - `world`: a cluster, workers as processes, sources, and what must hold in the end
//! - `gate`: the network between a worker and its databases

mod cursors;
#[expect(dead_code, reason = "shared with the long faults, which use the rest")]
mod gate;
mod notified;
mod once;
#[path = "../cli/support/mod.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line, which use the rest")]
mod support;
mod tables;
mod token_chain;
#[expect(dead_code, reason = "shared with the long faults, which use the rest")]
mod world;
