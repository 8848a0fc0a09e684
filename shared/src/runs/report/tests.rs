use super::*;
use crate::explained::Code;
use crate::runs::ProbeProblem;

fn left_out(kind: LeftOutKind) -> Vec<LeftOut> {
    vec![LeftOut { name: "a.csv".into(), kind, reason: "a reason".into() }]
}

fn report(change: impl FnOnce(&mut RunReport)) -> RunReport {
    let mut report = RunReport::default();
    change(&mut report);
    let listed = report.files_total;
    report.bound();
    report.files_total = listed;
    report
}

fn tried(usable: bool) -> ProbeReport {
    if usable {
        return ProbeReport::usable("target", String::new(), 0.1);
    }
    let problem = ProbeProblem { code: Code::Io.into(), message: "no".into(), next_step: "none".into() };
    ProbeReport { problem: Some(problem), ..ProbeReport::default() }
}

fn preview(readable: bool) -> SourcePreview {
    SourcePreview { problem: tried(readable).problem, ..SourcePreview::default() }
}

#[test]
fn a_run_that_lost_nothing_is_clean() {
    for clean in [
        report(|_| ()),
        report(|new| (new.rows_read, new.rows_inserted) = (3, 3)),
        report(|again| (again.rows_read, again.rows_duplicate) = (3, 3)),
        report(|blank| (blank.rows_read, blank.rows_filtered) = (2, 2)),
        report(|undo| undo.rows_deleted = 3),
        report(|check| check.rows_read = 3),
        report(|test| test.connections = vec![tried(true), tried(true)]),
        report(|shown| shown.previews = vec![preview(true)]),
    ] {
        assert_eq!(clean.judge(), Outcome::Clean, "{clean:#?}");
    }
}

#[test]
fn a_run_that_lost_something_has_warnings() {
    for warned in [
        report(|rows| (rows.rows_read, rows.rows_inserted, rows.rows_quarantined) = (3, 2, 1)),
        report(|again| (again.rows_read, again.rows_duplicate, again.rows_quarantined) = (3, 2, 1)),
        report(|one| (one.rows_read, one.rows_inserted, one.left_out) = (3, 3, left_out(LeftOutKind::Failed))),
        report(|beside| (beside.files_total, beside.left_out) = (1, left_out(LeftOutKind::Skipped))),
        report(|said| (said.rows_inserted, said.warnings) = (3, vec!["look".into()])),
        report(|test| test.connections = vec![tried(true), tried(false)]),
        report(|shown| shown.previews = vec![preview(true), preview(false)]),
    ] {
        assert_eq!(warned.judge(), Outcome::WithWarnings, "{warned:#?}");
    }
}

#[test]
fn a_run_of_which_nothing_arrived_says_so() {
    for nothing in [
        report(|shown| shown.previews = vec![preview(false)]),
        report(|rows| (rows.rows_read, rows.rows_quarantined) = (3, 3)),
        report(|rows| (rows.rows_read, rows.rows_quarantined, rows.rows_filtered) = (4, 3, 1)),
        report(|only| only.left_out = left_out(LeftOutKind::Failed)),
        report(|folder| folder.left_out = left_out(LeftOutKind::Skipped)),
        report(|beside| (beside.files_total, beside.left_out) = (1, left_out(LeftOutKind::Failed))),
        report(|test| test.connections = vec![tried(false), tried(false)]),
    ] {
        assert_eq!(nothing.judge(), Outcome::NothingLoaded, "{nothing:#?}");
    }
}

#[test]
fn failed_files_stay_in_a_list_that_is_cut() {
    let skipped = LeftOut { kind: LeftOutKind::Skipped, ..left_out(LeftOutKind::Failed).remove(0) };
    let mut files = vec![skipped; LISTED_FILES];
    files.extend(left_out(LeftOutKind::Failed));
    let mut report = RunReport { left_out: files, ..RunReport::default() };
    report.bound();
    assert_eq!((report.left_out.len(), report.left_out_total), (LISTED_FILES, 1 + LISTED_FILES as u64));
    assert_eq!(report.left_out[0].kind, LeftOutKind::Failed);
    assert_eq!(report.judge(), Outcome::NothingLoaded);
}

/// A report with every field and every kind of entry, as it is stored in databases that exist.
const STORED: &str = include_str!("stored.json");

#[test]
fn a_stored_report_is_read_and_written_without_a_change() {
    let stored: serde_json::Value = serde_json::from_str(STORED).expect("JSON");
    let report: RunReport = serde_json::from_value(stored.clone()).expect("a report");
    assert_eq!(serde_json::to_value(&report).expect("JSON"), stored);
    assert_eq!(report.drift.len(), 4, "every kind of difference is there");
    assert_eq!((report.left_out[0].kind, report.left_out[1].kind), (LeftOutKind::Skipped, LeftOutKind::Failed));
}

#[test]
fn reports_that_lack_fields_are_read() {
    let first_fields = r#"{"rows_read": 3, "rows_inserted": 2, "table": "public.t", "files": [{"name": "a.csv"}]}"#;
    let report: RunReport = serde_json::from_str(first_fields).expect("a report");
    assert_eq!((report.rows_read, report.files[0].name.as_str(), report.outcome), (3, "a.csv", None));
    let partial = r#"{"partial": true, "rejected": {"total": 1, "reasons": [], "places": []}}"#;
    let report: RunReport = serde_json::from_str(partial).expect("a report");
    assert!(report.partial && report.rejected.is_some_and(|rejected| rejected.total == 1));
    assert_eq!(serde_json::from_str::<RunReport>("{}").expect("a report"), RunReport::default());
}
