//! The number of rows that an answer says the API has.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

use elt_shared::json_path::{JsonPath, Step};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::super::walk::Outline;
use super::{found, start};

/// Names of such a number in the root of an answer, and beside the rows.
const NAMES: &[&str] = &[
    "total",
    "total_count",
    "totalCount",
    "total_results",
    "totalResults",
    "total_items",
    "totalItems",
    "total_elements",
    "totalElements",
    "total_records",
    "totalSize",
    "@odata.count",
];

/// Further places, from the root of an answer.
const PLACES: &[&[&str]] = &[
    &["meta", "total"],
    &["meta", "total_count"],
    &["meta", "totalCount"],
    &["meta", "page", "total"],
    &["meta", "pagination", "total"],
    &["pagination", "total"],
    &["pagination", "total_count"],
    &["paging", "total"],
    &["page", "totalElements"],
    &["hits", "total", "value"],
];

/// Members beside a `count` that is the number of all rows.
const LINKS: [&str; 2] = ["next", "previous"];

/// The value of Elasticsearch's `relation` when there may be more rows than its `value` says.
const AT_LEAST: &str = "gte";

/// The number at a path of an answer. `None`: there is no whole number.
///
/// # Errors
/// When the file cannot be read.
pub(in super::super) fn at(answer: &Path, path: &JsonPath) -> io::Result<Option<u64>> {
    let mut file = File::open(answer)?;
    let value = found::<Outline>(&mut file, path.steps())?.ok().and_then(|mut found| found.pop());
    Ok(match value {
        Some((Outline::Whole(digits) | Outline::Text(digits), _)) => digits.trim().parse().ok(),
        _ => None,
    })
}

/// The first of the usual places that has a number, and the number.
///
/// # Errors
/// When the file cannot be read.
pub(in super::super) fn usual(answer: &Path, records: Option<&JsonPath>) -> io::Result<Option<(JsonPath, u64)>> {
    let around = records.and_then(|records| names_of(records.to_rows().split_last()?.1)).unwrap_or_default();
    let below = |before: &[&str], names: &[&str]| -> Vec<String> {
        before.iter().chain(names).map(|name| (*name).to_owned()).collect()
    };
    let mut places: Vec<Vec<String>> = NAMES.iter().map(|name| below(&[], &[name])).collect();
    if !around.is_empty() {
        places.extend(NAMES.iter().map(|name| below(&around, &[name])));
    }
    places.extend(PLACES.iter().map(|place| below(&[], place)));
    let count = places.len();
    places.push(below(&[], &["count"]));
    places.extend(LINKS.iter().map(|name| below(&[], &[name])));
    let relation = places.len();
    places.push(below(&[], &["hits", "total", "relation"]));

    let mut found = BTreeMap::new();
    let left = places.iter().enumerate().map(|(index, place)| (index, place.as_slice())).collect();
    let mut file = File::open(answer)?;
    let mut deserializer = serde_json::Deserializer::from_reader(start(&mut file)?.0);
    // What cannot be read was reported before, when the rows were counted.
    let _ = Search { left, found: &mut found }.deserialize(&mut deserializer);

    let is_link = |index: usize| (count + 1..relation).contains(&index);
    let links = found.keys().filter(|index| is_link(**index)).count();
    let counts = |index: usize| match &places[index][..] {
        _ if is_link(index) || index == relation => false,
        _ if index == count => links == LINKS.len(),
        [first, ..] if first == "hits" => !matches!(found.get(&relation), Some(Seen::AtLeast)),
        _ => true,
    };
    let total = found.iter().find_map(|(index, seen)| match seen {
        Seen::Number(number) if counts(*index) => Some((*index, *number)),
        _ => None,
    });
    Ok(total.map(|(index, number)| (JsonPath::members(places[index].iter().map(String::as_str)), number)))
}

/// The names of a path of members only.
fn names_of(steps: &[Step]) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    for step in steps {
        let Step::Member(name) = step else { return None };
        names.push(name.as_str());
    }
    Some(names)
}

/// What is at a place.
enum Seen {
    Number(u64),
    AtLeast,
    Other,
}

/// Looks for several places in one pass. Each has its index, and the names that are left from here.
struct Search<'a> {
    left: Vec<(usize, &'a [String])>,
    found: &'a mut BTreeMap<usize, Seen>,
}

impl Search<'_> {
    fn here(&mut self, seen: impl Fn() -> Seen) {
        for (index, _) in self.left.iter().filter(|(_, rest)| rest.is_empty()) {
            self.found.insert(*index, seen());
        }
    }
}

impl<'de> DeserializeSeed<'de> for Search<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.here(|| Seen::Other);
        while let Some(key) = map.next_key::<String>()? {
            let below = self.left.iter().filter(|(_, rest)| rest.first() == Some(&key));
            let left: Vec<_> = below.map(|(index, rest)| (*index, &rest[1..])).collect();
            if left.is_empty() {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(Search { left, found: &mut *self.found })?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_u64<E: Error>(mut self, number: u64) -> Result<(), E> {
        self.here(|| Seen::Number(number));
        Ok(())
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.here(|| if text == AT_LEAST { Seen::AtLeast } else { Seen::Other });
        Ok(())
    }

    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        self.here(|| Seen::Other);
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(body: &str, records: &str) -> Option<(String, u64)> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), body).expect("written");
        let records: JsonPath = records.parse().expect(records);
        usual(file.path(), Some(&records)).expect("readable").map(|(path, number)| (path.to_string(), number))
    }

    #[test]
    fn a_total_is_found_at_the_usual_places() {
        for (body, records, path) in [
            (r#"{"total": 7, "rows": []}"#, "rows", "$.total"),
            (r#"{"rows": [{"total": 1}], "@odata.count": 7}"#, "rows", r#"$["@odata.count"]"#),
            (r#"{"meta": {"page": {"total": 7}}, "data": []}"#, "data", "$.meta.page.total"),
            (
                r#"{"data": {"orders": {"nodes": [], "totalCount": 7}}}"#,
                "data.orders.nodes",
                "$.data.orders.totalCount",
            ),
            (r#"{"count": 7, "next": null, "previous": "x", "results": []}"#, "results", "$.count"),
            (r#"{"hits": {"total": {"value": 7, "relation": "eq"}, "hits": []}}"#, "hits.hits", "$.hits.total.value"),
            (r#"{"hits": {"total": 7, "hits": []}}"#, "hits.hits", "$.hits.total"),
        ] {
            assert_eq!(total(body, records), Some((path.to_owned(), 7)), "{body}");
        }
    }

    #[test]
    fn what_may_count_something_else_is_not_a_total() {
        for body in [
            r#"{"count": 7, "rows": []}"#,
            r#"{"count": 7, "next": 2, "rows": []}"#,
            r#"{"total": "many", "rows": []}"#,
            r#"{"total": -1, "rows": []}"#,
            r#"{"total": 1.5, "rows": [{"total": 7}]}"#,
            r#"{"rows": [], "deep": {"total": 7}}"#,
            r#"[{"total": 7}]"#,
            r#"{"hits": {"total": {"value": 10000, "relation": "gte"}, "hits": []}}"#,
        ] {
            assert_eq!(total(body, "rows"), None, "{body}");
        }
    }
}
