//! Where the rows are in an answer, and what else could be the rows.

use elt_shared::json_path::JsonPath;
use elt_shared::runs::{Choice, Confidence};
use reqwest::Url;
use serde_json::Value;

use super::document::{Document, bare};
use super::words::{counted, listed};

/// Deepest member that is looked at: `data.orders.edges` has three names.
const DEEPEST: usize = 4;
/// Most candidates that are considered and named.
const MOST: usize = 20;

/// Names under which APIs send their rows.
const USUAL: &[&str] = &[
    "data",
    "items",
    "results",
    "records",
    "value",
    "values",
    "rows",
    "entries",
    "list",
    "objects",
    "content",
    "hits",
    "docs",
    "documents",
    "resources",
    "elements",
    "edges",
    "nodes",
    "collection",
    "members",
    "resultset",
];

/// The place of the rows.
pub(super) struct Records {
    /// `None`: the whole answer is the rows.
    pub(super) path: Option<JsonPath>,
    pub(super) choice: Choice,
}

/// An array that could be the rows.
struct Candidate<'a> {
    path: Vec<&'a str>,
    length: usize,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Objects,
    Empty,
    Scalars,
}

/// Decides where the rows are.
pub(super) fn decide(document: &Document, url: &Url) -> Records {
    let root = match document {
        Document::One(root) => root,
        Document::Several(_) => return whole("the answer is objects one after the other, and each of them is a row"),
    };
    if let Value::Array(elements) = root {
        return whole(&format!("the answer is an array, and its {} are the rows", counted(elements.len(), "element")));
    }
    if is_json_api(root) && root.get("data").is_some_and(Value::is_object) {
        let reason = "a document of JSON:API has its row there".to_owned();
        let choice = Choice { confidence: Confidence::Certain, ..choice(Some("data".to_owned()), reason) };
        return Records { path: Some(JsonPath::member("data")), choice };
    }
    let candidates = candidates(root);
    let of = |kind| candidates.iter().filter(|candidate| candidate.kind == kind).collect::<Vec<_>>();
    let (objects, empty, scalars) = (of(Kind::Objects), of(Kind::Empty), of(Kind::Scalars));
    match (&objects[..], &empty[..], &scalars[..]) {
        ([only], _, _) if only.is_where_rows_are() => {
            let reason = format!("the only array of objects in the answer, with {}", counted(only.length, "row"));
            chosen(only, reason, Confidence::Certain, &candidates)
        }
        ([only], _, _) => {
            let reason = format!(
                "the only array of objects in the answer, with {}, but the answer itself may be the row: check which it is",
                counted(only.length, "row")
            );
            let mut records = chosen(only, reason, Confidence::Unsure, &candidates);
            records.choice.others.push("$ (the answer as one row)".to_owned());
            records
        }
        ([_, ..], _, _) => among(&objects, root, url, &candidates),
        ([], [only], _) => {
            let reason = "the only place for rows in the answer; it is empty now".to_owned();
            chosen(only, reason, Confidence::Likely, &candidates)
        }
        ([], [_, ..], _) => among(&empty, root, url, &candidates),
        ([], [], [only]) if USUAL.contains(&bare(only.name()).as_str()) => {
            let reason = "an array of values, which become rows with the column `value`".to_owned();
            chosen(only, reason, Confidence::Likely, &candidates)
        }
        _ => one_row(&candidates),
    }
}

/// Chooses among several arrays: by the rules of a known format, by a name, else the longest.
fn among(several: &[&Candidate<'_>], root: &Value, url: &Url, all: &[Candidate<'_>]) -> Records {
    let at = |path: &[&str]| several.iter().find(|candidate| candidate.path == path).copied();
    if let Some(data) = at(&["data"]).filter(|_| is_json_api(root)) {
        return chosen(data, "a document of JSON:API has its rows there".to_owned(), Confidence::Certain, all);
    }
    let segments = url.path_segments().map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    let named_like_url = |candidate: &&&Candidate<'_>| {
        segments.iter().rev().take(2).any(|segment| !segment.is_empty() && bare(segment) == bare(candidate.name()))
    };
    if let Some(found) = several.iter().find(named_like_url) {
        return chosen(found, "it is named like the end of the URL".to_owned(), Confidence::Likely, all);
    }
    let usual: Vec<_> = several.iter().filter(|candidate| USUAL.contains(&bare(candidate.name()).as_str())).collect();
    if let [only] = usual[..] {
        return chosen(only, "it has the usual name, and the others do not".to_owned(), Confidence::Likely, all);
    }
    let longest = several.iter().rev().max_by_key(|candidate| candidate.length);
    match longest {
        Some(longest) => {
            let reason = format!(
                "it is the longest of several, with {}: check that it is the right one",
                counted(longest.length, "row")
            );
            chosen(longest, reason, Confidence::Unsure, all)
        }
        None => one_row(all),
    }
}

fn is_json_api(root: &Value) -> bool {
    ["included", "jsonapi"].iter().any(|member| root.get(member).is_some())
}

fn whole(reason: &str) -> Records {
    let choice = Choice { confidence: Confidence::Certain, ..choice(None, reason.to_owned()) };
    Records { path: None, choice }
}

/// The object is the row.
fn one_row(all: &[Candidate<'_>]) -> Records {
    let reason = "the answer has no array of objects, so the object itself is one row".to_owned();
    let others = others(all, None);
    let confidence = if others.is_empty() { Confidence::Certain } else { Confidence::Unsure };
    let choice = Choice { confidence, others, ..choice(Some("$".to_owned()), reason) };
    Records { path: Some(JsonPath::default()), choice }
}

fn chosen(candidate: &Candidate<'_>, reason: String, confidence: Confidence, all: &[Candidate<'_>]) -> Records {
    let path = candidate.json_path();
    let others = others(all, Some(candidate));
    let wrapped = match candidate.name() {
        "edges" => "; each row has its fields below `node`",
        "hits" => "; each row has its fields below `_source`",
        _ => "",
    };
    let choice = Choice { confidence, others, ..choice(Some(path.written()), format!("{reason}{wrapped}")) };
    Records { path: Some(path), choice }
}

fn choice(value: Option<String>, reason: String) -> Choice {
    Choice { key: "records".to_owned(), value, reason, ..Choice::default() }
}

/// The candidates that were not chosen, with their sizes.
fn others(all: &[Candidate<'_>], chosen: Option<&Candidate<'_>>) -> Vec<String> {
    let others = all.iter().filter(|candidate| chosen.is_none_or(|chosen| chosen.path != candidate.path));
    let shown = others.map(|candidate| {
        let size = match candidate.kind {
            Kind::Objects => counted(candidate.length, "object"),
            Kind::Empty => "empty".to_owned(),
            Kind::Scalars => counted(candidate.length, "value"),
        };
        format!("{} ({size})", candidate.json_path().written())
    });
    listed(shown, MOST)
}

impl Candidate<'_> {
    fn name(&self) -> &str {
        self.path.last().copied().unwrap_or_default()
    }

    /// Whether it is in a place where APIs have their rows: a member of the answer, or deeper with a usual name or in an
    /// object that is usual around rows.
    fn is_where_rows_are(&self) -> bool {
        let around = self.path.len().checked_sub(2).map(|index| bare(self.path[index]));
        let usual = |name: &str| USUAL.contains(&name);
        let is_around = |name: String| {
            usual(&name) || matches!(name.as_str(), "embedded" | "response" | "result" | "body" | "payload" | "query")
        };
        usual(&bare(self.name())) || around.is_none_or(is_around)
    }

    fn json_path(&self) -> JsonPath {
        JsonPath::members(self.path.iter().copied())
    }
}

/// The arrays below objects, those of outer objects first.
fn candidates(root: &Value) -> Vec<Candidate<'_>> {
    let mut found = Vec::new();
    let mut objects = vec![(Vec::new(), root)];
    while !objects.is_empty() && found.len() < MOST {
        let mut deeper = Vec::new();
        for (path, object) in objects {
            let Value::Object(object) = object else { continue };
            for (name, value) in object {
                let path: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
                // An answer that reports errors has no rows there.
                if matches!(path[..], ["error" | "errors"]) {
                    continue;
                }
                match value {
                    Value::Object(_) if path.len() < DEEPEST && deeper.len() < 1_000 => deeper.push((path, value)),
                    Value::Array(elements) => found.extend(candidate(path, elements)),
                    _ => {}
                }
            }
        }
        objects = deeper;
    }
    found.truncate(MOST);
    found
}

fn candidate<'a>(path: Vec<&'a str>, elements: &[Value]) -> Option<Candidate<'a>> {
    let kind = match elements.iter().find(|element| !element.is_null()) {
        None => Kind::Empty,
        Some(Value::Object(_)) => Kind::Objects,
        // An array of arrays cannot be read as rows.
        Some(Value::Array(_)) => return None,
        Some(_) => Kind::Scalars,
    };
    Some(Candidate { path, length: elements.len(), kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(url: &str, json: Value) -> (Option<String>, Confidence, Vec<String>) {
        let url = Url::parse(url).expect(url);
        let choice = decide(&Document::One(json), &url).choice;
        (choice.value, choice.confidence, choice.others)
    }

    #[test]
    fn rows_are_found_by_what_the_answer_has() {
        use serde_json::json;
        let url = "https://h/v1/orders";
        let path = |json| decided(url, json).0;
        assert_eq!(path(json!([{"id": 1}])), None);
        assert_eq!(path(json!({"meta": {"n": 1}, "data": {"items": [{"id": 1}]}})), Some("data.items".into()));
        assert_eq!(path(json!({"id": 7, "name": "Ann"})), Some("$".into()));
        assert_eq!(path(json!({"data": [], "total": 0})), Some("data".into()));
        assert_eq!(path(json!({"values": [1, 2]})), Some("values".into()));
        assert_eq!(path(json!({"a.b": [{"id": 1}]})), Some(r#"$["a.b"]"#.into()));
        assert_eq!(path(json!({"name": "Ann", "tags": ["x"]})), Some("$".into()), "tags belong to the row");
        assert_eq!(path(json!({"data": null, "errors": [{"message": "no"}]})), Some("$".into()), "errors are no rows");
        assert_eq!(path(json!({"data": {"id": "1"}, "included": [{"id": "9"}]})), Some("data".into()), "JSON:API");
        let deep = decided(url, json!({"id": 1, "profile": {"emails": [{"at": "a"}]}}));
        let others = vec!["$ (the answer as one row)".to_owned()];
        assert_eq!(deep, (Some("profile.emails".into()), Confidence::Unsure, others));
        assert_eq!(decided(url, json!({"_embedded": {"pets": [{"id": 1}]}})).1, Confidence::Certain);
    }

    #[test]
    fn several_arrays_are_told_apart_or_listed() {
        use serde_json::json;
        let (row, rows) = (json!([{"id": 1}]), json!([{"id": 1}, {"id": 2}]));
        let url = "https://h/v1/orders?x=1";
        let api = json!({"data": &row, "included": &rows, "jsonapi": {}});
        assert_eq!(decided(url, api), (Some("data".into()), Confidence::Certain, vec!["included (2 objects)".into()]));
        let named = json!({"customers": &rows, "orders": &row});
        assert_eq!(decided(url, named).0, Some("orders".into()));
        let (value, confidence, others) = decided(url, json!({"cats": &row, "dogs": &rows, "tags": ["x"]}));
        assert_eq!((value, confidence), (Some("dogs".into()), Confidence::Unsure));
        assert_eq!(others, ["cats (1 object)", "tags (1 value)"]);
    }
}
