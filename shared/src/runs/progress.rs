//! How far a run is, as its worker writes it about once a second.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Stage;

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunProgress {
    /// What it is doing.
    pub stage: Stage,
    /// Number of files of the run; 0 until it is known.
    pub files: u64,
    /// Number of files that this stage is done with.
    pub files_done: u64,
    /// The file that is being worked on; `None` between files.
    pub file: Option<String>,
    /// Rows that this stage has read.
    pub rows_read: u64,
    /// Bytes that this stage has read.
    pub bytes_read: u64,
    /// Rows sent to the target.
    pub rows_sent: u64,
    /// Seconds since the attempt began.
    pub seconds: f64,
}
