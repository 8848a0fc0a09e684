//! `path_columns:`: columns whose values stand in the paths of files, such as `region` in `region=north/2026/orders.csv`.

use regex::Regex;

use crate::config::field::Field;
use crate::config::table_name::MAX_NAME_BYTES;

/// The text by which Hive writes NULL into a path.
const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// Most columns of a pattern.
const MAX_COLUMNS: usize = 20;
/// Longest pattern, in bytes.
const MAX_PATTERN: usize = 1_000;

/// A pattern for the ends of paths, with placeholders for values.
#[derive(Debug, Clone)]
pub struct PathColumns {
    written: String,
    names: Vec<String>,
    pattern: Regex,
}

impl PartialEq for PathColumns {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl PathColumns {
    /// The pattern as it is written in the config.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Names of the columns, in their order in the pattern.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The values in a path, in the order of the names; an inner `None` is NULL. `None`: the pattern does not match the end of
    /// the path.
    pub fn values(&self, path: &str) -> Option<Vec<Option<String>>> {
        let found = self.pattern.captures(path)?;
        let value = |group: usize| found.get(group).map(|value| value.as_str()).filter(|value| *value != HIVE_NULL);
        Some((1..=self.names.len()).map(|group| value(group).map(str::to_owned)).collect())
    }

    fn parse(written: &str) -> Result<Self, String> {
        if written.len() > MAX_PATTERN {
            return Err(format!("expected at most {MAX_PATTERN} bytes"));
        }
        let mut names: Vec<String> = Vec::new();
        let mut pattern = String::from("(?:^|/)");
        let mut rest = written;
        while let Some(next) = rest.chars().next() {
            if let Some(inner) = rest.strip_prefix('{') {
                let (placeholder, behind) = inner.split_once('}').ok_or("a { without its }")?;
                let (name, kind) = placeholder.split_once(':').unwrap_or((placeholder, "text"));
                pattern.push_str(group(kind)?);
                names.push(column(name, &names)?);
                rest = behind;
            } else if let Some(behind) = rest.strip_prefix("**/") {
                pattern.push_str("(?:.*/)?");
                rest = behind;
            } else {
                match next {
                    '*' => pattern.push_str("[^/]*"),
                    '?' => pattern.push_str("[^/]"),
                    other => pattern.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
                }
                rest = &rest[next.len_utf8()..];
            }
        }
        if names.is_empty() {
            return Err("expected a column in braces, such as \"region={region}/*.csv\"".to_owned());
        }
        pattern.push('$');
        let pattern = Regex::new(&pattern).map_err(|_| "the pattern is too large".to_owned())?;
        Ok(Self { written: written.to_owned(), names, pattern })
    }
}

/// The group of a regular expression that finds a value of a kind.
fn group(kind: &str) -> Result<&'static str, String> {
    match kind {
        "text" => Ok("([^/]+?)"),
        "int" => Ok("(-?[0-9]+)"),
        "date" => Ok("([0-9]{4}-[0-9]{2}-[0-9]{2})"),
        other => Err(format!("expected {{name}}, {{name:int}} or {{name:date}}, found the kind {other:?}")),
    }
}

/// The name of a column, which the pattern must not have already.
fn column(name: &str, names: &[String]) -> Result<String, String> {
    let name = name.trim();
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.starts_with("_elt_") || name.chars().any(char::is_control)
    {
        return Err(format!("{{{name}}} cannot be the name of a column"));
    }
    if names.iter().any(|other| other == name) {
        return Err(format!("the column {name:?} stands in it twice"));
    }
    if names.len() == MAX_COLUMNS {
        return Err(format!("expected at most {MAX_COLUMNS} columns"));
    }
    Ok(name.to_owned())
}

/// Reads the pattern.
pub(super) fn read(field: &Field<'_>) -> Option<PathColumns> {
    let written = field.text()?;
    match PathColumns::parse(written.trim()) {
        Ok(columns) => Some(columns),
        Err(problem) => {
            field.problem(problem);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pattern: &str, path: &str) -> Option<Vec<Option<String>>> {
        PathColumns::parse(pattern).expect("a pattern").values(path)
    }

    fn texts(values: &[&str]) -> Option<Vec<Option<String>>> {
        Some(values.iter().map(|value| Some((*value).to_owned())).collect())
    }

    #[test]
    fn values_stand_at_the_end_of_a_path() {
        for (pattern, path, expected) in [
            ("region={region}/year={year:int}/*.csv", "in/region=north/year=2026/a.csv", texts(&["north", "2026"])),
            ("region={region}/year={year:int}/*.csv", "in/region=north/year=old/a.csv", None),
            ("{region}/**/*.csv", "north/x/y/a.csv", texts(&["north"])),
            ("orders-{day:date}.csv", "in/orders-2026-01-31.csv", texts(&["2026-01-31"])),
            ("{shop}-{day:date}.csv", "a-b-2026-01-31.csv", texts(&["a-b", "2026-01-31"])),
            ("a+b/{n}", "a+b/c", texts(&["c"])),
            ("b/{n}", "ab/c", None),
            ("{größe}/?.csv", "klein/ä.csv", texts(&["klein"])),
        ] {
            assert_eq!(values(pattern, path), expected, "{pattern} {path}");
        }
        assert_eq!(values("p={p}/*", "p=__HIVE_DEFAULT_PARTITION__/a.csv"), Some(vec![None]));
    }

    #[test]
    fn a_pattern_names_each_of_its_columns_once() {
        for (pattern, expected) in [
            ("in/*.csv", "expected a column in braces"),
            ("{a}/{a}", "stands in it twice"),
            ("{a", "without its }"),
            ("{}", "cannot be the name"),
            ("{_elt_file}", "cannot be the name"),
            ("{a:float}", "found the kind \"float\""),
        ] {
            let problem = PathColumns::parse(pattern).expect_err(pattern);
            assert!(problem.contains(expected), "{pattern}: {problem}");
        }
    }
}
