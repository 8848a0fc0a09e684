//! What makes a worker do something, a file a job.
//!
//! # Layout
//! - [`execute_run`]: a ticket arrived: execute one attempt of its run
//! - [`decision`]: the decision about a run after an attempt
//! - [`settle`]: writes the decision to the control database
//! - [`success`]: the log line about a run that succeeded
//! - [`tick`]: a schedule is due: look whether there is something to run
//! - [`fires`]: what its cron expression asks for

mod decision;
pub(crate) mod execute_run;
mod fires;
mod settle;
mod success;
pub(crate) mod tick;
