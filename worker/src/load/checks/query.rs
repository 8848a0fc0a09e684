//! The SQL of each rule, and what a failure is called. Names come from the table's catalog and values from the config; both
//! are quoted.

use elt_shared::config::{Check, CheckRule, CheckScope, TableName, shown_duration};
use elt_shared::target::{TableRef, quote_ident, quote_literal};

/// Stands for the target table in a query of the config.
const TABLE: &str = "{table}";

/// A query for the rows that fail a check.
pub struct Failing {
    /// The `select` that returns the rows which fail the check.
    pub sql: String,
    /// Columns by which its rows are ordered, so that rows that belong together stand together.
    pub order: Vec<String>,
}

/// The query for the rows that fail a check. `None`: the rule is about the table as a whole.
///
/// `columns`: the check's columns as the table has them; `of_run`: the condition that the run writes a row of `t`, if
/// there are others.
pub fn failing(check: &Check, table: &TableRef, columns: &[String], of_run: Option<&str>) -> Option<Failing> {
    let quoted: Vec<String> = columns.iter().map(|name| quote_ident(name)).collect();
    let of_run = of_run.filter(|_| check.scope == CheckScope::Run).unwrap_or("true");
    let rows = |condition: String| Failing {
        sql: format!("select t.* from {} t where {of_run} and {condition}", table.sql()),
        order: Vec::new(),
    };
    Some(match &check.rule {
        CheckRule::NotNull { .. } => rows(format!("t.{} is null", quoted.first()?)),
        CheckRule::AcceptedValues { values, .. } => {
            let values: Vec<_> = values.iter().map(|value| quote_literal(value)).collect();
            rows(format!("t.{} not in ({})", quoted.first()?, values.join(", ")))
        }
        CheckRule::Range { min, max, .. } => {
            let column = quoted.first()?;
            let below = min.iter().map(|min| format!("t.{column} < {}", literal(min)));
            let above = max.iter().map(|max| format!("t.{column} > {}", literal(max)));
            rows(format!("({})", below.chain(above).collect::<Vec<_>>().join(" or ")))
        }
        CheckRule::Relationships { to, key, .. } => {
            let column = quoted.first()?;
            let other = other_table(table, to);
            rows(format!(
                "t.{column} is not null and not exists (select from {} other where other.{} = t.{column})",
                other.sql(),
                quote_ident(key)
            ))
        }
        CheckRule::Unique { .. } => repeated(table, quoted, of_run),
        CheckRule::Sql { query } => Failing { sql: query.replace(TABLE, &table.sql()), order: Vec::new() },
        CheckRule::RowCount { .. } | CheckRule::FreshnessOf { .. } => return None,
    })
}

/// The rows whose values in these columns another row has as well.
fn repeated(table: &TableRef, columns: Vec<String>, of_run: &str) -> Failing {
    let name = table.sql();
    let list = columns.join(", ");
    let present: Vec<_> = columns.iter().map(|column| format!("t.{column} is not null")).collect();
    let equal: Vec<_> = columns.iter().map(|column| format!("t.{column} = several.{column}")).collect();
    let brought = match of_run {
        "true" => String::new(),
        of_run => format!(" and ({list}) in (select {list} from {name} t where {of_run})"),
    };
    let sql = format!(
        "select t.* from {name} t join (
             select {list} from {name} t where {}{brought} group by {list} having count(*) > 1
         ) several on {}",
        present.join(" and "),
        equal.join(" and ")
    );
    Failing { sql, order: columns }
}

/// The other table of a `relationships`.
fn other_table(table: &TableRef, to: &TableName) -> TableRef {
    let schema = to.schema.clone().unwrap_or_else(|| table.schema.clone());
    TableRef { schema, table: to.table.clone() }
}

/// A bound as SQL: a number as it is, so that `0.5` can be compared with whole numbers, and anything else as a literal that
/// takes the type of the column.
fn literal(text: &str) -> String {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let mut parts = digits.splitn(2, '.');
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = parts.next().is_some_and(is_digits) && parts.next().is_none_or(is_digits);
    if is_number { format!("({text})") } else { quote_literal(text) }
}

/// The position in the query of the config for a position in the query that was sent, both in characters from 1. `None`: it
/// is in neither.
pub fn position_in(query: &str, table: &TableRef, sent: usize) -> Option<usize> {
    let name = table.sql().chars().count();
    let (mut written, mut left) = (0, sent.checked_sub(1)?);
    let mut parts = query.split(TABLE).peekable();
    while let Some(part) = parts.next() {
        let length = part.chars().count();
        if left < length || parts.peek().is_none() {
            return (left <= length).then_some(written + left + 1);
        }
        (left, written) = (left - length, written + length);
        if left < name {
            return Some(written + 1);
        }
        (left, written) = (left - name, written + TABLE.len());
    }
    None
}

/// A sentence about a check that fails for this number of rows, without values of them.
pub fn says(check: &Check, rows: u64, table: &TableRef) -> String {
    let have = if rows == 1 { "1 row has".to_owned() } else { format!("{rows} rows have") };
    match &check.rule {
        CheckRule::NotNull { column } => format!("{have} no value of {column}"),
        CheckRule::Unique { columns } => format!("{have} the same {} as another row", columns.join(", ")),
        CheckRule::AcceptedValues { column, values } if values.len() == 1 => {
            format!("{have} a value of {column} other than the accepted one")
        }
        CheckRule::AcceptedValues { column, values } => {
            format!("{have} a value of {column} other than the {} accepted ones", values.len())
        }
        CheckRule::Range { column, min, max } => match (min, max) {
            (Some(min), Some(max)) => format!("{have} a value of {column} that is not from {min} to {max}"),
            (Some(min), None) => format!("{have} a value of {column} below {min}"),
            (None, max) => format!("{have} a value of {column} above {}", max.as_deref().unwrap_or_default()),
        },
        CheckRule::Relationships { column, to, key } => {
            format!("{have} a value of {column} that {} lacks in {key}", other_table(table, to))
        }
        CheckRule::RowCount { min: Some(min), .. } if rows < *min => {
            format!("{table} would have {rows} rows, which is fewer than {min}")
        }
        CheckRule::RowCount { max, .. } => {
            format!("{table} would have {rows} rows, which is more than {}", max.unwrap_or(u64::MAX))
        }
        CheckRule::FreshnessOf { column, within } => {
            format!("the newest {column} is missing or older than {}", shown_duration(within.as_secs()))
        }
        CheckRule::Sql { .. } if rows == 1 => "its query returns 1 row".to_owned(),
        CheckRule::Sql { .. } => format!("its query returns {rows} rows"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_that_in_the_query_of_the_config() {
        let table = TableRef { schema: "public".into(), table: "t".into() };
        let query = "select x from {table} where y";
        let sent = query.replace(TABLE, &table.sql());
        for word in ["select", "x", "where", "y"] {
            let at = sent.find(word).expect(word) + 1;
            assert_eq!(position_in(query, &table, at), query.find(word).map(|at| at + 1), "{word}");
        }
        assert_eq!(
            position_in(query, &table, sent.find("public").expect("the name")),
            query.find('{').map(|at| at + 1)
        );
        assert_eq!(position_in(query, &table, sent.len() + 20), None);
    }

    #[test]
    fn only_plain_numbers_are_sent_without_quotes() {
        for (written, sql) in [("0", "(0)"), ("-1.50", "(-1.50)"), ("2026-01-01", "'2026-01-01'"), ("1e5", "'1e5'")] {
            assert_eq!(literal(written), sql);
        }
        assert_eq!(literal("1) or (1"), "'1) or (1'");
        assert_eq!(literal("1."), "'1.'");
    }
}
