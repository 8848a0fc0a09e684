//! One check is tried: under a savepoint that is always rolled back, read-only, and within its time limit. So a query of a
//! config changes nothing, and what it sets is gone afterwards.

use std::time::{Duration, Instant};

use elt_shared::config::{Check, CheckRule, LoadMode, OnFail, shown_duration};
use elt_shared::explained::{Code, Explained};
use elt_shared::runs::{CheckResult, CheckSample, CheckState, CheckValue};
use elt_shared::target::{TableRef, quote_ident};
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Transaction};
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use uuid::Uuid;

use super::{changed, names, query};
use crate::error::{PipelineError, may_pass};
use crate::load::Halt;
use crate::load::failure::{Failing, is_raised_by_code};
use crate::load::session::{ROW_HASH, RUN_ID};

/// Most sample rows of a check.
const SAMPLES: usize = 5;
/// Most values of a sample row.
const VALUES: usize = 64;
/// Longest value of a sample row, in characters.
const LONGEST_VALUE: usize = 200;
/// Longest message of the server that is shown, in characters.
const LONGEST_MESSAGE: usize = 300;
/// Time beyond its limit after which a check is given up that does not end when the server cancels it.
const GRACE: Duration = Duration::from_secs(20);
/// Text before the query of a check in the statement that counts its rows.
const COUNT: &str = "select count(*) from (\n";

/// A table with the rows of a run, before they are committed.
pub struct Trial<'a> {
    table: &'a TableRef,
    run: Uuid,
    /// The table's columns. `None`: the table was not made, because the files had no column.
    columns: Option<Vec<String>>,
    /// The condition that the run writes a row of `t`. `None`: the run writes all of them.
    of_run: Option<String>,
}

/// What a trial finds.
pub enum Found<T> {
    /// The query returned a result.
    Rows(T),
    /// Why the check could not be tried, as a sentence.
    Broken(String),
}

/// What a check finds.
#[derive(Default)]
struct Finding {
    fails: bool,
    rows: u64,
    samples: Vec<CheckSample>,
}

impl<'a> Trial<'a> {
    /// Reads what the trials need to know about the table.
    pub async fn prepare(tx: &mut PgConnection, table: &'a TableRef, run: Uuid, mode: LoadMode) -> sqlx::Result<Self> {
        let existing = table.existing(tx).await?;
        let columns = existing.map(|there| there.columns.into_iter().map(|column| column.name).collect());
        let of_run = match mode {
            LoadMode::Replace => None,
            LoadMode::Append | LoadMode::Merge => {
                let known = if changed::are_kept(tx).await? { changed::CONDITION } else { "true" };
                Some(format!("t.{RUN_ID} = '{run}' and {known}"))
            }
        };
        Ok(Self { table, run, columns, of_run })
    }

    /// Tries a check.
    pub async fn result(&self, tx: &mut PgConnection, check: &Check) -> Result<CheckResult, Halt> {
        let started = Instant::now();
        let found = match self.columns_of(check) {
            Ok(columns) => {
                let mut savepoint = self.begin(tx, check).await?;
                let answer = timeout(longest(check), self.find(&mut savepoint, check, &columns)).await;
                self.end(savepoint, check, answer).await?
            }
            Err(missing) => Found::Broken(missing),
        };
        let word = |on_fail| match on_fail {
            OnFail::Rollback => "rollback",
            OnFail::Warn => "warn",
            OnFail::Quarantine => "quarantine",
        };
        let mut result = CheckResult {
            name: check.name.clone(),
            rule: check.rule.word().to_owned(),
            columns: check.rule.columns().to_vec(),
            on_fail: word(check.on_fail).to_owned(),
            ..CheckResult::default()
        };
        match found {
            Found::Rows(Finding { fails, rows, samples }) => {
                result.rows = rows;
                result.samples = samples;
                if fails {
                    let warns = check.on_fail == OnFail::Warn;
                    result.state = if warns { CheckState::Warned } else { CheckState::Failed };
                    result.says = query::says(check, rows, self.table);
                }
            }
            Found::Broken(says) => (result.state, result.says) = (CheckState::Broken, says),
        }
        result.seconds = started.elapsed().as_secs_f64();
        Ok(result)
    }

    /// The hashes of the rows that fail a check, at most a number of them.
    pub async fn failing_hashes(
        &self,
        tx: &mut PgConnection,
        check: &Check,
        most: usize,
    ) -> Result<Found<Vec<Uuid>>, Halt> {
        let columns = match self.columns_of(check) {
            Ok(columns) => columns,
            Err(missing) => return Ok(Found::Broken(missing)),
        };
        let failing = query::failing(check, self.table, &columns, self.of_run.as_deref());
        let Some(failing) = failing.filter(|_| self.columns.is_some()) else { return Ok(Found::Rows(Vec::new())) };
        let statement = format!(
            "select distinct {ROW_HASH} from ({}) failing where {ROW_HASH} is not null limit {most}",
            failing.sql
        );
        let mut savepoint = self.begin(tx, check).await?;
        let asked = sqlx::query_scalar(AssertSqlSafe(statement)).persistent(false).fetch_all(&mut *savepoint);
        let answer = timeout(longest(check), asked).await;
        self.end(savepoint, check, answer).await
    }

    /// The check's columns as the table has them, or a sentence about one that it has not.
    fn columns_of(&self, check: &Check) -> Result<Vec<String>, String> {
        let Some(there) = &self.columns else { return Ok(check.rule.columns().to_vec()) };
        let there: Vec<&str> = there.iter().map(String::as_str).collect();
        let found = check.rule.columns().iter().map(|written| {
            let name = names::find(written, there.iter().copied());
            name.map(str::to_owned).ok_or_else(|| names::missing(self.table, written, &there))
        });
        found.collect()
    }

    /// Opens the savepoint under which a check is tried.
    async fn begin<'t>(&self, tx: &'t mut PgConnection, check: &Check) -> sqlx::Result<Transaction<'t, Postgres>> {
        let mut savepoint = tx.begin().await?;
        // The settings end with the savepoint. A transaction that was made read-only under a savepoint cannot be made
        // writable again under it.
        sqlx::query(
            "select set_config('search_path', $1, true), set_config('elt.run_id', $2, true),
                    set_config('statement_timeout', $3, true), set_config('transaction_read_only', 'on', true)",
        )
        .bind(format!("{}, public", quote_ident(&self.table.schema)))
        .bind(self.run.to_string())
        .bind(check.time_limit.as_millis().to_string())
        .execute(&mut *savepoint)
        .await?;
        Ok(savepoint)
    }

    /// Rolls the savepoint back, whatever the check found. A failure that the check itself causes leaves the load as it was.
    async fn end<T>(
        &self,
        savepoint: Transaction<'_, Postgres>,
        check: &Check,
        answer: Result<sqlx::Result<T>, Elapsed>,
    ) -> Result<Found<T>, Halt> {
        let found = match answer {
            Ok(Ok(found)) => Found::Rows(found),
            Ok(Err(error)) => match self.own_failure(check, &error) {
                Some(sentence) => Found::Broken(sentence),
                None => return Err(error.into()),
            },
            // The server did not cancel the statement, so that the session cannot be used any more.
            Err(_) => return Err(does_not_end(check).into()),
        };
        savepoint.rollback().await?;
        Ok(found)
    }

    async fn find(&self, tx: &mut PgConnection, check: &Check, columns: &[String]) -> sqlx::Result<Finding> {
        let there = self.columns.is_some();
        match &check.rule {
            CheckRule::RowCount { min, max } => {
                let rows = if there { self.count_all(tx).await? } else { 0 };
                let fails = min.is_some_and(|min| rows < min) || max.is_some_and(|max| rows > max);
                Ok(Finding { fails, rows, samples: Vec::new() })
            }
            CheckRule::FreshnessOf { column, within } => {
                if !there {
                    return Ok(Finding { fails: true, ..Finding::default() });
                }
                let name = columns.first().unwrap_or(column);
                let newest = quote_ident(name);
                // A date or timestamp without a zone is read as UTC, because the session's time zone says nothing about the data.
                let statement = format!(
                    "select coalesce(extract(epoch from clock_timestamp()) - extract(epoch from max({newest})) > $1, true),
                            max({newest})::text from {}",
                    self.table.sql()
                );
                let (fails, newest): (bool, Option<String>) = sqlx::query_as(AssertSqlSafe(statement))
                    .persistent(false)
                    .bind(within.as_secs_f64())
                    .fetch_one(tx)
                    .await?;
                let newest = CheckValue { column: name.clone(), value: newest };
                let sample = CheckSample { values: vec![newest], ..CheckSample::default() };
                Ok(Finding { fails, rows: 0, samples: if fails { vec![sample] } else { Vec::new() } })
            }
            _ if !there => Ok(Finding::default()),
            _ => self.find_rows(tx, check, columns).await,
        }
    }

    async fn count_all(&self, tx: &mut PgConnection) -> sqlx::Result<u64> {
        let statement = format!("select count(*) from {}", self.table.sql());
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(statement)).persistent(false).fetch_one(tx).await?;
        Ok(rows.unsigned_abs())
    }

    async fn find_rows(&self, tx: &mut PgConnection, check: &Check, columns: &[String]) -> sqlx::Result<Finding> {
        let failing = query::failing(check, self.table, columns, self.of_run.as_deref());
        let Some(failing) = failing else { return Ok(Finding::default()) };
        // A query of a config may end in a comment, so what follows it stands on a line of its own.
        let statement = format!("{COUNT}{}\n) failing", failing.sql);
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(statement)).persistent(false).fetch_one(&mut *tx).await?;
        if rows == 0 {
            return Ok(Finding::default());
        }
        let samples = samples(tx, &failing, self.run).await?;
        Ok(Finding { fails: true, rows: rows.unsigned_abs(), samples })
    }

    /// A sentence about a failure that another attempt meets as well, because the check causes it. `None`: something else
    /// failed.
    fn own_failure(&self, check: &Check, error: &sqlx::Error) -> Option<String> {
        let database = error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
        let code = database.code();
        match code {
            "57014" => {
                return Some(format!(
                    "it took longer than its time limit, {}",
                    shown_duration(check.time_limit.as_secs())
                ));
            }
            "25006" => return Some("it would change something, and a check may only read".to_owned()),
            // A limit that an administrator set for what one statement may use.
            "53400" => {}
            _ if may_pass(error) => return None,
            _ => {}
        }
        let place = match (&check.rule, database.position()) {
            (CheckRule::Sql { query }, Some(PgErrorPosition::Original(at))) => {
                let at = at.checked_sub(COUNT.chars().count());
                at.and_then(|at| query::position_in(query, self.table, at))
                    .map_or_else(String::new, |at| format!(" at character {at} of its sql"))
            }
            _ => String::new(),
        };
        // Messages of class 42 (syntax and names) name what the query names. Those of other classes can quote a value.
        let reason = if code.starts_with("42") && !is_raised_by_code(database) {
            database.message().chars().take(LONGEST_MESSAGE).collect()
        } else {
            Failing::at(self.table, "try a check").sentence(database)
        };
        Some(format!("the server refuses it{place}: {reason}"))
    }
}

/// The first failing rows, each with its values as texts. elt's own columns are read for the place of the row.
async fn samples(tx: &mut PgConnection, failing: &query::Failing, run: Uuid) -> sqlx::Result<Vec<CheckSample>> {
    let order = match failing.order.is_empty() {
        true => String::new(),
        false => format!(" order by {}", failing.order.join(", ")),
    };
    let statement = format!(
        "select (select coalesce(json_agg(json_build_array(key, left(value, {}))), '[]')
                 from (select key, value from json_each_text(to_json(shown)) limit {}) cell)
         from (select * from (\n{}\n) failing{order} limit {SAMPLES}) shown",
        LONGEST_VALUE + 1,
        VALUES + 8,
        failing.sql
    );
    let rows: Vec<Json<Cells>> = sqlx::query_scalar(AssertSqlSafe(statement)).persistent(false).fetch_all(tx).await?;
    Ok(rows.into_iter().map(|Json(cells)| sample(run, cells)).collect())
}

/// The values of a row as text, by the names of their columns.
type Cells = Vec<(String, Option<String>)>;

fn sample(run: Uuid, cells: Cells) -> CheckSample {
    let own = |name: &str| cells.iter().find(|(column, _)| column == name).and_then(|(_, value)| value.clone());
    let (file, line) = (own("_elt_file"), own("_elt_row").and_then(|line| line.parse().ok()));
    let of_this_run = own(RUN_ID).and_then(|id| id.parse::<Uuid>().ok()) == Some(run);
    let row_hash = own(ROW_HASH).filter(|_| of_this_run).and_then(|hash| hash.parse::<Uuid>().ok());
    let row_hash = row_hash.map(|hash| hash.as_u128());
    let values = cells.into_iter().filter(|(column, _)| !column.starts_with("_elt_")).take(VALUES);
    let values = values.map(|(column, value)| CheckValue { column, value: value.map(|value| cut(&value)) }).collect();
    CheckSample { file, line, values, row_hash }
}

/// Time after which a check is given up. It sends two statements, each of which the server ends at the check's time limit.
fn longest(check: &Check) -> Duration {
    check.time_limit * 2 + GRACE
}

fn cut(value: &str) -> String {
    match value.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

fn does_not_end(check: &Check) -> PipelineError {
    PipelineError::Contract(Explained {
        code: Code::CheckBroken,
        message: format!(
            "the check {} could not be tried: it does not end, {} after its time limit; nothing was loaded",
            check.name,
            shown_duration(GRACE.as_secs())
        ),
        next_step: format!("Correct {}, then retry the run.", check.at),
    })
}
