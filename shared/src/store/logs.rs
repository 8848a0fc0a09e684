//! Log lines of every process, kept in the database until retention removes them.

use std::fmt::Write;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow, PgExecutor, PgPool, Postgres, QueryBuilder};
use uuid::Uuid;

use super::newest_rows;

/// One line as a process wrote it.
#[derive(Debug, Clone)]
pub struct NewLine {
    /// When the line was written, by the clock of its process.
    pub at: DateTime<Utc>,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: String,
    /// Path of the Rust module that logged it: `elt_worker::jobs`.
    pub target: String,
    /// The message without its fields.
    pub message: String,
    /// Fields of the event and its spans.
    pub fields: Value,
    /// The run it is about.
    pub run_id: Option<Uuid>,
    /// Id of the OpenTelemetry trace, 32 hexadecimal digits. `None`: the line belongs to no trace.
    pub trace_id: Option<String>,
    /// Process that wrote it, as `host:pid`.
    pub process: String,
}

/// One line as it is kept.
#[derive(Debug, Clone, FromRow)]
pub struct Line {
    /// Number of the line; greater numbers were written later.
    pub id: i64,
    /// When the line was written, by the clock of its process.
    pub at: DateTime<Utc>,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: String,
    /// Path of the Rust module that logged it: `elt_worker::jobs`.
    pub target: String,
    /// The message without its fields.
    pub message: String,
    /// Fields of the event and its spans.
    pub fields: Value,
    /// The run it is about.
    pub run_id: Option<Uuid>,
    /// Id of the OpenTelemetry trace, 32 hexadecimal digits. `None`: the line belongs to no trace.
    pub trace_id: Option<String>,
    /// Process that wrote it, as `host:pid`.
    pub process: String,
}

impl Line {
    /// `2025-07-18 23:55:41,352 - INFO - message`
    pub fn classic(&self) -> String {
        classic(self.at, &self.level, &self.message)
    }
}

/// A line in the classic format, UTC: `2025-07-18 23:55:41,352 - INFO - message`. Always one line: a line break or
/// another control character in the message is written as an escape.
pub fn classic(at: DateTime<Utc>, level: &str, message: &str) -> String {
    let level = match level {
        "WARN" => "WARNING",
        other => other,
    };
    let mut line = format!("{} - {level} - ", at.format("%Y-%m-%d %H:%M:%S,%3f"));
    for character in message.chars() {
        if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
            // Writing to a String cannot fail.
            let _ = write!(line, "{}", character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// The field of a line that has the id of the request in which it was written.
const REQUEST_ID: &str = "request.id";

/// A line is kept at most this long after it was written. Processes hold lines back while the database is away.
const LATEST: TimeDelta = TimeDelta::days(1);

/// Longest time that a search reads lines.
pub const SEARCH_WITHIN: Duration = Duration::from_secs(5);

/// Which lines to look for.
#[derive(Debug, Clone, Default)]
pub struct LineFilter {
    /// Only about this run.
    pub run_id: Option<Uuid>,
    /// Only these levels; empty: all.
    pub levels: Vec<String>,
    /// Only lines with this text in the message.
    pub text: Option<String>,
    /// Only of this process.
    pub process: Option<String>,
    /// Only of this trace.
    pub trace_id: Option<String>,
    /// Only of the request with this id.
    pub request_id: Option<String>,
    /// Only before this line.
    pub before: Option<i64>,
    /// Only after this line.
    pub after: Option<i64>,
    /// Not older than this.
    pub since: Option<DateTime<Utc>>,
    /// Not newer than this.
    pub until: Option<DateTime<Utc>>,
}

impl LineFilter {
    /// Whether a new line passes: everything but the bounds `before` and `after`.
    pub fn matches(&self, line: &Line) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        (self.run_id.is_none() || self.run_id == line.run_id)
            && (self.levels.is_empty() || self.levels.contains(&line.level))
            && self.text.as_ref().is_none_or(|text| line.message.to_lowercase().contains(&text.to_lowercase()))
            && is(&self.process, Some(&line.process))
            && is(&self.trace_id, line.trace_id.as_deref())
            && is(&self.request_id, line.fields.get(REQUEST_ID).and_then(Value::as_str))
            && self.since.is_none_or(|since| line.at >= since)
            && self.until.is_none_or(|until| line.at <= until)
    }

    /// Whether the index by level finds the lines. It does not have the lines of level `INFO`, and the index by run, trace,
    /// request or time has fewer lines to read.
    fn is_read_by_level(&self) -> bool {
        !self.levels.is_empty()
            && self.levels.iter().all(|level| level != "INFO")
            && self.run_id.is_none()
            && self.trace_id.is_none()
            && self.request_id.is_none()
            && self.since.is_none()
    }

    /// Adds the conditions as ` and …`: all but the levels and the bounds `before` and `after`.
    fn push(&self, query: &mut QueryBuilder<Postgres>) {
        if let Some(run_id) = self.run_id {
            query.push(" and run_id = ").push_bind(run_id);
        }
        if let Some(text) = &self.text {
            query.push(" and strpos(lower(message), lower(").push_bind(text).push(")) > 0");
        }
        if let Some(process) = &self.process {
            query.push(" and process = ").push_bind(process);
        }
        if let Some(trace_id) = &self.trace_id {
            query.push(" and trace_id = ").push_bind(trace_id);
        }
        if let Some(since) = self.since {
            query.push(" and at >= ").push_bind(since);
        }
        if let Some(until) = self.until {
            query.push(" and at <= ").push_bind(until);
            if let Some(kept_by) = until.checked_add_signed(LATEST) {
                // Ids ascend as lines are kept. Without this bound all newer lines would be read before the first match.
                query.push(" and id < coalesce((select id from log_lines where at > ").push_bind(kept_by);
                query.push(format!(" order by at limit 1), {})", i64::MAX));
            }
        }
        if let Some(request_id) = &self.request_id {
            // Written out, because the index is found by the same text.
            query.push(format!(" and fields ->> '{REQUEST_ID}' = ")).push_bind(request_id);
        }
    }
}

/// Keeps lines, all in one statement.
pub async fn append(db: impl PgExecutor<'_>, lines: &[NewLine]) -> sqlx::Result<()> {
    let column = |pick: fn(&NewLine) -> &str| lines.iter().map(pick).collect::<Vec<_>>();
    sqlx::query(
        "insert into log_lines (at, level, target, message, fields, run_id, trace_id, process)
         select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::uuid[], $7::text[],
                              $8::text[])",
    )
    .bind(lines.iter().map(|line| line.at).collect::<Vec<_>>())
    .bind(column(|line| &line.level))
    .bind(column(|line| &line.target))
    .bind(lines.iter().map(|line| line.message.replace('\0', "\\0")).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| &line.fields).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.run_id).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.trace_id.as_deref()).collect::<Vec<_>>())
    .bind(column(|line| &line.process))
    .execute(db)
    .await?;
    Ok(())
}

/// The newest lines that match, oldest first; with `after`, the next ones after it.
pub async fn list(db: impl PgExecutor<'_>, filter: &LineFilter, limit: i64) -> sqlx::Result<Vec<Line>> {
    let newest_first = filter.after.is_none();
    let direction = if newest_first { "desc" } else { "asc" };
    let mut query = QueryBuilder::new(
        "select id, at, level, target, message, fields, run_id, trace_id, process from log_lines where true",
    );
    if filter.is_read_by_level() {
        query.push(" and id = any(array(");
        push_newest_by_level(&mut query, filter, direction, limit);
        query.push("))");
    } else {
        filter.push(&mut query);
        if !filter.levels.is_empty() {
            query.push(" and level = any(").push_bind(&filter.levels).push(")");
        }
        push_bounds(&mut query, filter);
    }
    query.push(format!(" order by id {direction} limit ")).push_bind(limit);
    // Planned for these values each time: the best index for a time depends on how long ago it is.
    let mut lines: Vec<Line> = query.build_query_as().persistent(false).fetch_all(db).await?;
    if newest_first {
        lines.reverse();
    }
    Ok(lines)
}

/// The same for somebody who waits. `None`: the lines were not found within [`SEARCH_WITHIN`], because too many others had to be
/// read.
pub async fn search(db: &PgPool, filter: &LineFilter, limit: i64) -> sqlx::Result<Option<Vec<Line>>> {
    let mut tx = db.begin().await?;
    let limited = format!("set local statement_timeout = {}", SEARCH_WITHIN.as_millis());
    sqlx::raw_sql(AssertSqlSafe(limited)).execute(&mut *tx).await?;
    match list(&mut *tx, filter, limit).await {
        Ok(lines) => {
            tx.commit().await?;
            Ok(Some(lines))
        }
        Err(error) if is_over_time(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether PostgreSQL ended a statement because of its time limit.
fn is_over_time(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "57014")
}

/// Adds a query for the ids of the first lines of each level in this direction.
///
/// It compares levels with a range of one value. An equality would allow the planner to walk the primary key, where it
/// would pass all lines if none matches.
fn push_newest_by_level(query: &mut QueryBuilder<Postgres>, filter: &LineFilter, direction: &str, limit: i64) {
    let mut levels = filter.levels.clone();
    levels.sort_unstable();
    levels.dedup();
    query.push("select newest.id from unnest(").push_bind(levels).push(
        ") wanted cross join lateral (
             select id from log_lines where level <> 'INFO' and (level, id) > (wanted, ",
    );
    query.push_bind(filter.after.unwrap_or(i64::MIN)).push(") and (level, id) < (wanted, ");
    query.push_bind(filter.before.unwrap_or(i64::MAX)).push(")");
    filter.push(query);
    query.push(format!(" order by level {direction}, id {direction} limit ")).push_bind(limit);
    query.push(format!(") newest order by newest.id {direction} limit ")).push_bind(limit);
}

/// Appends the conditions for `before` and `after` to the query, each beginning with ` and`.
fn push_bounds(query: &mut QueryBuilder<Postgres>, filter: &LineFilter) {
    if let Some(before) = filter.before {
        query.push(" and id < ").push_bind(before);
    }
    if let Some(after) = filter.after {
        query.push(" and id > ").push_bind(after);
    }
}

/// The newest line that was older than `age` when asked; 0: none.
pub async fn newest_before(db: impl PgExecutor<'_>, age: Duration) -> sqlx::Result<i64> {
    sqlx::query_scalar("select coalesce(max(id), 0) from log_lines where at < now() - make_interval(secs => $1)")
        .bind(age.as_secs_f64())
        .fetch_one(db)
        .await
}

/// Removes lines older than `age`, at most `limit` of them. Returns how many: call again while it is `limit`.
pub async fn remove_old(db: impl PgExecutor<'_>, age: Duration, limit: i64) -> sqlx::Result<u64> {
    let removed = sqlx::query(
        "delete from log_lines where id in (
             select id from log_lines where at < now() - make_interval(secs => $1) order by at limit $2)",
    )
    .bind(age.as_secs_f64())
    .bind(limit)
    .execute(db)
    .await?;
    Ok(removed.rows_affected())
}

/// Removes the oldest lines beyond the newest `keep`, at most `limit` of them. Returns how many: call again while it is
/// `limit`.
pub async fn remove_beyond(db: impl PgExecutor<'_>, keep: u32, limit: i64) -> sqlx::Result<u64> {
    newest_rows::remove_beyond(db, "log_lines", keep, limit).await
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[test]
    fn a_classic_line_is_one_line_whatever_the_message() {
        let at = Utc.timestamp_millis_opt(1_752_882_941_352).single().expect("a time");
        assert_eq!(classic(at, "INFO", "loaded 3 rows"), "2025-07-18 23:55:41,352 - INFO - loaded 3 rows");
        assert_eq!(
            classic(at, "WARN", "a\n2025-01-01 00:00:00,000 - INFO - forged"),
            "2025-07-18 23:55:41,352 - WARNING - a\\n2025-01-01 00:00:00,000 - INFO - forged"
        );
        assert_eq!(classic(at, "ERROR", "\u{1b}[31mred"), "2025-07-18 23:55:41,352 - ERROR - \\u{1b}[31mred");
    }
}
