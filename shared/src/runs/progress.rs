//! How far a run is, as its worker writes it about once a second.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Stage;

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunProgress {
    /// Stage that the run is in.
    pub stage: Stage,
    /// Number of files of the run; 0 until it is known.
    pub files: u64,
    /// Number of files that this stage is done with.
    pub files_done: u64,
    /// The file that is being worked on; `null` between files.
    pub file: Option<String>,
    /// Rows that this stage has read.
    pub rows_read: u64,
    /// Bytes that this stage has read.
    pub bytes_read: u64,
    /// Rows sent to the target.
    pub rows_sent: u64,
    /// Rows that this stage will have read at its end; `null` when that is not known yet.
    #[serde(default)]
    pub rows_total: Option<u64>,
    /// Bytes that this stage will have read at its end; `null` when that is not known, as for compressed files.
    #[serde(default)]
    pub bytes_total: Option<u64>,
    /// Seconds since the attempt began.
    pub seconds: f64,
    /// Seconds since this stage began. An older release writes 0.
    #[serde(default)]
    pub stage_seconds: f64,
}

impl RunProgress {
    /// The part of this stage that is done, from 0 to 1; `None` when it is not known.
    pub fn share(&self) -> Option<f64> {
        let part = |done: u64, total: u64| (total > 0).then(|| (done as f64 / total as f64).min(1.0));
        let by_rows = self.rows_total.and_then(|total| part(self.rows_read, total));
        let by_bytes = || self.bytes_total.and_then(|total| part(self.bytes_read, total));
        // Files are of any size, so their number says something only when there are several.
        let by_files = || part(self.files_done, self.files).filter(|_| self.files > 1);
        by_rows.or_else(by_bytes).or_else(by_files)
    }

    /// Seconds until this stage is done, if it goes on as fast as so far; `None` while that is a guess.
    pub fn seconds_left(&self) -> Option<f64> {
        const LEAST_SHARE: f64 = 0.02;
        const LEAST_SECONDS: f64 = 3.0;
        let share = self.share().filter(|share| *share >= LEAST_SHARE && self.stage_seconds >= LEAST_SECONDS)?;
        Some(self.stage_seconds * (1.0 - share) / share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_the_rows_then_of_the_bytes_then_of_several_files() {
        let one_file = RunProgress { files: 1, ..RunProgress::default() };
        assert_eq!(one_file.share(), None);
        let files = RunProgress { files: 4, files_done: 1, ..one_file };
        assert_eq!(files.share(), Some(0.25));
        let bytes = RunProgress { bytes_read: 30, bytes_total: Some(60), ..files };
        assert_eq!(bytes.share(), Some(0.5));
        let rows = RunProgress { rows_read: 3, rows_total: Some(4), ..bytes };
        assert_eq!(rows.share(), Some(0.75));
        assert_eq!(RunProgress { rows_read: 9, ..rows }.share(), Some(1.0), "a file that grew is not over 100 percent");
    }

    #[test]
    fn the_time_left_follows_the_speed_so_far_and_is_missing_at_the_beginning() {
        let half = RunProgress { rows_read: 50, rows_total: Some(100), stage_seconds: 60.0, ..RunProgress::default() };
        assert_eq!(half.seconds_left(), Some(60.0));
        assert_eq!(RunProgress { stage_seconds: 1.0, ..half.clone() }.seconds_left(), None);
        assert_eq!(RunProgress { rows_read: 1, ..half }.seconds_left(), None);
    }

    #[test]
    fn the_progress_of_an_older_release_is_read() {
        let old = r#"{"stage":"load","files":1,"files_done":0,"file":null,"rows_read":1,"bytes_read":2,"rows_sent":1,"seconds":1.5}"#;
        let read: RunProgress = serde_json::from_str(old).expect("the progress of an older release");
        assert_eq!((read.rows_total, read.bytes_total, read.stage_seconds), (None, None, 0.0));
    }
}
