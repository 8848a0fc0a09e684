//! A histogram of numbers that come one after the other. The width of its buckets is a power of two and doubles when a
//! value finds no bucket, so that no value is lost and none is counted in a wrong bucket.

/// Buckets that are kept while values come.
const KEPT: usize = 64;
/// Buckets that a profile has at most.
const SHOWN: usize = 32;
/// Bounds for the logarithm of a width: those of the exponents of doubles.
const LEAST_LOG: i32 = -1022;

/// Buckets of one width.
pub struct Histogram {
    /// Logarithm of the width, base two.
    log: i32,
    /// Factor from a double to its bucket.
    scale: f64,
    /// Number of the first bucket that is kept. Bucket `n` begins at `n` times the width.
    first: i64,
    counts: Box<[u64; KEPT]>,
    is_empty: bool,
}

/// The buckets that have values, and those between them.
pub struct Buckets {
    /// Logarithm of their width, base two.
    pub log: i32,
    /// Number of the first one.
    pub first: i64,
    /// Number of values in each.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// A histogram without values.
    pub fn new() -> Self {
        Self { log: 0, scale: 1.0, first: 0, counts: Box::new([0; KEPT]), is_empty: true }
    }

    /// Adds a whole number. A histogram takes whole numbers or doubles, and not both.
    #[inline]
    pub fn add(&mut self, value: i64) {
        match self.count_of(value >> self.log) {
            Some(count) => *count += 1,
            None => self.make_room(|log| value >> log),
        }
    }

    /// Adds a double, which must be finite.
    #[inline]
    pub fn add_double(&mut self, value: f64) {
        if self.is_empty {
            // As fine as the digits of the first value.
            let exponent = ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023;
            self.set_log((exponent - 52).max(LEAST_LOG));
            self.is_empty = false;
        }
        // A product that is too large becomes the largest integer, which has no bucket until the width fits.
        match self.count_of((value * self.scale).floor() as i64) {
            Some(count) => *count += 1,
            None => self.make_room(|log| (value * scale_of(log)).floor() as i64),
        }
    }

    /// The count of a bucket, if it is kept.
    #[inline]
    fn count_of(&mut self, bucket: i64) -> Option<&mut u64> {
        let place = (bucket >= self.first).then(|| bucket.abs_diff(self.first))?;
        self.counts.get_mut(place as usize)
    }

    /// Adds a value whose bucket is not kept. `bucket` says its number for a width.
    #[cold]
    fn make_room(&mut self, bucket: impl Fn(i32) -> i64) {
        loop {
            let (new, used) = (bucket(self.log), self.used());
            let (low, high) = used.map_or((new, new), |(low, high)| (low.min(new), high.max(new)));
            let span = high.abs_diff(low);
            if span < KEPT as u64 {
                // In the middle, because the next values may be on either side.
                self.move_to(low.saturating_sub((KEPT as i64 - 1 - span as i64) / 2));
                let place = new.abs_diff(self.first) as usize;
                self.counts[place.min(KEPT - 1)] += 1;
                return;
            }
            self.double();
        }
    }

    /// Numbers of the first and the last bucket that have values.
    fn used(&self) -> Option<(i64, i64)> {
        let first = self.counts.iter().position(|count| *count > 0)?;
        let last = self.counts.iter().rposition(|count| *count > 0)?;
        Some((self.first + first as i64, self.first + last as i64))
    }

    /// Keeps other buckets. Those with values must be among them.
    fn move_to(&mut self, first: i64) {
        let mut counts = Box::new([0; KEPT]);
        for (at, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let place = (self.first + at as i64).abs_diff(first) as usize;
            counts[place.min(KEPT - 1)] += count;
        }
        (self.first, self.counts) = (first, counts);
    }

    /// Doubles the width: two buckets become one.
    fn double(&mut self) {
        let first = self.first >> 1;
        let mut counts = Box::new([0; KEPT]);
        for (at, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let place = ((self.first + at as i64) >> 1).abs_diff(first) as usize;
            counts[place] += count;
        }
        (self.first, self.counts) = (first, counts);
        self.set_log(self.log + 1);
    }

    fn set_log(&mut self, log: i32) {
        (self.log, self.scale) = (log, scale_of(log));
    }

    /// The buckets to show. `None`: the column has no values.
    pub fn buckets(mut self) -> Option<Buckets> {
        loop {
            let (low, high) = self.used()?;
            if high.abs_diff(low) < SHOWN as u64 {
                let from = low.abs_diff(self.first) as usize;
                let to = high.abs_diff(self.first) as usize;
                return Some(Buckets { log: self.log, first: low, counts: self.counts[from..=to].to_vec() });
            }
            self.double();
        }
    }
}

/// The factor from a double to its bucket of a width.
fn scale_of(log: i32) -> f64 {
    2.0_f64.powi(-log)
}

impl Buckets {
    /// Begin of the first bucket and end of the last one, of whole numbers.
    pub fn ends(&self) -> (i128, i128) {
        let at = |bucket: i128| bucket << self.log;
        (at(i128::from(self.first)), at(i128::from(self.first) + self.counts.len() as i128))
    }

    /// Begin of the first bucket and end of the last one, of doubles.
    pub fn double_ends(&self) -> (f64, f64) {
        let at = |bucket: i64| bucket as f64 / scale_of(self.log);
        (at(self.first), at(self.first.saturating_add(self.counts.len() as i64)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_whole_number_is_in_its_bucket(values in prop::collection::vec(prop_oneof![any::<i64>(), -50_i64..50], 1..200)) {
            let mut histogram = Histogram::new();
            values.iter().for_each(|value| histogram.add(*value));
            let buckets = histogram.buckets().expect("values");
            prop_assert!(buckets.counts.len() <= SHOWN);
            let (from, _) = buckets.ends();
            for (at, count) in buckets.counts.iter().enumerate() {
                let begin = from + ((at as i128) << buckets.log);
                let end = begin + (1_i128 << buckets.log);
                let inside = values.iter().filter(|value| (begin..end).contains(&i128::from(**value))).count();
                prop_assert_eq!(*count, inside as u64);
            }
            prop_assert_eq!(buckets.counts.iter().sum::<u64>(), values.len() as u64);
        }

        #[test]
        fn every_double_is_in_a_bucket(values in prop::collection::vec(
            prop_oneof![prop::num::f64::NORMAL, prop::num::f64::SUBNORMAL, prop::num::f64::ZERO, -9.0..9.0], 1..200))
        {
            let mut histogram = Histogram::new();
            values.iter().for_each(|value| histogram.add_double(*value));
            let buckets = histogram.buckets().expect("values");
            prop_assert!(buckets.counts.len() <= SHOWN);
            prop_assert_eq!(buckets.counts.iter().sum::<u64>(), values.len() as u64);
            let (from, to) = buckets.double_ends();
            prop_assert!(values.iter().all(|value| *value >= from && *value <= to));
        }
    }

    #[test]
    fn round_numbers_have_round_buckets() {
        let mut histogram = Histogram::new();
        (0..64_000).for_each(|value| histogram.add(value / 10));
        let buckets = histogram.buckets().expect("values");
        assert_eq!((buckets.ends(), buckets.counts.len()), ((0, 6_400), 25));
        assert!(buckets.counts.iter().all(|count| *count == 2_560));
    }

    #[test]
    fn one_value_has_one_bucket() {
        for value in [0.0, -0.0, 1.5, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324] {
            let mut histogram = Histogram::new();
            (0..3).for_each(|_| histogram.add_double(value));
            assert_eq!(histogram.buckets().expect("a value").counts, [3], "{value}");
        }
        assert!(Histogram::new().buckets().is_none());
    }
}
