//! Looks into a JSON document without holding it: follows a path, skips everything else.

use std::fmt;
use std::io::Read;
use std::marker::PhantomData;

use elt_shared::json_path::Step;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Hands every value at the end of `steps` to `found`, in the order of the document's first value.
pub(super) fn walk<L: for<'de> Deserialize<'de>>(
    json: impl Read,
    steps: &[Step],
    found: &mut dyn FnMut(L),
) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_reader(json);
    Walk { steps, found, leaf: PhantomData }.deserialize(&mut deserializer)
}

struct Walk<'a, L> {
    steps: &'a [Step],
    found: &'a mut dyn FnMut(L),
    leaf: PhantomData<L>,
}

impl<L> Walk<'_, L> {
    fn below<'b>(&'b mut self, steps: &'b [Step]) -> Walk<'b, L> {
        Walk { steps, found: &mut *self.found, leaf: PhantomData }
    }
}

impl<'de, L: Deserialize<'de>> DeserializeSeed<'de> for Walk<'_, L> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.steps.is_empty() {
            (self.found)(L::deserialize(deserializer)?);
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de, L: Deserialize<'de>> Visitor<'de> for Walk<'_, L> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let steps = self.steps;
        for index in 0.. {
            let wanted = match steps.first() {
                Some(Step::Every) => true,
                Some(Step::Element(element)) => *element == index,
                _ => false,
            };
            let more = match wanted {
                true => seq.next_element_seed(self.below(&steps[1..]))?.is_some(),
                false => seq.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let steps = self.steps;
        while let Some(key) = map.next_key::<String>()? {
            match steps.first() {
                Some(Step::Member(name)) if *name == key => map.next_value_seed(self.below(&steps[1..]))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// What a value is, without what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outline {
    /// `null`
    Null,
    /// Text, number or boolean, as text.
    Scalar(String),
    /// An array of this many elements.
    Array(u64),
    /// An object.
    Object,
}

/// Longest text that is kept of a scalar: cursors are short, and anything longer counts as empty.
const SCALAR_BYTES: usize = 8 << 10;

impl<'de> Deserialize<'de> for Outline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OutlineVisitor)
    }
}

struct OutlineVisitor;

impl<'de> Visitor<'de> for OutlineVisitor {
    type Value = Outline;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Outline, A::Error> {
        let mut length = 0;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            length += 1;
        }
        Ok(Outline::Array(length))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outline, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Outline::Object)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Outline, E> {
        Ok(Outline::Scalar(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Outline, E> {
        Ok(Outline::Scalar(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Outline, E> {
        Ok(Outline::Scalar(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Outline, E> {
        Ok(Outline::Scalar(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Outline, E> {
        Ok(Outline::Scalar(if value.len() <= SCALAR_BYTES { value.to_owned() } else { String::new() }))
    }

    fn visit_unit<E: Error>(self) -> Result<Outline, E> {
        Ok(Outline::Null)
    }
}

#[cfg(test)]
mod tests {
    use elt_shared::json_path::JsonPath;

    use super::*;

    fn at(json: &str, path: &str) -> Vec<Outline> {
        let path: JsonPath = path.parse().expect(path);
        let mut found = Vec::new();
        walk(json.as_bytes(), path.steps(), &mut |outline| found.push(outline)).expect(json);
        found
    }

    #[test]
    fn a_path_finds_what_is_there_and_nothing_else() {
        let json = r#"{"a": {"next": "c2", "n": 7}, "data": [{"x": [1,2]}, {"x": []}, 3], "none": null}"#;
        assert_eq!(at(json, "a.next"), [Outline::Scalar("c2".into())]);
        assert_eq!(at(json, "a.n"), [Outline::Scalar("7".into())]);
        assert_eq!(at(json, "data"), [Outline::Array(3)]);
        assert_eq!(at(json, "data[*].x"), [Outline::Array(2), Outline::Array(0)]);
        assert_eq!(at(json, "data[1]"), [Outline::Object]);
        assert_eq!(at(json, "none"), [Outline::Null]);
        assert_eq!(at(json, "a.n.deeper"), []);
        assert_eq!(at(json, "missing"), []);
        assert_eq!(at("[1, 2]", "$"), [Outline::Array(2)]);
    }

    #[test]
    fn what_is_skipped_may_be_ten_thousand_levels_deep() {
        let deep = format!(r#"{{"deep": {}{}, "next": "c"}}"#, "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(at(&deep, "next"), [Outline::Scalar("c".into())]);
    }
}
