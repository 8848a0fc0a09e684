//! The kinds of things that retention deletes.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::Keep;

/// A kind of things that are deleted when they are old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RetentionKind)]
pub enum Kind {
    /// Finished tickets of the queue, and workers that are gone.
    Tickets,
    /// Lines of the log in the control database.
    LogLines,
    /// Lists of files in the reports of runs, and profiles of columns.
    Reports,
    /// Runs, with their attempts; and backfills whose runs are all deleted.
    Runs,
    /// Schedules that ended.
    Schedules,
    /// Config versions that never ran, or whose runs were all deleted.
    Configs,
    /// Reports of test coverage.
    CoverageReports,
    /// Failed logins, which count against the limit of tries.
    LoginFailures,
    /// API tokens that were revoked or have expired.
    ApiTokens,
    /// Answers that were kept for idempotency keys.
    IdempotencyKeys,
    /// Messages that were sent or given up, and incidents that are over.
    Notifications,
    /// Rows of the audit.
    Audit,
    /// Sessions that have expired.
    Sessions,
    /// Receipts, one a file, in a target.
    Receipts,
    /// Markers of runs in a target.
    Markers,
    /// Rejected rows in a target.
    Quarantine,
    /// Work folders of runs that a lost worker left in a data folder.
    WorkFolders,
    /// Combined CSVs of earlier config versions in a data folder.
    CombinedCsvs,
    /// Unfinished uploads to inboxes.
    Uploads,
}

impl Kind {
    /// The kinds of the control database, in the order in which they are deleted: what others refer to comes after them.
    pub const OF_CONTROL: [Self; 13] = [
        Self::Tickets,
        Self::LogLines,
        Self::Reports,
        Self::Runs,
        Self::Schedules,
        Self::Configs,
        Self::CoverageReports,
        Self::LoginFailures,
        Self::ApiTokens,
        Self::IdempotencyKeys,
        Self::Notifications,
        Self::Audit,
        Self::Sessions,
    ];
    /// Every kind: those of the control database first, then those of targets and data folders.
    pub const ALL: [Self; 19] = [
        Self::Tickets,
        Self::LogLines,
        Self::Reports,
        Self::Runs,
        Self::Schedules,
        Self::Configs,
        Self::CoverageReports,
        Self::LoginFailures,
        Self::ApiTokens,
        Self::IdempotencyKeys,
        Self::Notifications,
        Self::Audit,
        Self::Sessions,
        Self::Receipts,
        Self::Markers,
        Self::Quarantine,
        Self::WorkFolders,
        Self::CombinedCsvs,
        Self::Uploads,
    ];

    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tickets => "tickets",
            Self::LogLines => "log_lines",
            Self::Reports => "reports",
            Self::Runs => "runs",
            Self::Schedules => "schedules",
            Self::Configs => "configs",
            Self::CoverageReports => "coverage_reports",
            Self::LoginFailures => "login_failures",
            Self::ApiTokens => "api_tokens",
            Self::IdempotencyKeys => "idempotency_keys",
            Self::Notifications => "notifications",
            Self::Audit => "audit",
            Self::Sessions => "sessions",
            Self::Receipts => "receipts",
            Self::Markers => "markers",
            Self::Quarantine => "quarantine",
            Self::WorkFolders => "work_folders",
            Self::CombinedCsvs => "combined_csvs",
            Self::Uploads => "uploads",
        }
    }

    /// The kind of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What a log line says was deleted.
    pub fn words(self) -> &'static str {
        match self {
            Self::Tickets => "old tickets",
            Self::LogLines => "old log lines",
            Self::Reports => "lists of files in reports, and profiles, of old runs",
            Self::Runs => "old runs",
            Self::Schedules => "schedules that ended long ago",
            Self::Configs => "config versions without runs",
            Self::CoverageReports => "old coverage reports",
            Self::LoginFailures => "old failed logins",
            Self::ApiTokens => "API tokens that ended long ago",
            Self::IdempotencyKeys => "old idempotency keys",
            Self::Notifications => "old messages about pipelines",
            Self::Audit => "old rows of the audit",
            Self::Sessions => "expired sessions",
            Self::Receipts => "receipts that newer ones replace",
            Self::Markers => "markers of old runs",
            Self::Quarantine => "old rejected rows",
            Self::WorkFolders => "work folders that lost workers left behind",
            Self::CombinedCsvs => "combined CSVs of earlier config versions",
            Self::Uploads => "unfinished uploads",
        }
    }

    /// The tables of the control database that it is in; empty for kinds that are elsewhere.
    pub fn tables(self) -> &'static [&'static str] {
        match self {
            Self::Tickets => &["apalis.jobs", "apalis.workers", "elt.workers"],
            Self::LogLines => &["elt.log_lines"],
            Self::Runs => &["elt.runs", "elt.run_attempts", "elt.backfills", "elt.backfill_windows"],
            Self::Schedules => &["elt.schedules"],
            Self::Configs => &["elt.config_history"],
            Self::CoverageReports => &["elt.coverage_reports"],
            Self::LoginFailures => &["elt.login_failures"],
            Self::ApiTokens => &["elt.api_tokens"],
            Self::IdempotencyKeys => &["elt.idempotency_keys"],
            Self::Notifications => &["elt.notifications", "elt.incidents"],
            Self::Audit => &["elt.audit"],
            Self::Sessions => &["elt.sessions"],
            // The lists are in the rows of their runs.
            Self::Reports => &["elt.run_profiles"],
            Self::Receipts
            | Self::Markers
            | Self::Quarantine
            | Self::WorkFolders
            | Self::CombinedCsvs
            | Self::Uploads => &[],
        }
    }

    /// The settings that say what stays, with their values.
    pub fn settings(self, keep: &Keep) -> Value {
        match self {
            Self::Tickets => json!({ "ELT_KEEP_TICKETS_DAYS": keep.tickets }),
            Self::LogLines => {
                json!({ "ELT_KEEP_LOGS_DAYS": keep.log_lines, "ELT_KEEP_LOG_LINES": keep.most_log_lines })
            }
            Self::Reports => json!({ "ELT_KEEP_REPORTS_DAYS": keep.reports }),
            Self::Runs => json!({ "ELT_KEEP_RUNS_DAYS": keep.runs, "ELT_KEEP_RUNS": keep.newest_runs }),
            Self::Schedules => json!({ "ELT_KEEP_SCHEDULES_DAYS": keep.schedules }),
            Self::Configs => json!({ "ELT_KEEP_UNUSED_CONFIGS_DAYS": keep.unused_configs }),
            Self::CoverageReports => json!({ "ELT_KEEP_COVERAGE_REPORTS": keep.coverage_reports }),
            Self::ApiTokens => json!({ "ELT_KEEP_TOKENS_DAYS": keep.ended_tokens }),
            Self::Notifications => json!({ "ELT_KEEP_NOTIFICATIONS_DAYS": keep.notifications }),
            Self::Audit => json!({ "ELT_AUDIT_RETENTION_DAYS": keep.audit }),
            Self::Receipts | Self::Markers => json!({ "ELT_KEEP_LOADS_DAYS": keep.loads }),
            Self::Quarantine => json!({ "ELT_KEEP_QUARANTINE_DAYS": keep.quarantine }),
            Self::CombinedCsvs => json!({ "ELT_KEEP_OUTPUTS": keep.outputs }),
            Self::Uploads => json!({ "ELT_KEEP_UPLOADS_DAYS": keep.uploads }),
            Self::LoginFailures | Self::IdempotencyKeys | Self::Sessions | Self::WorkFolders => json!({}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of_name(kind.name()), Some(kind));
            assert_eq!(json!(kind), json!(kind.name()));
        }
        assert!(Kind::OF_CONTROL.iter().all(|kind| Kind::ALL.contains(kind)));
        assert_eq!(Kind::of_name("nothing"), None);
    }
}
