//! The different values of a column and the commonest of them, in bounded memory.
//!
//! Up to a number of different values all of them are counted. Beyond it their number is estimated, and the commonest ones
//! are found by the algorithm of Misra and Gries: when there is no room for a value, all counts are lowered by the count
//! that frees half of the room. A value can so be undercounted by what was taken in all, and by no more.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use elt_shared::runs::TopValue;

use super::distinct::Distinct;
use super::sampling::SAMPLED;

/// Values that a profile lists at most.
const MOST_LISTED: usize = 10;

/// Passes hashes through, because they are hashes already.
#[derive(Default)]
struct Through(u64);

impl Hasher for Through {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A value that is counted.
struct Counted {
    count: u64,
    text: Box<str>,
}

/// The values of one column.
pub struct Values {
    /// Different values that are counted at most.
    most: usize,
    /// Whether values may be kept.
    with_texts: bool,
    counted: HashMap<u64, Counted, BuildHasherDefault<Through>>,
    /// All values, once there are more different ones than are counted.
    distinct: Option<Distinct>,
    /// What was taken from every count to make room.
    lowered: u64,
    /// Whether only some rows were looked at.
    sampled: bool,
}

impl Values {
    /// No values yet. `most` different ones are counted; `with_texts`: they may be kept.
    pub fn new(most: usize, with_texts: bool) -> Self {
        Self { most, with_texts, counted: HashMap::default(), distinct: None, lowered: 0, sampled: false }
    }

    /// Adds a value by its hash. `weight`: the number of rows that its row stands for where not all rows are looked at, or
    /// zero. `text` makes the text to show.
    #[inline]
    pub fn add(&mut self, hash: u64, weight: u8, text: impl FnOnce() -> Box<str>) {
        match &mut self.distinct {
            Some(distinct) => {
                distinct.add(hash);
                if weight > 0 {
                    self.sample(hash, weight, text);
                }
                self.sampled |= weight != 1;
            }
            None => {
                if let Some(counted) = self.counted.get_mut(&hash) {
                    counted.count += 1;
                } else {
                    self.meet(hash, weight, text);
                }
            }
        }
    }

    /// Adds a value that was not seen before, while all different values are counted.
    #[cold]
    fn meet(&mut self, hash: u64, weight: u8, text: impl FnOnce() -> Box<str>) {
        if self.counted.len() < self.most {
            let text = if self.with_texts { text() } else { Box::default() };
            self.counted.insert(hash, Counted { count: 1, text });
            return;
        }
        let mut distinct = Distinct::new();
        self.counted.keys().for_each(|hash| distinct.add(*hash));
        self.distinct = Some(distinct);
        if !self.with_texts {
            self.counted = HashMap::default();
        }
        self.add(hash, weight, text);
    }

    /// Counts a value that stands for `weight` rows.
    fn sample(&mut self, hash: u64, weight: u8, text: impl FnOnce() -> Box<str>) {
        if !self.with_texts {
            return;
        }
        if let Some(counted) = self.counted.get_mut(&hash) {
            counted.count += u64::from(weight);
            return;
        }
        if self.counted.len() >= 2 * self.most {
            self.make_room();
        }
        self.counted.insert(hash, Counted { count: u64::from(weight), text: text() });
    }

    /// Lowers all counts by the one in the middle, and forgets the values that have none left.
    fn make_room(&mut self) {
        let mut counts: Vec<u64> = self.counted.values().map(|counted| counted.count).collect();
        let middle = counts.len() / 2;
        let (_, taken, _) = counts.select_nth_unstable(middle);
        let taken = *taken;
        self.lowered += taken;
        self.counted.retain(|_, counted| {
            counted.count = counted.count.saturating_sub(taken);
            counted.count > 0
        });
    }

    /// The number of different values, and whether it was counted.
    pub fn distinct(&self) -> (u64, bool) {
        match &self.distinct {
            None => (self.counted.len() as u64, true),
            // More values than can be counted were seen, so an estimate below that is wrong.
            Some(distinct) => (distinct.estimate().max(self.most as u64 + 1), false),
        }
    }

    /// The commonest values, and whether they were counted in all rows.
    pub fn top(self) -> (Vec<TopValue>, bool) {
        if !self.with_texts {
            return (Vec::new(), false);
        }
        let exact = self.distinct.is_none() || (self.lowered == 0 && !self.sampled);
        let few = self.distinct.is_none() && self.counted.len() <= MOST_LISTED;
        // A value is only known to be common if more of it was seen than may be missing of every other.
        let least = if exact { if few { 1 } else { 2 } } else { (self.lowered + 1).max(2 * u64::from(SAMPLED)) };
        let mut top: Vec<TopValue> = self
            .counted
            .into_values()
            .filter(|counted| counted.count >= least)
            .map(|counted| TopValue { value: counted.text.into(), count: counted.count })
            .collect();
        top.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.value.cmp(&other.value)));
        top.truncate(MOST_LISTED);
        (top, exact)
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash;
    use super::super::sampling::weight;
    use super::*;

    fn of(most: usize, values: impl Iterator<Item = i64>) -> Values {
        let mut seen = Values::new(most, true);
        for (row, value) in values.enumerate() {
            seen.add(hash::of_number(value), weight(row as u64), || value.to_string().into());
        }
        seen
    }

    fn texts(top: &[TopValue]) -> Vec<(&str, u64)> {
        top.iter().map(|top| (top.value.as_str(), top.count)).collect()
    }

    #[test]
    fn few_different_values_are_all_counted() {
        let seen = of(8, [3, 1, 3, 2, 3, 1].into_iter());
        assert_eq!(seen.distinct(), (3, true));
        let (top, exact) = seen.top();
        assert!(exact);
        assert_eq!(texts(&top), [("3", 3), ("1", 2), ("2", 1)]);
    }

    #[test]
    fn the_commonest_are_found_among_many() {
        // Half of the rows have the value -1, all others have one of their own. It must not matter that the rows take turns.
        let seen = of(256, (0..200_000).map(|row| if row % 2 == 1 { -1 } else { row }));
        let (distinct, exact) = seen.distinct();
        assert!(!exact && distinct.abs_diff(100_001) < 5_000, "{distinct}");
        let (top, exact) = seen.top();
        assert!(!exact);
        let (value, count) = texts(&top)[0];
        assert!(value == "-1" && count.abs_diff(100_000) < 6_000 && top.len() == 1, "{top:?}");
    }

    #[test]
    fn values_that_differ_in_every_row_have_no_commonest() {
        assert!(of(256, 0..100_000).top().0.is_empty());
        assert!(of(256, 0..300).top().0.is_empty());
        assert_eq!(of(256, 0..3).top().0.len(), 3);
    }

    #[test]
    fn without_texts_nothing_but_the_number_is_kept() {
        let mut seen = Values::new(4, false);
        for row in 0..1_000 {
            seen.add(hash::of_number(row), 1, || panic!("no text is needed"));
        }
        assert!(seen.distinct().0.abs_diff(1_000) < 50);
        assert!(seen.top().0.is_empty());
    }
}
