//! Paths into JSON: where the rows of an answer are (`$.data.items[*]`) and where the next cursor is (`$.next`).
//!
//! A path is a name after a name. `$` at its start is optional, so `data.items` and `$.data.items` are the same path.

use std::fmt;
use std::str::FromStr;

/// A checked path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonPath {
    steps: Vec<Step>,
}

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A member of an object: `.name` or `["name"]`.
    Member(String),
    /// An element of an array, counted from 0: `[2]`.
    Element(usize),
    /// The last element of an array: `[-1]`.
    Last,
    /// Every element of an array: `[*]`.
    Every,
}

/// A text that is not a JSON path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not a path into JSON: {reason}; write it like `$.data.items[*]`")]
pub struct JsonPathError {
    path: String,
    reason: String,
}

/// More steps than any answer has levels that `serde_json` would follow.
const MAX_STEPS: usize = 100;

impl JsonPath {
    /// The steps from the root of the document.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The path to the rows themselves or to the array that holds them: `$.data[*]` and `$.data` name the same rows.
    pub fn to_rows(&self) -> &[Step] {
        match self.steps.split_last() {
            Some((Step::Every, before)) => before,
            _ => &self.steps,
        }
    }

    /// The steps up to the last `[*]`, and those after it.
    pub fn split_after_every(&self) -> (&[Step], &[Step]) {
        let inside = self.steps.iter().rposition(|step| *step == Step::Every).map_or(0, |last| last + 1);
        self.steps.split_at(inside)
    }

    /// The path to a member of the root whose name is this path's text: `odata.nextLink` may be one name with a dot.
    /// `None` when the path has a single step or steps into arrays.
    pub fn literal_member(&self) -> Option<Self> {
        let name = |step: &Step| match step {
            Step::Member(name) => Some(name.clone()),
            Step::Element(_) | Step::Last | Step::Every => None,
        };
        let names: Vec<String> = self.steps.iter().map(name).collect::<Option<_>>()?;
        (names.len() > 1).then(|| Self::member(&names.join(".")))
    }

    /// The path to another member of the same object. `None`: this is no path to a member.
    pub fn sibling(&self, name: &str) -> Option<Self> {
        let (Step::Member(_), around) = self.steps.split_last()? else { return None };
        let mut steps = around.to_vec();
        steps.push(Step::Member(name.to_owned()));
        Some(Self { steps })
    }

    /// The path to one member of the root.
    pub fn member(name: &str) -> Self {
        Self::members([name])
    }

    /// The path from member to member.
    pub fn members<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self { steps: names.into_iter().map(|name| Step::Member(name.to_owned())).collect() }
    }

    /// The path to a member of the last row, when this path leads to the rows.
    pub fn of_last_row(&self, member: &str) -> Self {
        let steps = self.to_rows().iter().cloned().chain([Step::Last, Step::Member(member.to_owned())]);
        Self { steps: steps.collect() }
    }

    /// The path as people write it, without `$` where it is not needed: `data.items`.
    pub fn written(&self) -> String {
        let path = self.to_string();
        path.strip_prefix("$.").map_or(path.clone(), str::to_owned)
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for step in &self.steps {
            match step {
                Step::Member(name) if !name.is_empty() && name.chars().all(is_plain) => write!(f, ".{name}")?,
                Step::Member(name) => write!(f, "[\"{}\"]", name.replace('\\', "\\\\").replace('"', "\\\""))?,
                Step::Element(index) => write!(f, "[{index}]")?,
                Step::Last => f.write_str("[-1]")?,
                Step::Every => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

impl FromStr for JsonPath {
    type Err = JsonPathError;

    fn from_str(path: &str) -> Result<Self, JsonPathError> {
        let refuse = |reason: String| JsonPathError { path: path.to_owned(), reason };
        let text = path.trim();
        if text.is_empty() {
            return Err(refuse("it is empty".into()));
        }
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if steps.len() == MAX_STEPS {
                return Err(refuse(format!("it has more than {MAX_STEPS} steps")));
            }
            let first = steps.is_empty() && rest.len() == text.len();
            let (step, after) = next_step(rest, first).map_err(refuse)?;
            steps.push(step);
            rest = after;
        }
        Ok(Self { steps })
    }
}

/// Characters a name may have without quotes.
fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '@' | ':' | '$' | '/')
}

/// The step `rest` begins with, and what follows it. A path without `$` begins with a name that has no dot.
fn next_step(rest: &str, first: bool) -> Result<(Step, &str), String> {
    if let Some(inner) = rest.strip_prefix('[') {
        return bracketed(inner);
    }
    let name = match rest.strip_prefix('.') {
        Some(after) if after.starts_with('.') => return Err("`..` is not supported".into()),
        Some(after) => after,
        None if first => rest,
        None => return Err(format!("a `.` or `[` is missing before `{rest}`")),
    };
    let end = name.find(['.', '[']).unwrap_or(name.len());
    let (name, after) = name.split_at(end);
    if name.is_empty() {
        return Err("a name is missing after a `.`".into());
    }
    if name == "*" {
        return Ok((Step::Every, after));
    }
    match name.chars().find(|&c| !is_plain(c)) {
        Some(c) => Err(format!("`{c}` in a name needs quotes: `[\"{name}\"]`")),
        None => Ok((Step::Member(name.to_owned()), after)),
    }
}

/// What stands behind a `[`: `*]`, `3]`, `-1]`, `"name"]` or `'name']`.
fn bracketed(inner: &str) -> Result<(Step, &str), String> {
    if let Some(quote) = inner.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        return quoted(&inner[1..], quote);
    }
    let (index, after) = inner.split_once(']').ok_or("a `]` is missing")?;
    let step = match index.trim() {
        "*" => Step::Every,
        "-1" => Step::Last,
        digits => Step::Element(digits.parse().map_err(|_| {
            format!("`[{digits}]` is neither `[*]`, a number from 0, `[-1]` for the last, nor a quoted name")
        })?),
    };
    Ok((step, after))
}

/// A quoted name and its `]`. A backslash makes the next character an ordinary one.
fn quoted(text: &str, quote: char) -> Result<(Step, &str), String> {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
            c if c == quote => {
                let after = text[at + 1..].strip_prefix(']').ok_or("a `]` is missing after a quoted name")?;
                return Ok((Step::Member(name), after));
            }
            c => name.push(c),
        }
    }
    Err("a quote is missing at the end of a name".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(path: &str) -> Vec<Step> {
        path.parse::<JsonPath>().expect(path).steps
    }

    fn member(name: &str) -> Step {
        Step::Member(name.into())
    }

    #[test]
    fn the_dollar_is_optional_and_brackets_take_any_name() {
        assert_eq!(steps("$"), []);
        assert_eq!(steps("data.items"), [member("data"), member("items")]);
        assert_eq!(steps("$.data.items"), steps("data.items"));
        assert_eq!(
            steps(r#"$["a.b"]['it\'s'][2].c[*]"#),
            [member("a.b"), member("it's"), Step::Element(2), member("c"), Step::Every]
        );
        assert_eq!(steps("$.*"), [Step::Every]);
        assert_eq!(steps("[0].größe"), [Step::Element(0), member("größe")]);
    }

    #[test]
    fn rows_are_the_array_with_or_without_a_star() {
        let (with, without): (JsonPath, JsonPath) = ("$.d[*]".parse().unwrap(), "d".parse().unwrap());
        assert_eq!(with.to_rows(), without.to_rows());
    }

    #[test]
    fn what_is_no_path_says_why() {
        let why = |path: &str| path.parse::<JsonPath>().unwrap_err().to_string();
        assert_eq!(why(" "), "` ` is not a path into JSON: it is empty; write it like `$.data.items[*]`");
        assert!(why("$..a").contains("`..` is not supported"));
        assert!(why("$.a[?(@.b)]").contains("neither `[*]`"));
        assert!(why("$.a[-2]").contains("neither"));
        assert!(why("$a").contains("a `.` or `[` is missing before `a`"));
        assert!(why("a b").contains(r#"needs quotes: `["a b"]`"#));
        assert!(why("$['a'").contains("`]` is missing"));
        assert!(why("$['a").contains("a quote is missing"));
        assert!(why("$.").contains("a name is missing"));
        assert!(why(&"a.".repeat(200)).contains("more than 100 steps"));
    }

    #[test]
    fn a_path_reads_back_as_it_was() {
        for path in ["$", "$.a.b[3]", "$.data[-1].id", r#"$["a b"][*].c"#, r#"$["q\"uote"]"#] {
            let parsed: JsonPath = path.parse().unwrap();
            assert_eq!(parsed.to_string(), path);
            assert_eq!(parsed.to_string().parse::<JsonPath>().unwrap(), parsed);
        }
    }
}
