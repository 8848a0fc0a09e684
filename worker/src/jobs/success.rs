//! The log line about a run that succeeded: what it did, and where to look when something was not loaded.

use elt_shared::runs::report::RunReport;
use elt_shared::runs::{Outcome, RunKind};
use elt_shared::store::runs::Run;

/// Logs that a run succeeded. A run that left something out is a warning, so that people who search the log for
/// warnings find it.
pub(super) fn log(run: &Run, report: &RunReport, outcome: Outcome) {
    let table = match report.tables.len() {
        0 => run.target_table.clone(),
        1 => report.tables[0].table.clone(),
        tables => format!("{tables} tables"),
    };
    let (did, rows) = (did(run.kind, &table, report), report.rows_inserted);
    match outcome {
        Outcome::Clean => tracing::info!(rows, "{did}"),
        Outcome::WithWarnings | Outcome::NothingLoaded => {
            let (rejected, left_out) = (report.rows_quarantined, report.left_out_total);
            let lost = lost(report);
            let but = if outcome == Outcome::NothingLoaded {
                "all of its data was left out or rejected"
            } else {
                "with warnings"
            };
            tracing::warn!(
                rows,
                rejected,
                left_out,
                outcome = outcome.as_str(),
                "{did}, {but}: {lost}; see `elt report {}` or the run's page",
                run.id
            );
        }
    }
}

/// The beginning of a sentence: what a run of its kind did.
fn did(kind: RunKind, table: &str, report: &RunReport) -> String {
    let inserted = report.rows_inserted;
    match kind {
        RunKind::Plan => format!(
            "plan of {table} finished: a run would insert {inserted} rows, update {} and delete {}",
            report.rows_updated, report.rows_deleted
        ),
        RunKind::Check => {
            format!("check finished: {} rows for {table} were read, nothing was loaded", report.rows_read)
        }
        RunKind::TestConnection if !report.previews.is_empty() => {
            let shown = report.previews.iter().filter(|preview| preview.problem.is_none()).count();
            format!("preview finished: {shown} of {} sources can be read", report.previews.len())
        }
        RunKind::TestConnection => {
            let usable = report.connections.iter().filter(|connection| connection.usable).count();
            format!("connection test finished: {usable} of {} connections can be used", report.connections.len())
        }
        RunKind::Verify => {
            let agrees = report.verification.as_ref().is_some_and(|verification| verification.agrees);
            let says = if agrees { "agrees" } else { "does not agree" };
            format!("verification finished: {table} {says} with what the run loaded")
        }
        RunKind::Undo => format!("undo succeeded: {} rows were deleted from {table}", report.rows_deleted),
        RunKind::Replay => format!("replay succeeded: {inserted} new rows in {table}"),
        RunKind::Run => format!("run succeeded: {inserted} new rows in {table}"),
    }
}

/// Counts of what was not loaded. Warnings are only counted, too, because their texts may be long.
fn lost(report: &RunReport) -> String {
    let unusable = report.connections.iter().filter(|connection| !connection.usable).count() as u64;
    let counts = [
        (report.rows_quarantined, "row rejected (kept in quarantine)", "rows rejected (kept in quarantine)"),
        (report.left_out_total, "file left out", "files left out"),
        (unusable, "connection that cannot be used", "connections that cannot be used"),
        (report.warnings.len() as u64, "warning in its report", "warnings in its report"),
    ];
    let said = counts.iter().filter(|(count, ..)| *count > 0).map(|(count, one, many)| {
        let what = if *count == 1 { one } else { many };
        format!("{count} {what}")
    });
    said.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use elt_shared::explained::{Code, Explained};

    use super::*;

    #[test]
    fn only_what_loads_speaks_of_new_rows() {
        let report = RunReport { rows_deleted: 3, rows_read: 4, ..RunReport::default() };
        for (kind, says) in [
            (RunKind::Run, "run succeeded: 0 new rows in t"),
            (RunKind::Replay, "replay succeeded: 0 new rows in t"),
            (RunKind::Undo, "undo succeeded: 3 rows were deleted from t"),
            (RunKind::Check, "check finished: 4 rows for t were read, nothing was loaded"),
            (RunKind::Plan, "plan of t finished: a run would insert 0 rows, update 0 and delete 3"),
            (RunKind::TestConnection, "connection test finished: 0 of 0 connections can be used"),
        ] {
            assert_eq!(did(kind, "t", &report), says);
        }
    }

    #[test]
    fn what_did_not_arrive_is_counted() {
        let warnings = vec!["look".to_owned()];
        let report = RunReport { rows_quarantined: 2, left_out_total: 1, warnings, ..RunReport::default() };
        assert_eq!(lost(&report), "2 rows rejected (kept in quarantine), 1 file left out, 1 warning in its report");
        let problem = Explained::new(Code::Io, "no", "none");
        let report = RunReport { connections: vec![crate::extract::probe::failed(problem)], ..RunReport::default() };
        assert_eq!(lost(&report), "1 connection that cannot be used");
    }
}
