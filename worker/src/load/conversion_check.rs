//! The check of values that the server converts, because elt does not know their types. All staged values are converted once
//! before they are written: each must convert, and must still be the value that the file has.
//!
//! A value counts as unchanged when its text comes back as it was, or in another spelling of the same value: upper and
//! lower case of hexadecimal digits, `10.0.0.1/32` and `10.0.0.1`, numbers with more or fewer zeros at their ends, the
//! order of the members of a set. Types of extensions must give back the same text, apart from `citext`, `hstore` and
//! PostGIS, whose spellings elt knows.

use std::sync::Arc;

use elt_shared::config::ColumnType;
use elt_shared::explained::Code;
use elt_shared::target::quote_ident;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Halt;
use super::quarantine::refusal::{self, concerns_a_value};
use super::quarantine::refused::{MOST_REFUSED, Refusal, Refused};
use super::staging::{STAGING, decoded, staged_text};
use crate::contract::foreign::ForeignType;
use crate::contract::{Column, Layout, SqlType};
use crate::error::PipelineError;

/// Checks every staged value that the server converts.
///
/// # Errors
/// [`Halt::Refused`] with the rows whose values do not convert or would be changed.
pub async fn check(connection: &mut PgConnection, layout: &Layout, stop: &CancellationToken) -> Result<(), Halt> {
    let converted: Vec<_> = layout
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.transcoded || matches!(column.sql_type(), SqlType::Other(_)))
        .collect();
    if converted.is_empty() {
        return Ok(());
    }
    let refused = match changed_values(connection, layout, &converted).await {
        Ok(refused) => refused,
        Err(error) if concerns_a_value(&error) => {
            let mut refused = Refused::default();
            for (place, column) in converted {
                unconverted_values(connection, layout, place, column, stop, &mut refused).await?;
            }
            if refused.is_empty() {
                return Err(error.into());
            }
            refused
        }
        Err(error) => return Err(error.into()),
    };
    if refused.is_empty() { Ok(()) } else { Err(Halt::Refused(Box::new(refused))) }
}

/// The rows with a value that would be stored as another value.
///
/// # Errors
/// A value that does not convert at all; other database failures.
async fn changed_values(
    connection: &mut PgConnection,
    layout: &Layout,
    converted: &[(usize, &Column)],
) -> sqlx::Result<Refused> {
    let cases: String = converted
        .iter()
        .map(|(place, column)| {
            let name = quote_ident(&column.name);
            format!(
                "when s.{name} is not null and ({}) is not true then {place} ",
                kept(column, &staged_text("s", column))
            )
        })
        .collect();
    let lengths: String = converted
        .iter()
        .map(|(place, column)| format!("when {place} then length({}) ", staged_text("s", column)))
        .collect();
    let found: Vec<(i64, Option<Uuid>, i32, i32)> = sqlx::query_as(AssertSqlSafe(format!(
        "select s._elt_row, s._elt_row_hash, bad._elt_place, case bad._elt_place {lengths} end
         from {STAGING} s cross join lateral (select case {cases} end as _elt_place) bad
         where bad._elt_place is not null order by s._elt_row limit {}",
        MOST_REFUSED + 1
    )))
    .fetch_all(connection)
    .await?;
    let mut refused = Refused::default();
    refused.exceeded = found.len() > MOST_REFUSED;
    for (row, hash, place, length) in found {
        let column = usize::try_from(place).ok().and_then(|place| Some((place, layout.columns.get(place)?)));
        let (place, Column { sql, .. }) =
            column.ok_or_else(|| sqlx::Error::Protocol("the server names a column that no query asked for".into()))?;
        let rule = format!("has {length} characters that the column would change ({sql})");
        let refusal = Refusal { column: Some(place), code: Code::DoesNotFit, reason: rule.clone(), rule };
        refused.add(row, hash.map(|hash| hash.as_u128()), &Arc::new(refusal));
    }
    Ok(refused)
}

/// Finds the values of one column that do not convert, and their rows. `place`: index of the column in the layout. Each distinct value is tried once, in parts that
/// are halved until one value is left.
async fn unconverted_values(
    connection: &mut PgConnection,
    layout: &Layout,
    place: usize,
    column: &Column,
    stop: &CancellationToken,
    refused: &mut Refused,
) -> Result<(), Halt> {
    let name = quote_ident(&column.name);
    let mut tx = connection.begin().await?;
    sqlx::raw_sql(AssertSqlSafe(format!(
        "create temporary table _elt_values on commit drop as
             select value, row_number() over (order by first_row) as place
             from (select s.{name} as value, min(s._elt_row) as first_row from {STAGING} s
                   where s.{name} is not null group by s.{name}) value;
         create unique index on pg_temp._elt_values (place)"
    )))
    .execute(&mut *tx)
    .await?;
    let total: i64 = sqlx::query_scalar("select count(*) from pg_temp._elt_values").fetch_one(&mut *tx).await?;
    let (mut at, mut size) = (1, total.max(1));
    let mut values = 0;
    while at <= total {
        if stop.is_cancelled() {
            return Err(PipelineError::Stopped.into());
        }
        if values >= MOST_REFUSED {
            refused.exceeded = true;
            break;
        }
        let end = total.min(at.saturating_add(size - 1));
        match converts(&mut tx, column, at, end).await? {
            Ok(()) => {
                at = end + 1;
                size = size.saturating_mul(2);
            }
            Err(_) if at < end => size = (end - at + 1) / 2,
            Err(error) => {
                let refusal = Arc::new(refusal::of_value(&error, layout, place));
                refuse_value(&mut tx, &name, at, &refusal, refused).await?;
                values += 1;
                at += 1;
                size = 1;
            }
        }
    }
    tx.rollback().await?;
    Ok(())
}

/// Converts some of a column's values under a savepoint. The inner error is about a value, the outer one about the database.
async fn converts(tx: &mut PgConnection, column: &Column, from: i64, to: i64) -> sqlx::Result<Result<(), sqlx::Error>> {
    let mut savepoint = tx.begin().await?;
    // The statement has the whole condition, because a value may convert to its type and not to the type it is compared in.
    let statement = format!(
        "select count({})::bigint from pg_temp._elt_values v where v.place between {from} and {to}",
        kept(column, &decoded("v.value", column))
    );
    match sqlx::query_scalar::<_, i64>(AssertSqlSafe(statement)).fetch_one(&mut *savepoint).await {
        Ok(_) => savepoint.commit().await.map(Ok),
        Err(error) if concerns_a_value(&error) => savepoint.rollback().await.map(|()| Err(error)),
        Err(error) => Err(error),
    }
}

/// Refuses all rows that have a value.
async fn refuse_value(
    tx: &mut PgConnection,
    name: &str,
    place: i64,
    refusal: &Arc<Refusal>,
    refused: &mut Refused,
) -> Result<(), Halt> {
    let rows: Vec<(i64, Option<Uuid>)> = sqlx::query_as(AssertSqlSafe(format!(
        "select s._elt_row, s._elt_row_hash from {STAGING} s
         where s.{name} = (select v.value from pg_temp._elt_values v where v.place = $1)
         order by s._elt_row limit {}",
        MOST_REFUSED + 1
    )))
    .bind(place)
    .fetch_all(tx)
    .await?;
    refused.exceeded |= rows.len() > MOST_REFUSED;
    for (row, hash) in rows {
        refused.add(row, hash.map(|hash| hash.as_u128()), refusal);
    }
    Ok(())
}

/// The SQL condition that the column keeps the value of a text. It raises an error when the text does not convert.
fn kept(column: &Column, text: &str) -> String {
    match column.sql_type() {
        SqlType::Known(ColumnType::Json) => return format!("{text}::jsonb is not null"),
        SqlType::Known(_) => return format!("{text} is not null"),
        SqlType::Other(_) => {}
    }
    let value = format!("({text}::{})", column.sql);
    let Some(foreign) = column.foreign.as_deref() else { return format!("{value}::text = {text}") };
    let same = if foreign.array {
        kept_array(foreign, text, &value)
    } else if let ("r" | "m", Some(subtype)) = (foreign.kind.as_str(), foreign.subtype.as_deref()) {
        kept_range(subtype, text, &value)
    } else {
        kept_scalar(foreign, text, &value)
    };
    let limited = matches!(
        foreign.name.as_str(),
        "varchar" | "bit" | "varbit" | "time" | "timetz" | "timestamp" | "timestamptz" | "interval"
    );
    if !limited || foreign.unlimited.trim_end_matches("[]") == foreign.scalar {
        return same;
    }
    // The modifiers of the type, such as a length or a precision, change nothing.
    format!("{same} and {value}::text = ({text}::{})::text", foreign.unlimited)
}

/// Pattern of a fraction of a second with more digits than the six that PostgreSQL keeps.
const TOO_PRECISE: &str = r"\.\d{6}0*[1-9]";
/// Pattern of a point in time without a zone, as an element of an array.
const TIMESTAMP: &str = r"^\s*(-?infinity|\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d([.,]\d{1,6}0*)?)?)?)\s*$";
/// Pattern of a point in time with or without a zone.
const TIMESTAMPTZ: &str =
    r"^\s*(-?infinity|\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d([.,]\d{1,6}0*)?)?\s*([Zz]|[-+]\d\d(:?\d\d)?)?)?)\s*$";
const DATE: &str = r"^\s*(-?infinity|\d{4}-\d\d-\d\d)\s*$";
const TIME: &str = r"^\s*\d\d:\d\d(:\d\d([.,]\d{1,6}0*)?)?\s*$";
const TIMETZ: &str = r"^\s*\d\d:\d\d(:\d\d(\.\d{1,6}0*)?)?\s*([Zz]|[-+]\d\d(:?\d\d){0,2})?\s*$";
/// Pattern of the parts of an interval that are not a whole number of microseconds: fractions of months and years, and
/// fractions that are too small.
const INEXACT_INTERVAL: &str = r"[.,]\d{6}0*[1-9]|[.,]\d*[1-9]\d*\s*(y|mon|dec|cent|c\M|mille|mil\M|us|micro)|[.,]\d{3}0*[1-9]\d*\s*(ms|msec|millis)|^\s*-?p[^t]*[.,]\d*[1-9]\d*m";

fn kept_array(foreign: &ForeignType, text: &str, value: &str) -> String {
    let elements = |pattern: &str| {
        format!(
            "{value} is not null and not exists (select from unnest({text}::text[]) element where element !~ '{pattern}')"
        )
    };
    match (foreign.kind.as_str(), foreign.builtin, foreign.name.as_str()) {
        ("b", true, "bpchar") => format!("{value}::bpchar[] = {text}::bpchar[]"),
        ("b", true, "int2" | "int4" | "int8" | "numeric" | "float4" | "float8") => {
            format!("{value}::text::numeric[] = {text}::numeric[]")
        }
        ("b", true, "bool" | "uuid" | "inet" | "macaddr" | "macaddr8") => format!("{value} is not null"),
        ("b", true, "date") => elements(DATE),
        ("b", true, "time") => elements(TIME),
        ("b", true, "timetz") => elements(TIMETZ),
        ("b", true, "timestamp") => elements(TIMESTAMP),
        ("b", true, "timestamptz") => elements(TIMESTAMPTZ),
        _ => format!("{value}::text[] = {text}::text[]"),
    }
}

fn kept_range(subtype: &str, text: &str, value: &str) -> String {
    match subtype {
        "timestamp" => {
            format!(
                r"{value} is not null and {text} !~ '{TOO_PRECISE}|\d\d:\d\d(:\d\d(\.\d+)?)?\s*([-+]\d|[[:alpha:]])'"
            )
        }
        "timestamptz" => format!("{value} is not null and {text} !~ '{TOO_PRECISE}'"),
        "date" => format!(r"{value} is not null and {text} !~ '\d\d:\d\d'"),
        "int4" | "int8" | "numeric" => format!("{value} is not null"),
        _ => format!("{} = {}", numbers(&format!("{value}::text")), numbers(text)),
    }
}

fn kept_scalar(foreign: &ForeignType, text: &str, value: &str) -> String {
    if !foreign.builtin || foreign.kind != "b" {
        return kept_of_extension(foreign, text, value);
    }
    match foreign.name.as_str() {
        // These were checked before they were sent: see `contract::column_limits`.
        "bpchar" | "varchar" | "text" | "name" | "char" | "bool" | "int2" | "int4" | "int8" | "numeric" | "float4"
        | "float8" | "date" | "time" | "timestamp" | "timestamptz" | "uuid" | "jsonb" => format!("{value} is not null"),
        "inet" | "macaddr" | "macaddr8" => format!("{value} is not null"),
        // PostgreSQL would give a shortened address a mask that the file does not have.
        "cidr" => format!(r"{value} is not null and {text} ~ '[/:]|^\s*\d+\.\d+\.\d+\.\d+\s*$'"),
        "bit" | "varbit" => format!("({value}::text = {text} or ({value} is not null and {text} ~ '^[bBxX]'))"),
        "xml" => format!(r"{value}::text in ({text}, regexp_replace({text}, '^\s*<\?xml[^>]*\?>\s*', ''))"),
        "bytea" => format!(
            "({value}::text = lower(regexp_replace({text}, '\\s', '', 'g')) or encode({value}, 'escape') = {text} \
             or (strpos({text}, '\\') = 0 and {value} = convert_to({text}, 'UTF8')))"
        ),
        "interval" => format!("{value} is not null and {text} !~* '{INEXACT_INTERVAL}'"),
        "timetz" => format!("{value} is not null and {text} ~ '{TIMETZ}'"),
        // PostgreSQL reads every comma as a separator of thousands, so that 1,5 would become 15.
        "money" => format!(
            r"case when {text} ~ '^\s*[-+]?\$?(\d+|\d{{1,3}}(,\d{{3}})+)(\.\d*)?\s*$'
                   then {value}::numeric = regexp_replace({text}, '[$,\s]', '', 'g')::numeric else false end"
        ),
        "point" | "lseg" | "box" | "path" | "polygon" | "circle" | "line" => {
            format!("{} = {}", numbers(&format!("{value}::text")), numbers(text))
        }
        "tsvector" => format!("{} = {}", members(&format!("{value}::text"), r"\s+"), members(text, r"\s+")),
        _ => format!("{value}::text = {text}"),
    }
}

/// The condition for types of extensions and users. A text that does not come back as it was may be another value.
fn kept_of_extension(foreign: &ForeignType, text: &str, value: &str) -> String {
    match foreign.name.as_str() {
        // PostGIS shows well-known binary, so the coordinates are compared as well-known text shows them.
        "geometry" | "geography" => {
            let schema = foreign.unlimited.rsplit_once('.').map_or("", |(schema, _)| schema);
            let dot = if schema.is_empty() { "" } else { "." };
            let written = numbers(&format!("regexp_replace({text}, '^srid=[0-9]+;', '', 'i')"));
            format!(
                "({value}::text = upper({text}) or {} = {written})",
                numbers(&format!("{schema}{dot}st_astext({value})"))
            )
        }
        "hstore" => format!("{} = {}", members(&format!("{value}::text"), ","), members(text, ",")),
        _ => format!("{value}::text = {text}"),
    }
}

/// An SQL array of the numbers in a text, sorted because the corners of a box may come back in another order.
fn numbers(text: &str) -> String {
    format!(
        r"array(select number[1]::numeric from regexp_matches({text}, '[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?', 'g') number order by 1)"
    )
}

/// An SQL array of the members of a set that is written as a text, sorted and without quotes and white space.
fn members(text: &str, separator: &str) -> String {
    format!(
        r#"array(select regexp_replace(member, '[\s"'']', '', 'g') from regexp_split_to_table(btrim({text}), '{separator}') member order by 1)"#
    )
}
