//! The jobs of a worker: executing runs, and doing the ticks of schedules.
//!
//! # Layout
//! - [`execute_run`]: a ticket arrived: execute one attempt of its run
//! - [`decision`]: the decision about a run after an attempt
//! - [`record`]: records the decision in the control database
//! - [`run_metrics`]: counts the attempt for Prometheus
//! - [`success`]: the log line about a run that succeeded
//! - [`tick`]: a schedule is due: decide whether there is something to run
//! - [`cron_fires`]: the runs that a schedule's cron expression asks for

mod cron_fires;
mod decision;
pub(crate) mod execute_run;
mod look;
mod record;
mod run_metrics;
mod success;
pub(crate) mod tick;
