//! Reads the values at a path of a JSON document without holding the document in memory.

use std::fmt;
use std::io::Read;
use std::marker::PhantomData;
use std::ops::Range;

use elt_shared::json_path::Step;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::python_json::Position;

/// Calls `found` with every value at the end of `steps` in the document's first value, in their order, together with the range
/// of its bytes, counted by `position`. The range may begin a few bytes early, at white space or a colon.
pub(super) fn walk<L: for<'de> Deserialize<'de>>(
    json: impl Read,
    position: &Position,
    steps: &[Step],
    found: &mut dyn FnMut(L, Range<u64>),
) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_reader(json);
    Walk { steps, position, found, leaf: PhantomData }.deserialize(&mut deserializer)
}

struct Walk<'a, L> {
    steps: &'a [Step],
    position: &'a Position,
    found: &'a mut dyn FnMut(L, Range<u64>),
    leaf: PhantomData<L>,
}

impl<'de, L: Deserialize<'de>> Walk<'_, L> {
    /// Follows the rest of the path in every element and keeps what the last one has, because only the end of the array
    /// tells which element is the last.
    fn last_element<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut last = Vec::new();
        loop {
            let mut found = Vec::new();
            let below = Walk {
                steps: &self.steps[1..],
                position: self.position,
                found: &mut |leaf: L, bytes| found.push((leaf, bytes)),
                leaf: PhantomData,
            };
            if seq.next_element_seed(below)?.is_none() {
                break;
            }
            last = found;
        }
        last.into_iter().for_each(|(leaf, bytes)| (self.found)(leaf, bytes));
        Ok(())
    }
}

impl<L> Walk<'_, L> {
    fn below<'b>(&'b mut self, steps: &'b [Step]) -> Walk<'b, L> {
        Walk { steps, position: self.position, found: &mut *self.found, leaf: PhantomData }
    }
}

impl<'de, L: Deserialize<'de>> DeserializeSeed<'de> for Walk<'_, L> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.steps.is_empty() {
            let start = self.position.get();
            let leaf = L::deserialize(deserializer)?;
            (self.found)(leaf, start..self.position.get());
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
        if let Some(Step::Last) = steps.first() {
            return self.last_element(seq);
        }
        for index in 0.. {
            let wanted = match steps.first() {
                Some(Step::Every) => true,
                Some(Step::Element(element)) => *element == index,
                _ => false,
            };
            let more = if wanted {
                seq.next_element_seed(self.below(&steps[1..]))?.is_some()
            } else {
                seq.next_element::<IgnoredAny>()?.is_some()
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

/// The kind of a value, without its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outline {
    /// The value `null`.
    Null,
    /// One of `true` and `false`.
    Flag(bool),
    /// A whole number of up to 64 bits, with its digits.
    Whole(String),
    /// Another number. Its digits must be read again, because a double may not hold them.
    Fraction,
    /// A text of up to [`TEXT_BYTES`].
    Text(String),
    /// A text that is longer than that.
    LongText,
    /// An array of this many elements.
    Array(u64),
    /// An object of this many members.
    Object(u64),
}

/// Most bytes of a text that is kept, and so of a cursor.
pub(super) const TEXT_BYTES: usize = 1 << 20;

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
        let mut members = 0;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            members += 1;
        }
        Ok(Outline::Object(members))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Outline, E> {
        Ok(Outline::Flag(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Outline, E> {
        Ok(Outline::Whole(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Outline, E> {
        Ok(Outline::Whole(value.to_string()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Outline, E> {
        Ok(Outline::Fraction)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Outline, E> {
        Ok(if value.len() <= TEXT_BYTES { Outline::Text(value.to_owned()) } else { Outline::LongText })
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
        walk(json.as_bytes(), &Position::default(), path.steps(), &mut |outline, _| found.push(outline)).expect(json);
        found
    }

    #[test]
    fn a_path_finds_what_is_there_and_nothing_else() {
        let json = r#"{"a": {"next": "c2", "n": 7}, "data": [{"x": [1,2]}, {"x": []}, 3], "none": null}"#;
        assert_eq!(at(json, "a.next"), [Outline::Text("c2".into())]);
        assert_eq!(at(json, "a.n"), [Outline::Whole("7".into())]);
        assert_eq!(at(json, "data"), [Outline::Array(3)]);
        assert_eq!(at(json, "data[*].x"), [Outline::Array(2), Outline::Array(0)]);
        assert_eq!(at(json, "data[1]"), [Outline::Object(1)]);
        assert_eq!(at(json, "data[-1]"), [Outline::Whole("3".into())]);
        assert_eq!(at(json, "data[0].x[-1]"), [Outline::Whole("2".into())]);
        assert_eq!(at(json, "data[1].x[-1]"), []);
        assert_eq!(at(json, "data[-1].x"), [], "an element before the last does not stand in for it");
        assert_eq!(at(json, "none"), [Outline::Null]);
        assert_eq!(at(json, "a.n.deeper"), []);
        assert_eq!(at(json, "missing"), []);
        assert_eq!(at("[1, 2]", "$"), [Outline::Array(2)]);
    }

    #[test]
    fn what_is_skipped_may_be_ten_thousand_levels_deep() {
        let deep = format!(r#"{{"deep": {}{}, "next": "c"}}"#, "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(at(&deep, "next"), [Outline::Text("c".into())]);
    }
}
