//! Reads `checks:` of a config: the keys, and what is wrong with a check.

use std::time::Duration;

use super::{Check, CheckRule, CheckScope, OnFail};
use crate::config::field::Field;
use crate::config::keys::{Key, Shape, either};
use crate::config::schema::{ColumnContract, OnBadRow, SchemaContract};
use crate::config::section::Section;
use crate::config::shaping::Written;
use crate::config::{ColumnType, Dedupe, LoadConfig, LoadMode, table_name, transform};
use crate::invisible::is_invisible;

/// Most checks of a config.
const MOST_CHECKS: usize = 200;
/// Most columns of one check.
const MOST_COLUMNS: usize = 32;
/// Most values of `accepted_values`.
const MOST_VALUES: usize = 1_000;
/// Longest name of a check, in characters.
const LONGEST_NAME: usize = 200;
/// Default time limit of a check.
const TIME_LIMIT: Duration = Duration::from_secs(300);
/// Greatest age that `freshness_of` may allow: ten years.
const OLDEST: u64 = 3_650 * 86_400;

/// The keys that name a rule. A check has exactly one of them.
const RULES: [&str; 8] =
    ["not_null", "unique", "accepted_values", "range", "relationships", "row_count", "freshness_of", "sql"];

pub(in crate::config) const KEYS: &[Key] = &[
    Key::of("not_null", Shape::Texts, "Columns that have a value in every row."),
    Key::of("unique", Shape::Texts, "Columns whose values no two rows have in common."),
    Key::of("accepted_values", Shape::Section(ACCEPTED_KEYS), "The values that a column may have."),
    Key::of("range", Shape::Section(RANGE_KEYS), "The smallest and the largest value that a column may have."),
    Key::of(
        "relationships",
        Shape::Section(RELATIONSHIP_KEYS),
        "A table that has every value of a column, as a foreign key asks for.",
    ),
    Key::of("row_count", Shape::Section(COUNT_KEYS), "The number of rows of the table after the load."),
    Key::of("freshness_of", Shape::Section(FRESHNESS_KEYS), "How old the newest time of a column may be."),
    Key::text("sql", "A `select` that returns the rows that are wrong; `{table}` stands for the target table."),
    Key::text("name", "Its name in reports. Default: the rule and its columns, such as `unique(id)`."),
    Key::choice::<OnFail>(
        "on_fail",
        "What happens when it fails: nothing is loaded, the run warns, or the rows are kept aside. Default `rollback`.",
    ),
    Key::choice::<CheckScope>(
        "scope",
        "Whether it is about the rows of the run or of the whole table. `unique` and `relationships` are about the \
         table by default, the checks of single rows about the run.",
    ),
    Key::duration("time_limit", 3_600, "Longest time that it may take. Default 5m."),
];

const ACCEPTED_KEYS: &[Key] = &[
    Key::text("column", "Column.").required(),
    Key::of("values", Shape::Texts, "The values. NULL is accepted as well.").required(),
];

const RANGE_KEYS: &[Key] = &[
    Key::text("column", "Column. NULL is accepted.").required(),
    Key::text("min", "Smallest value."),
    Key::text("max", "Largest value."),
];

const RELATIONSHIP_KEYS: &[Key] = &[
    Key::text("column", "Column. NULL is accepted.").required(),
    Key::text("to", "The other table, in the schema of the target table unless it names one.").required(),
    Key::text("key", "Column of the other table. Default: the same name."),
];

const COUNT_KEYS: &[Key] = &[
    Key::whole("min", 0, i64::MAX as u64, "Smallest number of rows."),
    Key::whole("max", 0, i64::MAX as u64, "Largest number of rows."),
];

const FRESHNESS_KEYS: &[Key] = &[
    Key::text("column", "Column with dates or timestamps.").required(),
    Key::duration("within", OLDEST, "Greatest age of its newest value, such as `24h` or `2d`.").required(),
];

/// What else the config says, as far as checks depend on it.
pub(in crate::config) struct Around<'a> {
    pub schema: Option<&'a SchemaContract>,
    pub load: Option<&'a LoadConfig>,
    pub on_bad_row: Option<OnBadRow>,
}

/// Reads the list. A check of several columns that judges each of them by itself becomes one check for each.
pub(in crate::config) fn read(field: &Field<'_>, around: &Around<'_>) -> Option<Vec<Check>> {
    let items = field.items()?;
    let mut checks: Vec<Check> = Vec::new();
    let mut complete = true;
    for item in &items {
        let Some(read) = item.section(KEYS).and_then(|section| check(item, &section, around)) else {
            complete = false;
            continue;
        };
        for check in read {
            if checks.iter().any(|before| before.name == check.name) {
                item.problem(format!("the name {:?} is taken by a check before it: write another `name`", check.name));
                complete = false;
            } else {
                checks.push(check);
            }
        }
    }
    if checks.len() > MOST_CHECKS {
        field.problem(format!("expected at most {MOST_CHECKS} checks, found {}", checks.len()));
        return None;
    }
    complete.then_some(checks)
}

fn check(item: &Field<'_>, section: &Section<'_>, around: &Around<'_>) -> Option<Vec<Check>> {
    let written: Vec<_> = RULES.into_iter().filter(|rule| section.wrote(rule)).collect();
    let [word] = written[..] else {
        section.problem(match written[..] {
            [] => format!("expected what is checked: {}", either(RULES)),
            _ => format!("expected one rule, found {}: write a check for each", written.join(" and ")),
        });
        return None;
    };
    let rules = rules(word, section, around)?;
    let name = match section.field("name") {
        Some(field) => Some(name(field)?),
        None => None,
    };
    let on_fail = match section.field("on_fail") {
        Some(field) => field.choice()?,
        None => OnFail::Rollback,
    };
    let place = item.place();
    let at = Written { path: item.path().to_owned(), line: place.line, column: place.column };
    let time_limit = section.duration("time_limit").unwrap_or(TIME_LIMIT);
    let several = rules.len() > 1;
    let mut checks = Vec::new();
    for rule in rules {
        let name = match &name {
            Some(name) if several => format!("{name}({})", rule.columns().join(", ")),
            Some(name) => name.clone(),
            None => default_name(&rule, &at),
        };
        let scope = scope(section, &rule)?;
        quarantine_is_possible(section, &rule, scope, on_fail, around)?;
        checks.push(Check { name, rule, on_fail, scope, time_limit, at: at.clone() });
    }
    if time_limit.is_zero() {
        section.problem("expected a time_limit of at least 1s");
        return None;
    }
    Some(checks)
}

fn default_name(rule: &CheckRule, at: &Written) -> String {
    let columns = rule.columns().join(", ");
    let name = match rule {
        CheckRule::RowCount { .. } => rule.word().to_owned(),
        // A query has no short name, so its place in the list tells it from others.
        CheckRule::Sql { .. } => format!("sql in {}", at.path),
        _ => format!("{}({columns})", rule.word()),
    };
    name.chars().take(LONGEST_NAME).collect()
}

fn rules(word: &str, section: &Section<'_>, around: &Around<'_>) -> Option<Vec<CheckRule>> {
    let field = section.field(word)?;
    let inner = |keys| field.section(keys);
    Some(vec![match word {
        "not_null" => {
            let columns = columns(field)?;
            return Some(columns.into_iter().map(|column| CheckRule::NotNull { column }).collect());
        }
        "unique" => CheckRule::Unique { columns: columns(field)? },
        "accepted_values" => {
            let section = inner(ACCEPTED_KEYS)?;
            let (column, values) = (column(&section), section.required("values").and_then(values));
            CheckRule::AcceptedValues { column: column?, values: values? }
        }
        "range" => range(&inner(RANGE_KEYS)?, around)?,
        "relationships" => {
            let section = inner(RELATIONSHIP_KEYS)?;
            let (column, to) = (column(&section), section.required("to").and_then(table_name::table));
            let column = column?;
            let key = match section.field("key") {
                Some(field) => one_column(field)?,
                None => column.clone(),
            };
            CheckRule::Relationships { column, to: to?, key }
        }
        "row_count" => {
            let section = inner(COUNT_KEYS)?;
            let (min, max) = (section.whole("min"), section.whole("max"));
            bounded(&section, min, max, min.zip(max).is_some_and(|(min, max)| min > max))?;
            CheckRule::RowCount { min, max }
        }
        "freshness_of" => {
            let section = inner(FRESHNESS_KEYS)?;
            section.required("within");
            let (column, within) = (column(&section), section.duration("within"));
            let column = column?;
            let has_days = |found: ColumnType| found.is_temporal() && found != ColumnType::Time;
            of_type(section.field("column")?, &column, around, has_days, "a date or a timestamp")?;
            CheckRule::FreshnessOf { column, within: within? }
        }
        _ => CheckRule::Sql { query: transform::select(field.without_secrets()?)? },
    }])
}

fn range(section: &Section<'_>, around: &Around<'_>) -> Option<CheckRule> {
    let column = column(section)?;
    let bound = |name: &str| match section.field(name) {
        Some(field) => value(field).map(Some),
        None => Some(None),
    };
    let (min, max) = (bound("min")?, bound("max")?);
    let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<f64>().ok());
    bounded(section, min.as_ref(), max.as_ref(), number(&min).zip(number(&max)).is_some_and(|(min, max)| min > max))?;
    let ordered = |found: ColumnType| found.is_number() || found.is_temporal();
    let declared = of_type(section.field("column")?, &column, around, ordered, "a number, a date or a time")?;
    if declared.is_some_and(ColumnType::is_number) {
        for name in ["min", "max"].into_iter().filter(|name| section.has(name)) {
            let field = section.field(name)?;
            field.parsed(|text| text.parse::<f64>().map_err(|_| "a number".to_owned()))?;
        }
    }
    Some(CheckRule::Range { column, min, max })
}

/// Refuses a range without a bound, and one that is empty.
fn bounded<T>(section: &Section<'_>, min: Option<T>, max: Option<T>, is_empty: bool) -> Option<()> {
    if section.wrote("min") && min.is_none() || section.wrote("max") && max.is_none() {
        return None;
    }
    let problem = match (min, max) {
        (None, None) => "expected min, max or both",
        _ if is_empty => "min is greater than max, so nothing would pass",
        _ => return Some(()),
    };
    section.problem(problem);
    None
}

/// Refuses a column that `schema:` declares with a type that the check is not made for. Returns the declared type.
fn of_type(
    field: &Field<'_>,
    column: &str,
    around: &Around<'_>,
    fits: impl Fn(ColumnType) -> bool,
    expected: &str,
) -> Option<Option<ColumnType>> {
    let Some(declared) = declared(around, column) else { return Some(None) };
    if fits(declared.column_type) {
        return Some(Some(declared.column_type));
    }
    field.problem(format!(
        "expected a column that is {expected}; the schema says that {column} is {}",
        declared.column_type
    ));
    None
}

fn declared<'a>(around: &Around<'a>, column: &str) -> Option<&'a ColumnContract> {
    let columns = &around.schema?.columns;
    let exact = columns.iter().find(|declared| declared.name == column);
    exact.or_else(|| columns.iter().find(|declared| declared.name.to_lowercase() == column.to_lowercase()))
}

fn scope(section: &Section<'_>, rule: &CheckRule) -> Option<CheckScope> {
    let (default, other) = rule.scopes();
    let Some(field) = section.field("scope") else { return Some(default) };
    let scope: CheckScope = field.choice()?;
    if scope == default || other == Some(scope) {
        return Some(scope);
    }
    field.problem(format!("{} is always about the whole table: leave `scope` out", rule.word()));
    None
}

fn quarantine_is_possible(
    section: &Section<'_>,
    rule: &CheckRule,
    scope: CheckScope,
    on_fail: OnFail,
    around: &Around<'_>,
) -> Option<()> {
    let field = section.field("on_fail").filter(|_| on_fail == OnFail::Quarantine);
    let Some(field) = field else { return Some(()) };
    let hashed = |load: &LoadConfig| load.dedupe == Dedupe::RowHash || load.mode == LoadMode::Merge;
    let problem = if !rule.is_about_single_rows() {
        "only not_null, accepted_values and range say which rows are wrong, so that these can be quarantined: write \
         rollback or warn"
    } else if scope == CheckScope::Table {
        "rows of earlier runs cannot be quarantined: leave `scope` out, or write rollback or warn"
    } else if !around.load.is_none_or(hashed) {
        "rows are found again by their hash, which `load.dedupe: none` does not keep: write rollback or warn, or use a \
         rule of `schema:`"
    } else if around.on_bad_row == Some(OnBadRow::Fail) {
        "`on_bad_row: fail` says that a row which is kept aside fails the run: write rollback or warn"
    } else {
        return Some(());
    };
    field.problem(problem);
    None
}

fn name(field: &Field<'_>) -> Option<String> {
    let name = field.without_secrets()?.text()?.trim().to_owned();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.contains(is_invisible) {
        field.problem(format!("expected 1 to {LONGEST_NAME} characters on one line, none of them invisible"));
        return None;
    }
    Some(name)
}

fn columns(field: &Field<'_>) -> Option<Vec<String>> {
    let columns: Vec<String> = field.without_secrets()?.texts()?;
    let known = |at: usize| columns[..at].contains(&columns[at]);
    if columns.is_empty() || columns.len() > MOST_COLUMNS || columns.iter().any(|column| column.trim().is_empty()) {
        field.problem(format!("expected 1 to {MOST_COLUMNS} columns"));
        return None;
    }
    if let Some(at) = (1..columns.len()).find(|at| known(*at)) {
        field.problem(format!("the column {:?} is written twice", columns[at]));
        return None;
    }
    Some(columns)
}

fn column(section: &Section<'_>) -> Option<String> {
    section.required("column").and_then(one_column)
}

fn one_column(field: &Field<'_>) -> Option<String> {
    let column = field.without_secrets()?.text()?;
    if column.trim().is_empty() {
        field.problem("expected a column");
        return None;
    }
    Some(column)
}

fn value(field: &Field<'_>) -> Option<String> {
    let value = field.without_secrets()?.text()?;
    if value.trim().is_empty() {
        field.problem("expected a value");
        return None;
    }
    Some(value)
}

fn values(field: &Field<'_>) -> Option<Vec<String>> {
    let values = field.without_secrets()?.texts()?;
    if values.is_empty() || values.len() > MOST_VALUES {
        field.problem(format!("expected 1 to {MOST_VALUES} values"));
        return None;
    }
    Some(values)
}
