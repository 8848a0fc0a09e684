//! Backfills as people and programs see them.

use chrono::{DateTime, Utc};
use elt_shared::backfills::{Asked, Window};
use elt_shared::runs::RunState;
use elt_shared::store::backfills::{BackfillState, Progress, WindowRow, WindowState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The range of time to load, and how.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartBackfill {
    /// The config version. Each of its sources must ask for a part of time.
    pub config_id: i64,
    /// The beginning: a day, which begins at midnight UTC, or an instant of RFC 3339.
    #[schema(example = "2024-01-01")]
    pub from: String,
    /// The end, which is not loaded.
    #[schema(example = "2025-01-01")]
    pub to: String,
    /// Length of a window: a number and `m` (minutes), `h`, `d`, `w`, `mo` (months of the calendar) or `y`. At most 10,000
    /// windows.
    #[schema(example = "30d")]
    pub window: String,
    /// Windows that are at work at the same time, over all workers: 1 to 50. Default 1.
    #[serde(default = "one_at_a_time")]
    #[schema(minimum = 1, maximum = 50, default = 1)]
    pub parallel: u16,
}

impl StartBackfill {
    /// As it was asked for, to be checked.
    pub fn asked(&self) -> Asked<'_> {
        Asked { from: &self.from, to: &self.to, window: &self.window, parallel: self.parallel }
    }
}

fn one_at_a_time() -> u16 {
    1
}

/// Numbers of windows by their state.
#[derive(Serialize, ToSchema)]
pub struct WindowCounts {
    /// Number of all windows of the backfill.
    total: i64,
    /// Windows that are not started yet.
    waiting: i64,
    /// Windows whose run is queued or at work.
    running: i64,
    /// Windows that are loaded.
    succeeded: i64,
    /// Windows whose last run has failed.
    failed: i64,
    /// Windows whose last run was stopped.
    stopped: i64,
}

/// A backfill, and how far it is.
#[derive(Serialize, ToSchema)]
pub struct BackfillView {
    /// Sorts by time.
    id: Uuid,
    /// The config version that its runs execute.
    config_id: i64,
    /// Pipeline name.
    #[schema(example = "orders")]
    name: String,
    /// Target table as the config names it.
    target_table: String,
    /// The beginning of the range.
    from: DateTime<Utc>,
    /// The end of the range, which is not part of it.
    to: DateTime<Utc>,
    /// Length of a window.
    #[schema(example = "30d")]
    window: String,
    /// Windows that are at work at the same time.
    parallel: i32,
    /// Going on, or how it ended.
    state: BackfillState,
    /// Whether it ended with windows that were not started, because too many others have failed.
    gave_up: bool,
    /// What has become of its windows.
    windows: WindowCounts,
    /// Rows that the loaded windows read.
    rows_read: i64,
    /// Rows that they inserted.
    rows_inserted: i64,
    /// Rows of the table that they updated.
    rows_updated: i64,
    /// Username.
    created_by: String,
    /// When it was asked for.
    created_at: DateTime<Utc>,
    /// Username of the person who canceled it last; `null`: it was not canceled.
    canceled_by: Option<String>,
    /// When it ended; `null` while it goes on.
    finished_at: Option<DateTime<Utc>>,
}

impl From<Progress> for BackfillView {
    fn from(progress: Progress) -> Self {
        let gave_up = progress.gave_up();
        let Progress { backfill, counts } = progress;
        Self {
            id: backfill.id,
            config_id: backfill.config_id,
            name: backfill.name,
            target_table: backfill.target_table,
            from: backfill.from_at,
            to: backfill.to_at,
            window: backfill.window_size,
            parallel: backfill.parallel,
            state: backfill.state,
            gave_up,
            windows: WindowCounts {
                total: counts.windows,
                waiting: counts.waiting,
                running: counts.running,
                succeeded: counts.succeeded,
                failed: counts.failed,
                stopped: counts.stopped,
            },
            rows_read: counts.rows_read,
            rows_inserted: counts.rows_inserted,
            rows_updated: counts.rows_updated,
            created_by: backfill.created_by,
            created_at: backfill.created_at,
            canceled_by: backfill.canceled_by,
            finished_at: backfill.finished_at,
        }
    }
}

/// The windows that a backfill would have.
#[derive(Serialize, ToSchema)]
pub struct BackfillPlan {
    /// Pipeline name.
    pub name: String,
    /// Target table as the config names it.
    pub target_table: String,
    /// Number of windows.
    pub total: usize,
    /// The first thousand of them, the oldest first.
    pub windows: Vec<Window>,
    /// Sentences about what may not be as meant.
    pub warnings: Vec<String>,
}

/// A window of a backfill, with its newest run.
#[derive(Serialize, ToSchema)]
pub struct BackfillWindow {
    /// Counted from 1, the oldest first.
    number: i32,
    /// Beginning of the window, which belongs to it.
    from: DateTime<Utc>,
    /// Its end, which is not part of it.
    to: DateTime<Utc>,
    /// What has become of it.
    state: WindowState,
    /// Its newest run, for `GET /runs/{id}`; `null` before the first one, and when it was deleted because of its age.
    run_id: Option<Uuid>,
    /// The state of that run.
    run_state: Option<RunState>,
    /// Number of runs that were made for it.
    runs: i32,
    /// Rows read, once known.
    rows_read: Option<i64>,
    /// Rows inserted, once known.
    rows_inserted: Option<i64>,
    /// Rows of the table that were updated, once known.
    rows_updated: Option<i64>,
    /// Stable code of the failure of its last run.
    error_code: Option<String>,
    /// The failure as a sentence.
    error: Option<String>,
    /// When its last run ended.
    finished_at: Option<DateTime<Utc>>,
}

impl From<WindowRow> for BackfillWindow {
    fn from(window: WindowRow) -> Self {
        Self {
            number: window.number,
            from: window.from_at,
            to: window.to_at,
            state: window.state,
            run_id: window.run_id,
            run_state: window.run_state,
            runs: window.runs,
            rows_read: window.rows_read,
            rows_inserted: window.rows_inserted,
            rows_updated: window.rows_updated,
            error_code: window.error_code,
            error: window.error,
            finished_at: window.finished_at,
        }
    }
}
