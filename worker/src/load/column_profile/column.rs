//! One column of a profile. What is noted of its values depends on their type.

use elt_shared::config::ColumnType;
use elt_shared::runs::{ColumnProfile, HistogramProfile};

use super::decimal::{self, Decimal};
use super::ends::{BatchEnds, Ends, NumberEnds, TextEnds, key_of_double};
use super::histogram::Histogram;
use super::text::Lengths;
use super::values::Values;
use super::{Rows, hash, shown};
use crate::contract;
use crate::contract::cells::{Canonical, Cells};

/// What was noted of one column.
pub struct Column {
    name: String,
    sql_type: String,
    canonical: Canonical,
    /// Whether values may be kept.
    with_values: bool,
    nulls: u64,
    not_finite: u64,
    values: Values,
    notes: Notes,
}

/// What is noted beside the different values, by the type of the column.
enum Notes {
    /// Whole numbers, dates and times.
    Whole { ends: Ends, histogram: Histogram },
    /// Floating-point numbers.
    Double { ends: Ends, histogram: Histogram },
    /// Numbers of any length.
    Decimal { ends: NumberEnds, histogram: Histogram },
    /// Texts.
    Text { ends: TextEnds, lengths: Lengths },
    /// Values without an order that elt knows.
    Other,
}

impl Column {
    /// A column without values. `counted`: different values that are counted at most; `with_values`: they may be kept.
    pub fn new(column: &contract::Column, counted: usize, with_values: bool) -> Self {
        let is_text = column.sql_type().known().is_some_and(ColumnType::is_text);
        let notes = match column.canonical {
            Canonical::Number | Canonical::Date | Canonical::Time | Canonical::Timestamp | Canonical::TimestampTz => {
                let is_decimal = matches!(column.sql_type().known(), Some(ColumnType::Numeric(_)));
                match is_decimal {
                    true => Notes::Decimal { ends: NumberEnds::default(), histogram: Histogram::new() },
                    false => Notes::Whole { ends: Ends::default(), histogram: Histogram::new() },
                }
            }
            Canonical::Double | Canonical::Real => Notes::Double { ends: Ends::default(), histogram: Histogram::new() },
            Canonical::Text if is_text => Notes::Text { ends: TextEnds::default(), lengths: Lengths::default() },
            Canonical::Boolean | Canonical::Uuid | Canonical::Json | Canonical::Text => Notes::Other,
        };
        Self {
            name: column.name.clone(),
            sql_type: column.sql.clone(),
            canonical: column.canonical,
            with_values,
            nulls: 0,
            not_finite: 0,
            values: Values::new(counted, with_values),
            notes,
        }
    }

    /// Takes the cells of a batch.
    pub fn take(&mut self, cells: Cells<'_>, rows: Rows<'_>) {
        let canonical = self.canonical;
        let text = move |row: usize| canonical_text(cells, row, canonical);
        let values = &mut self.values;
        self.nulls += match (cells, &mut self.notes) {
            (Cells::Integer(array) | Cells::Time(array) | Cells::Timestamp(array), notes) => {
                let numbers = array.values().as_slice();
                take_whole(cells, rows, notes, values, |row| numbers[row], text)
            }
            (Cells::Date(array), notes) => {
                let days = array.values().as_slice();
                take_whole(cells, rows, notes, values, |row| i64::from(days[row]), text)
            }
            (Cells::Double(array), Notes::Double { ends, histogram }) => {
                let (numbers, is_real) = (array.values().as_slice(), canonical == Canonical::Real);
                let (mut batch, not_finite) = (BatchEnds::new(), &mut self.not_finite);
                let nulls = rows.visit(cells, |row, weight| {
                    let number = if is_real { f64::from(numbers[row] as f32) } else { numbers[row] };
                    let key = key_of_double(number);
                    batch.add(key, row);
                    values.add(hash::of_number(key), weight, || text(row));
                    if number.is_finite() {
                        histogram.add_double(number);
                    } else {
                        *not_finite += 1;
                    }
                });
                ends.add(&batch, text);
                nulls
            }
            (Cells::Text(array), Notes::Decimal { ends, histogram }) => {
                let not_finite = &mut self.not_finite;
                rows.visit(cells, |row, weight| {
                    let written = array.value(row);
                    let number = Decimal::of(written);
                    ends.add(number, || decimal::canonical(written));
                    values.add(number.hash, weight, || text(row));
                    if number.near.is_finite() {
                        histogram.add_double(number.near);
                    } else {
                        *not_finite += 1;
                    }
                })
            }
            (Cells::Text(array), Notes::Text { ends, lengths }) => rows.visit(cells, |row, weight| {
                let written = array.value(row);
                ends.add(written);
                lengths.add(written);
                values.add(hash::of_text(written.as_bytes()), weight, || text(row));
            }),
            (Cells::Text(array), _) => rows.visit(cells, |row, weight| {
                values.add(hash::of_text(array.value(row).as_bytes()), weight, || text(row));
            }),
            (Cells::Boolean(array), _) => rows.visit(cells, |row, weight| {
                values.add(hash::of_number(i64::from(array.value(row))), weight, || text(row));
            }),
            (Cells::Double(array), _) => rows.visit(cells, |row, weight| {
                values.add(hash::of_number(key_of_double(array.value(row))), weight, || text(row));
            }),
        };
    }

    /// The profile of the column. `rows`: number of rows that were added.
    pub fn finish(self, rows: u64) -> ColumnProfile {
        let (distinct, distinct_exact) = self.values.distinct();
        // An estimate can be above the number of values.
        let distinct = distinct.min(rows - self.nulls);
        let (top, top_exact) = self.values.top();
        let mut profile = ColumnProfile {
            name: self.name,
            sql_type: self.sql_type,
            nulls: self.nulls,
            distinct,
            distinct_exact,
            not_finite: self.not_finite,
            top,
            top_exact,
            ..ColumnProfile::default()
        };
        let (ends, histogram) = match self.notes {
            Notes::Whole { ends, histogram } => (ends.texts(), whole_buckets(histogram, self.canonical)),
            Notes::Double { ends, histogram } => (ends.texts(), double_buckets(histogram)),
            Notes::Decimal { ends, histogram } => (ends.texts(), double_buckets(histogram)),
            Notes::Text { ends, lengths } => {
                profile.length = lengths.profile();
                (ends.texts(), None)
            }
            Notes::Other => ((None, None), None),
        };
        if self.with_values {
            (profile.min, profile.max) = ends;
            profile.histogram = histogram;
        }
        profile
    }
}

/// Takes whole numbers, dates or times. Returns the number of rows without one.
#[inline]
fn take_whole(
    cells: Cells<'_>,
    rows: Rows<'_>,
    notes: &mut Notes,
    values: &mut Values,
    number: impl Fn(usize) -> i64,
    text: impl Fn(usize) -> Box<str> + Copy,
) -> u64 {
    let Notes::Whole { ends, histogram } = notes else {
        return rows.visit(cells, |row, weight| values.add(hash::of_number(number(row)), weight, || text(row)));
    };
    let mut batch = BatchEnds::new();
    // Times are nanoseconds here, and the target keeps microseconds.
    let unit = if matches!(cells, Cells::Time(_)) { 1_000 } else { 1 };
    let nulls = rows.visit(cells, |row, weight| {
        let number = if unit == 1 { number(row) } else { number(row) / unit };
        batch.add(number, row);
        histogram.add(number);
        values.add(hash::of_number(number), weight, || text(row));
    });
    ends.add(&batch, text);
    nulls
}

/// The canonical text of a cell, cut to be shown.
#[cold]
fn canonical_text(cells: Cells<'_>, row: usize, canonical: Canonical) -> Box<str> {
    let mut out = Vec::new();
    match (cells, canonical) {
        // A document is not put in order to show its beginning.
        (Cells::Text(array), Canonical::Json) => return shown(array.value(row)).into(),
        _ => cells.canonical(row, canonical, &mut out),
    }
    shown(&String::from_utf8_lossy(&out)).into()
}

/// The histogram of whole numbers, dates or times.
fn whole_buckets(histogram: Histogram, canonical: Canonical) -> Option<HistogramProfile> {
    /// Days of the years 1 to 9999, which are those that elt converts.
    const DAYS: (i128, i128) = (-719_162, 2_932_896);
    const DAY: i128 = 86_400_000_000;
    let buckets = histogram.buckets()?;
    let (least, most) = match canonical {
        Canonical::Date => DAYS,
        Canonical::Timestamp | Canonical::TimestampTz => (DAYS.0 * DAY, (DAYS.1 + 1) * DAY - 1),
        Canonical::Time => (0, DAY - 1),
        _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
    };
    let text = |end: i128| {
        let mut out = Vec::new();
        canonical.of_number(end.clamp(least, most) as i64, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    };
    let (from, to) = buckets.ends();
    Some(HistogramProfile { from: text(from), to: text(to), counts: buckets.counts })
}

/// The histogram of other numbers.
fn double_buckets(histogram: Histogram) -> Option<HistogramProfile> {
    let buckets = histogram.buckets()?;
    let (from, to) = buckets.double_ends();
    let text = |end: f64| if end.abs() < 1e16 { format!("{end}") } else { format!("{end:e}") };
    Some(HistogramProfile { from: text(from), to: text(to), counts: buckets.counts })
}
