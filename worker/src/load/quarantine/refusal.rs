//! The reason why the server refuses a row, as a code and a sentence, from its error and the catalog.

use elt_shared::explained::Code;
use elt_shared::target::TableRef;
use sqlx::postgres::PgDatabaseError;
use sqlx::{AssertSqlSafe, PgConnection};

use super::refused::Refusal;
use crate::contract::Layout;
use crate::load::failure::is_raised_by_code;
use crate::load::staging::{STAGING, staged_text};

/// Bytes up to which a key fits into every index, compressed or not.
const SHORT_KEY_BYTES: i64 = 2_000;

/// Whether an error can be about one row: its values, a constraint, a trigger, a size.
///
/// Everything else (rights, locks, connections, missing objects) is about the statement, whatever rows it has.
pub fn concerns_a_row(error: &sqlx::Error) -> bool {
    let Some(code) = error.as_database_error().and_then(|error| error.code()) else { return false };
    // A sequence that has run out of numbers would refuse every later row, too.
    if code == "2200H" {
        return false;
    }
    ["22", "23", "38", "39", "44", "P0"].iter().any(|class| code.starts_with(class)) || code == "54000"
}

/// Whether an error can be about one value that is converted. Extensions raise internal errors for values, too.
pub fn concerns_a_value(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    concerns_a_row(error) || code.is_some_and(|code| code.starts_with("XX"))
}

/// The refusal of a value that the server does not convert to its column's type.
pub fn of_value(error: &sqlx::Error, layout: &Layout, column: usize) -> Refusal {
    let sql = &layout.columns[column].sql;
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    let said = message(error);
    let (code, rule) = match &*code {
        "23514" => (Code::Check, format!("breaks a check constraint of the domain {sql}")),
        "23502" => (Code::NullNotAllowed, format!("is missing, which the domain {sql} does not allow")),
        "22P05" | "22021" => (Code::Encoding, "has a character that the database's encoding cannot store".to_owned()),
        _ => (Code::WrongType, format!("does not convert to {sql}")),
    };
    Refusal { column: Some(column), code, reason: format!("{rule}: {said}"), rule }
}

/// The refusal of a row by the table.
pub async fn of_row(
    tx: &mut PgConnection,
    table: &TableRef,
    layout: &Layout,
    error: &sqlx::Error,
    row: i64,
) -> sqlx::Result<Refusal> {
    let postgres = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    let state = postgres.map_or("", PgDatabaseError::code);
    let is_raised = postgres.is_some_and(is_raised_by_code);
    if state == "54000" && !is_raised {
        return too_long(tx, layout, row).await;
    }
    let name = postgres.filter(|_| !is_raised).and_then(PgDatabaseError::constraint).unwrap_or_default();
    let constraint = Constraint::find(tx, table, name).await?;
    let place = |name: &str| layout.columns.iter().position(|column| column.name == name);
    let mut column = constraint.columns.iter().find_map(|name| place(name));
    let (code, rule) = match state {
        // It comes first, because a trigger may raise an error with any code. The class P0 is that of PL/pgSQL, which
        // other languages use as well.
        state if is_raised || state.starts_with("P0") => {
            (Code::Trigger, "is refused by a trigger of the table".to_owned())
        }
        "23502" => {
            column = postgres.and_then(PgDatabaseError::column).and_then(place);
            (Code::NullNotAllowed, "is missing".to_owned())
        }
        "23503" => {
            let other = constraint.refers_to.as_deref().unwrap_or("the table it refers to");
            (Code::ForeignKey, format!("has no matching row in {other} ({})", constraint.shown(name)))
        }
        "23505" => (Code::Unique, format!("is in the table or in an earlier row already ({})", constraint.shown(name))),
        "23514" if name.is_empty() && is_partitioned(tx, table).await? => {
            (Code::NoPartition, format!("fits no partition of {table}: create the partition that holds it"))
        }
        "23514" if name.is_empty() => (Code::Check, format!("is refused by a check of {table} that has no name")),
        "23514" => (Code::Check, format!("breaks {}", constraint.shown(name))),
        "23P01" => (Code::Exclusion, format!("conflicts with another row ({})", constraint.shown(name))),
        "22P05" | "22021" => (Code::Encoding, "has a character that the database's encoding cannot store".to_owned()),
        state => (Code::Refused, format!("is refused by the table (SQLSTATE {state})")),
    };
    let reason = match code {
        Code::Trigger | Code::Refused => format!("{rule}: {}", message(error)),
        _ => rule.clone(),
    };
    Ok(Refusal { column, code, reason, rule })
}

/// Whether the table has partitions or is one, so that its rows must fit the bounds of a partition.
async fn is_partitioned(tx: &mut PgConnection, table: &TableRef) -> sqlx::Result<bool> {
    let statement = "select relkind = 'p' or relispartition from pg_class where oid = to_regclass($1)";
    let found: Option<bool> = sqlx::query_scalar(statement).bind(table.sql()).fetch_optional(tx).await?;
    Ok(found == Some(true))
}

/// The refusal of a row with a value that is too long: for the index over a merge's key, or for the table.
async fn too_long(tx: &mut PgConnection, layout: &Layout, row: i64) -> sqlx::Result<Refusal> {
    let keys = longest(tx, layout, row, |column| column.key).await?;
    if let Some((column, bytes)) = keys.filter(|(_, bytes)| *bytes > SHORT_KEY_BYTES) {
        let rule = format!("has {bytes} bytes, which is too long for a key: an index entry holds at most 2704");
        return Ok(Refusal { column: Some(column), code: Code::KeyTooLong, reason: rule.clone(), rule });
    }
    let any = longest(tx, layout, row, |_| true).await?;
    let bytes = any.map_or(0, |(_, bytes)| bytes);
    let rule = format!("has {bytes} bytes, more than the row or an index entry of the table can hold");
    Ok(Refusal { column: any.map(|(column, _)| column), code: Code::TooLong, reason: rule.clone(), rule })
}

/// The longest value of a staged row among some of its columns, and its bytes.
async fn longest(
    tx: &mut PgConnection,
    layout: &Layout,
    row: i64,
    chosen: impl Fn(&crate::contract::Column) -> bool,
) -> sqlx::Result<Option<(usize, i64)>> {
    let lengths: Vec<_> = layout
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| chosen(column))
        .map(|(place, column)| format!("({place}, octet_length({}::text)::bigint)", staged_text("s", column)))
        .collect();
    if lengths.is_empty() {
        return Ok(None);
    }
    let found: Option<(i32, i64)> = sqlx::query_as(AssertSqlSafe(format!(
        "select length.place, length.bytes from {STAGING} s, lateral (values {}) length (place, bytes)
         where s._elt_row = $1 and length.bytes is not null order by length.bytes desc limit 1",
        lengths.join(", ")
    )))
    .bind(row)
    .fetch_optional(tx)
    .await?;
    Ok(found.and_then(|(place, bytes)| Some((usize::try_from(place).ok()?, bytes))))
}

/// The server's message; empty for an error that is not the server's.
fn message(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(String::new, |error| error.message().to_owned())
}

/// A constraint or a unique index of the table, as the catalog describes it.
#[derive(Default)]
struct Constraint {
    columns: Vec<String>,
    definition: Option<String>,
    refers_to: Option<String>,
}

impl Constraint {
    async fn find(tx: &mut PgConnection, table: &TableRef, name: &str) -> sqlx::Result<Self> {
        let found: Option<(Vec<String>, Option<String>, Option<String>)> = sqlx::query_as(
            "select array(select a.attname::text from unnest(c.conkey) with ordinality as key (attnum, place)
                          join pg_attribute a on a.attrelid = c.conrelid and a.attnum = key.attnum order by place),
                    pg_get_constraintdef(c.oid),
                    case when c.confrelid <> 0 then c.confrelid::regclass::text end
             from pg_constraint c where c.conrelid = to_regclass($1) and c.conname = $2
             union all
             select array(select a.attname::text from unnest(i.indkey::int2[]) with ordinality as key (attnum, place)
                          join pg_attribute a on a.attrelid = i.indrelid and a.attnum = key.attnum order by place),
                    null, null
             from pg_index i join pg_class x on x.oid = i.indexrelid
             where i.indrelid = to_regclass($1) and x.relname = $2
             limit 1",
        )
        .bind(table.sql())
        .bind(name)
        .fetch_optional(tx)
        .await?;
        let found = found.map(|(columns, definition, refers_to)| Self { columns, definition, refers_to });
        Ok(found.unwrap_or_default())
    }

    /// The constraint as people find it: its name and its definition.
    fn shown(&self, name: &str) -> String {
        match &self.definition {
            Some(definition) => format!("the constraint {name}: {definition}"),
            None => format!("the constraint {name}"),
        }
    }
}
