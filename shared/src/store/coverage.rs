//! Coverage reports of the tests: the newest is served, the others are its history.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use sqlx::{FromRow, PgExecutor};

use super::newest_rows;

/// A report in the shape of coverage.py's JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Lines that ran.
    pub covered_lines: i64,
    /// Lines that could.
    pub num_statements: i64,
    /// The whole report: `totals` and `files`.
    pub json: Value,
}

/// Why a file is no coverage report.
#[derive(Debug, thiserror::Error)]
#[error("this is neither a coverage.py report nor one of `llvm-cov export`: {0}")]
pub struct NotAReport(&'static str);

impl Report {
    /// Reads coverage.py's JSON, or what `cargo llvm-cov --json` writes.
    ///
    /// # Errors
    /// When it is neither.
    pub fn read(report: &Value) -> Result<Self, NotAReport> {
        if report.get("totals").is_some() { Self::of_coverage_py(report) } else { Self::of_llvm(report) }
    }

    fn of_coverage_py(report: &Value) -> Result<Self, NotAReport> {
        let number = |name: &str| report["totals"][name].as_i64().filter(|number| *number >= 0);
        let covered = number("covered_lines").ok_or(NotAReport("totals.covered_lines is missing"))?;
        let statements = number("num_statements").ok_or(NotAReport("totals.num_statements is missing"))?;
        let files = report["files"].as_object().cloned().unwrap_or_default();
        let files = files.into_iter().map(|(name, file)| (name, json!({ "summary": file["summary"] })));
        Self::new(covered, statements, files.collect(), report["meta"].clone())
    }

    fn of_llvm(report: &Value) -> Result<Self, NotAReport> {
        let data = report["data"].get(0).ok_or(NotAReport("neither totals nor data[0] is there"))?;
        let lines = |summary: &Value| {
            let lines = &summary["lines"];
            Some((lines["covered"].as_i64()?, lines["count"].as_i64()?))
        };
        let (covered, statements) = lines(&data["totals"]).ok_or(NotAReport("data[0].totals.lines is missing"))?;
        let mut files = Map::new();
        for file in data["files"].as_array().into_iter().flatten() {
            let name = file["filename"].as_str().ok_or(NotAReport("a file has no filename"))?;
            let (covered, statements) = lines(&file["summary"]).ok_or(NotAReport("a file has no summary.lines"))?;
            files.insert(name.to_owned(), json!({ "summary": totals(covered, statements) }));
        }
        Self::new(covered, statements, files, json!({ "format": "llvm-cov", "version": report["version"] }))
    }

    fn new(covered: i64, statements: i64, files: Map<String, Value>, meta: Value) -> Result<Self, NotAReport> {
        if covered > statements || covered < 0 {
            return Err(NotAReport("more lines are covered than there are"));
        }
        let json = json!({ "meta": meta, "totals": totals(covered, statements), "files": files });
        Ok(Self { covered_lines: covered, num_statements: statements, json })
    }

    /// Covered lines of a hundred.
    pub fn percent_covered(&self) -> f64 {
        percent(self.covered_lines, self.num_statements)
    }
}

/// As coverage.py writes totals and summaries.
fn totals(covered: i64, statements: i64) -> Value {
    let percent = percent(covered, statements);
    json!({
        "covered_lines": covered,
        "num_statements": statements,
        "missing_lines": statements - covered,
        "percent_covered": percent,
        "percent_covered_display": format!("{percent:.0}"),
    })
}

fn percent(covered: i64, statements: i64) -> f64 {
    if statements == 0 { 100.0 } else { covered as f64 * 100.0 / statements as f64 }
}

/// A report that was imported.
#[derive(Debug, Clone, FromRow)]
pub struct Imported {
    /// Row id.
    pub id: i64,
    /// When it was imported.
    pub at: DateTime<Utc>,
    /// The commit it is about.
    pub commit_id: Option<String>,
    /// Lines that ran.
    pub covered_lines: i64,
    /// Lines that could.
    pub num_statements: i64,
    /// Covered lines of a hundred.
    pub percent_covered: f64,
    /// The whole report; `null` in a history.
    pub report: Value,
}

/// Keeps a report as the newest.
pub async fn import(db: impl PgExecutor<'_>, report: &Report, commit_id: Option<&str>) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "insert into coverage_reports (commit_id, covered_lines, num_statements, percent_covered, report)
         values ($1, $2, $3, $4, $5) returning id",
    )
    .bind(commit_id)
    .bind(report.covered_lines)
    .bind(report.num_statements)
    .bind(report.percent_covered())
    .bind(&report.json)
    .fetch_one(db)
    .await
}

/// The newest report.
pub async fn newest(db: impl PgExecutor<'_>) -> sqlx::Result<Option<Imported>> {
    sqlx::query_as(
        "select id, at, commit_id, covered_lines, num_statements, percent_covered, report
         from coverage_reports order by id desc limit 1",
    )
    .fetch_optional(db)
    .await
}

/// The numbers of the last reports, oldest first.
pub async fn history(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<Imported>> {
    sqlx::query_as(
        "select * from (
             select id, at, commit_id, covered_lines, num_statements, percent_covered, 'null'::jsonb as report
             from coverage_reports order by id desc limit $1
         ) newest order by id",
    )
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Removes the oldest reports beyond the newest `keep`, at most `limit` of them. Returns how many: call again while it is
/// `limit`.
pub async fn remove_beyond(db: impl PgExecutor<'_>, keep: u32, limit: i64) -> sqlx::Result<u64> {
    newest_rows::remove_beyond(db, "coverage_reports", keep, limit).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_llvm_reads_like_one_of_coverage_py() {
        let lines = |covered: i64, count: i64| json!({ "lines": { "count": count, "covered": covered } });
        let llvm = json!({ "version": "2.0.1", "data": [{
            "totals": lines(30, 40),
            "files": [{ "filename": "shared/src/job.rs", "summary": lines(3, 4) }],
        }] });
        let report = Report::read(&llvm).expect("a report");
        assert_eq!((report.covered_lines, report.num_statements), (30, 40));
        assert_eq!(report.json["totals"]["percent_covered_display"], "75");
        assert_eq!(report.json["totals"]["missing_lines"], 10);
        assert_eq!(report.json["files"]["shared/src/job.rs"]["summary"]["percent_covered"], 75.0);
        assert_eq!(Report::read(&report.json).expect("a report").percent_covered(), 75.0);
    }

    #[test]
    fn what_is_no_report_is_refused() {
        for wrong in
            [json!({}), json!({ "totals": {} }), json!({ "totals": { "covered_lines": 2, "num_statements": 1 } })]
        {
            assert!(Report::read(&wrong).is_err(), "{wrong}");
        }
    }
}
