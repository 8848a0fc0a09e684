//! Workers take runs from the queue and execute them: extract, validate, load.
//!
//! # Layout
//! - [`jobs`]: what a ticket on the queue makes a worker do, a file a job
//! - [`pipeline`]: a run as a table of contents
//! - [`extract`]: sources become files on this machine
//! - [`frame`]: bytes become batches of cells
//! - [`contract`]: cells become typed rows, or quarantined ones
//! - [`load`]: rows become rows of the target table, exactly once
//! - [`error`]: why a run failed

pub mod contract;
pub mod error;
pub mod extract;
pub mod frame;
pub mod jobs;
pub mod load;
pub mod pipeline;
