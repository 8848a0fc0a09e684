//! Sorted, filtered pages of a table for the data view. Values beyond what JSON numbers keep come as texts.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::{Existing, TableKind, TableRef, TargetError, quote_ident, quote_literal};

/// Integers up to here survive a JSON number.
const EXACT_INTEGER: u64 = 1 << 53;
/// Longer than this no page counts rows.
pub(super) const COUNT_TIMEOUT: &str = "3s";
/// Longer than this no page reads rows.
const READ_TIMEOUT: &str = "30s";
/// A page never has more rows than this.
const MAX_ROWS: u32 = 1_000;

/// Characters of a cell that a page shows at most; of a longer one it shows the beginning and how long it is.
const CELL_CHARS: u64 = 1 << 16;
/// Characters of a cell that a page shows however many cells it has.
const SHORT_CELL_CHARS: u64 = 64;
/// Characters of all cells of a page together.
const PAGE_CHARS: u64 = 12 << 20;

/// The table in a query. A sort key names it: a bare name would be the text a column is shown as.
pub(super) const ROWS: &str = "elt_rows";

/// Which rows of a table.
#[derive(Debug, Clone, Default)]
pub struct PageQuery {
    /// Only these, in this order; `None`: all.
    pub columns: Option<Vec<String>>,
    /// Most significant first.
    pub sort: Vec<Sort>,
    /// All must hold.
    pub filters: Vec<Filter>,
    /// At most this many rows; bounded by 1000, at least 1.
    pub limit: u32,
    /// [`Page::next`] of the page before.
    pub cursor: Option<String>,
    /// Number of rows before the page. It counts only without a cursor.
    pub offset: u32,
    /// Show the `_elt_*` columns too.
    pub internal: bool,
}

/// One sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// Name of the column.
    pub column: String,
    /// Whether the largest value comes first.
    pub descending: bool,
}

/// One condition on a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Name of the column.
    pub column: String,
    /// How the column is compared with the value.
    pub compare: Compare,
    /// With what; ignored by [`Compare::IsNull`] and [`Compare::NotNull`].
    pub value: String,
}

/// How a filter compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// `=`
    Equal,
    /// `<>`, or NULL
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// The text holds it, in any case.
    Contains,
    /// The value is NULL.
    IsNull,
    /// Is not NULL.
    NotNull,
}

/// Some rows of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page {
    /// The columns of the rows, in order.
    pub columns: Vec<PageColumn>,
    /// One value a column.
    pub rows: Vec<Vec<Value>>,
    /// Rows that pass the filters; `None` when counting takes too long.
    pub total: Option<i64>,
    /// Asks for the page after this one.
    pub next: Option<String>,
}

/// One column of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PageColumn {
    /// Name of the column.
    pub name: String,
    /// The type as SQL.
    #[serde(rename = "type")]
    pub sql_type: String,
}

/// Reads a page of a table, view or partitioned table.
///
/// # Errors
/// [`TargetError::NoTable`], a column that does not exist, a cursor that no page gave out, a filter that does not fit; database failures.
pub async fn read_page(
    connection: &mut PgConnection,
    table: &TableRef,
    query: &PageQuery,
) -> Result<Page, TargetError> {
    let existing =
        table.existing(connection).await?.ok_or_else(|| TargetError::NoTable { table: table.to_string() })?;
    let columns = shown_columns(&existing, query)?;
    let offset = query.cursor.as_deref().map_or(Ok(query.offset.into()), offset_of)?;
    let (limit, cell) = size(query.limit, columns.len() as u64);
    let condition = condition(&existing, &query.filters)?;

    let mut tx = connection.begin().await?;
    sqlx::query("set transaction isolation level repeatable read, read only").execute(&mut *tx).await?;
    set_timeout(&mut tx, READ_TIMEOUT).await?;
    let fields: Vec<_> = columns.iter().map(|column| shortened(&quote_ident(&column.name), cell)).collect();
    let fields = if fields.is_empty() { "null".to_owned() } else { fields.join(", ") };
    let order = order(&existing, &query.sort)?;
    let sql =
        format!("select {fields} from {} {ROWS}{condition}{order} limit {} offset {offset}", table.sql(), limit + 1);
    let mut found: Vec<PgRow> = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *tx).await.map_err(filter_error)?;
    let more = found.len() as u64 > limit;
    found.truncate(limit as usize);
    let total = if !more && (offset == 0 || !found.is_empty()) {
        Some(offset as i64 + found.len() as i64)
    } else {
        count(&mut tx, table, &condition).await?
    };
    tx.rollback().await?;

    let rows = found.iter().map(|row| json_row(row, &columns)).collect::<sqlx::Result<_>>()?;
    Ok(Page { columns, rows, total, next: more.then(|| cursor_at(offset + limit)) })
}

/// Whether the server ended a statement because of its time limit.
pub(super) fn takes_too_long(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).as_deref() == Some("57014")
}

/// How many rows a page has and how many characters a cell shows, so that the page is bounded for a table of any width.
fn size(rows: u32, columns: u64) -> (u64, u64) {
    let columns = columns.max(1);
    let rows = u64::from(rows.clamp(1, MAX_ROWS)).min(PAGE_CHARS / (SHORT_CELL_CHARS * columns)).max(1);
    (rows, (PAGE_CHARS / (rows * columns)).clamp(SHORT_CELL_CHARS, CELL_CHARS))
}

/// A cell as a text of at most about `most` characters. A longer one ends with a mark that says how long it is. The
/// server cuts it, because otherwise it would send all of it.
fn shortened(name: &str, most: u64) -> String {
    format!(
        "case when char_length({name}::text) > {most} then left({name}::text, {most}) || '… [cut: ' ||
              char_length({name}::text) || ' characters in all]' else {name}::text end"
    )
}

pub(super) fn shown_columns(existing: &Existing, query: &PageQuery) -> Result<Vec<PageColumn>, TargetError> {
    let all = existing.columns.iter().filter(|column| query.internal || !column.is_internal());
    let all: Vec<_> =
        all.map(|column| PageColumn { name: column.name.clone(), sql_type: column.sql_type.clone() }).collect();
    match &query.columns {
        None => Ok(all),
        // A column that is named again is shown once, so that a short request cannot make a wide answer.
        Some(names) => names
            .iter()
            .enumerate()
            .filter(|(place, name)| !names[..*place].contains(name))
            .map(|(_, name)| {
                all.iter()
                    .find(|column| column.name == *name)
                    .cloned()
                    .ok_or_else(|| TargetError::NoColumn { column: name.clone() })
            })
            .collect(),
    }
}

pub(super) fn order(existing: &Existing, sort: &[Sort]) -> Result<String, TargetError> {
    let mut keys = Vec::new();
    for Sort { column, descending } in sort {
        let known = sql_type(existing, column)?;
        // `json` has no order of its own.
        let cast = if known == "json" { "::text" } else { "" };
        let direction = if *descending { " desc nulls last" } else { "" };
        keys.push(format!("{ROWS}.{}{cast}{direction}", quote_ident(column)));
    }
    // Rows that sort alike must not move between pages.
    if matches!(existing.kind, TableKind::Table | TableKind::MaterializedView) {
        keys.push(format!("{ROWS}.ctid"));
    }
    Ok(if keys.is_empty() { String::new() } else { format!(" order by {}", keys.join(", ")) })
}

pub(super) fn condition(existing: &Existing, filters: &[Filter]) -> Result<String, TargetError> {
    let mut sql = String::new();
    for (index, Filter { column, compare, value }) in filters.iter().enumerate() {
        let sql_type = sql_type(existing, column)?;
        let name = quote_ident(column);
        if value.contains('\0') {
            return Err(TargetError::Filter { reason: "a NUL byte is in no text".into() });
        }
        let typed = || match sql_type.as_str() {
            "json" => (format!("{name}::text"), quote_literal(value)),
            other => (name.clone(), format!("{}::{other}", quote_literal(value))),
        };
        let operator = |operator: &str| {
            let (column, value) = typed();
            format!("{column} {operator} {value}")
        };
        let test = match compare {
            Compare::Equal => operator("="),
            Compare::NotEqual => operator("is distinct from"),
            Compare::Less => operator("<"),
            Compare::AtMost => operator("<="),
            Compare::Greater => operator(">"),
            Compare::AtLeast => operator(">="),
            Compare::Contains => {
                let escaped = value.replace('!', "!!").replace('%', "!%").replace('_', "!_");
                format!("{name}::text ilike {} escape '!'", quote_literal(&format!("%{escaped}%")))
            }
            Compare::IsNull => format!("{name} is null"),
            Compare::NotNull => format!("{name} is not null"),
        };
        let _ = write!(sql, " {} {test}", if index == 0 { "where" } else { "and" });
    }
    Ok(sql)
}

pub(super) fn sql_type(existing: &Existing, name: &str) -> Result<String, TargetError> {
    existing
        .columns
        .iter()
        .find(|column| column.name == name)
        .map(|column| column.sql_type.clone())
        .ok_or_else(|| TargetError::NoColumn { column: name.to_owned() })
}

async fn count(tx: &mut PgConnection, table: &TableRef, condition: &str) -> Result<Option<i64>, TargetError> {
    set_timeout(tx, COUNT_TIMEOUT).await?;
    let sql = format!("select count(*) from {}{condition}", table.sql());
    match sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(tx).await {
        Ok(total) => Ok(Some(total)),
        Err(error) if takes_too_long(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn set_timeout(tx: &mut PgConnection, timeout: &str) -> sqlx::Result<()> {
    sqlx::query("select set_config('statement_timeout', $1, true)").bind(timeout).execute(tx).await?;
    Ok(())
}

/// Class 22 is bad input for a type, 42883 a type without that operator.
pub(super) fn filter_error(error: sqlx::Error) -> TargetError {
    match error.as_database_error() {
        Some(database)
            if database.code().is_some_and(|code| code.starts_with("22") || code == "42883" || code == "42846") =>
        {
            TargetError::Filter { reason: database.message().to_owned() }
        }
        _ => error.into(),
    }
}

fn json_row(row: &PgRow, columns: &[PageColumn]) -> sqlx::Result<Vec<Value>> {
    columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let text: Option<String> = row.try_get(index)?;
            Ok(text.map_or(Value::Null, |text| json_value(text, &column.sql_type)))
        })
        .collect()
}

/// A value as JSON shows it without losing a digit.
fn json_value(text: String, sql_type: &str) -> Value {
    match sql_type {
        "boolean" => Value::Bool(text == "true" || text == "t"),
        "smallint" | "integer" | "bigint" => match text.parse::<i64>() {
            Ok(number) if number.unsigned_abs() <= EXACT_INTEGER => number.into(),
            _ => Value::String(text),
        },
        "real" | "double precision" => {
            text.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map_or(Value::String(text), Value::Number)
        }
        "json" | "jsonb" => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        _ => Value::String(text),
    }
}

fn cursor_at(offset: u64) -> String {
    format!("o{offset:x}")
}

fn offset_of(cursor: &str) -> Result<u64, TargetError> {
    cursor
        .strip_prefix('o')
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .filter(|offset| *offset <= i64::MAX as u64 / 2)
        .ok_or(TargetError::Cursor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_digit_is_lost_in_json() {
        assert_eq!(json_value("9007199254740992".into(), "bigint"), json!(9_007_199_254_740_992_i64));
        assert_eq!(json_value("9007199254740993".into(), "bigint"), json!("9007199254740993"));
        assert_eq!(json_value("12.50".into(), "numeric(18,2)"), json!("12.50"));
        assert_eq!(json_value("0.1".into(), "double precision"), json!(0.1));
        assert_eq!(json_value("NaN".into(), "double precision"), json!("NaN"));
        assert_eq!(json_value("true".into(), "boolean"), json!(true));
        assert_eq!(json_value("007".into(), "text"), json!("007"));
    }

    #[test]
    fn a_page_is_bounded_for_a_table_of_any_width() {
        assert_eq!(size(100, 5), (100, 25_165));
        assert_eq!(size(1, 1), (1, CELL_CHARS));
        assert_eq!(size(0, 0), (1, CELL_CHARS));
        for columns in [1, 7, 50, 400, 1_600, 100_000] {
            let (rows, cell) = size(1_000, columns);
            assert!(rows >= 1 && cell >= SHORT_CELL_CHARS, "{columns}");
            assert!(rows * columns * cell <= PAGE_CHARS + SHORT_CELL_CHARS * columns, "{columns}");
        }
    }

    #[test]
    fn a_cursor_reads_back_and_nothing_else_does() {
        assert_eq!(offset_of(&cursor_at(300)).unwrap(), 300);
        for wrong in ["", "300", "o", "oxyz", "offfffffffffffffff", "o-1"] {
            assert_eq!(offset_of(wrong).unwrap_err().code().as_str(), "invalid_cursor", "{wrong}");
        }
    }
}
