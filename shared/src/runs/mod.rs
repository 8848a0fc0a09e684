//! Runs as the API, the workers and the CLI speak of them.
//!
//! # Layout
//! - [`values`]: the values of a run's columns: kind, state, trigger, outcome, stage
//! - [`end`]: how runs and their attempts end
//! - [`lifecycle`]: what may happen to a run, and who may cause it
//! - [`report`]: what a run did, [`rejections`]: its rejected rows, and [`checks`]: the results of its checks
//! - [`column_profile`]: what the values of each loaded column look like
//! - [`probe`]: the result of a test of one connection
//! - [`preview`]: the beginning of one source, and the config that is proposed for it
//! - [`progress`]: how far a run is
//! - [`leases`]: lease, heartbeat and sweep
//! - [`backoff`]: the pauses between the attempts of a run

pub mod backoff;
mod checks;
mod column_profile;
mod end;
pub mod leases;
pub mod lifecycle;
mod preview;
mod probe;
mod progress;
mod rejections;
pub mod report;
mod values;
mod verification;

pub use checks::{CheckResult, CheckSample, CheckState, CheckValue};
pub use column_profile::{ColumnProfile, HistogramProfile, LengthProfile, RunProfile, TopValue};
pub use end::{AttemptEnd, End, Failure};
pub use preview::{Choice, Confidence, PreviewColumn, SourcePreview};
pub use probe::{FoundFile, ProbeProblem, ProbeReport};
pub use progress::RunProgress;
pub use rejections::{ReasonCount, RejectedPlace, Rejections};
pub use report::RunReport;
pub use values::{Outcome, Priority, RunKind, RunState, Stage, Trigger};
pub use verification::{RunVerification, VerifiedFile, VerifiedState};
