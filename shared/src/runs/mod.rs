//! Runs as the API, the workers and the CLI speak of them.
//!
//! # Layout
//! - [`values`]: the values of a run's columns: kind, state, trigger, outcome, stage

mod values;

pub use values::{Outcome, RunKind, RunState, Stage, Trigger};
