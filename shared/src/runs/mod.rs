//! Runs as the API, the workers and the CLI speak of them.
//!
//! # Layout
//! - [`values`]: the values of a run's columns: kind, state, trigger, outcome, stage
//! - [`end`]: how runs and their attempts end
//! - [`lifecycle`]: what may happen to a run, and who may cause it
//! - [`timing`]: lease, heartbeat, sweep and the pauses between attempts

mod end;
pub mod lifecycle;
pub mod timing;
mod values;

pub use end::{AttemptEnd, End, Failure};
pub use values::{Outcome, RunKind, RunState, Stage, Trigger};
