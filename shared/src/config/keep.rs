//! `target.partition.keep`: how long rows stay in a table that is partitioned by time.

use std::fmt;

use super::field::Field;
use super::keys::{Choice, Key};
use super::partition::Every;

/// How long rows stay in the table, and what happens to partitions that are older.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepConfig {
    /// Number of units.
    count: u32,
    /// Unit that `count` counts.
    unit: Every,
    /// What happens to a partition that is older.
    pub then: Then,
}

/// `target.partition.keep.then`: what happens to a partition that is older than what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It is detached, and stays as a table of its own.
    Detach,
    /// It is detached and dropped.
    Drop,
}

impl Choice for Then {
    const WORDS: &'static [(&'static str, Self)] = &[("detach", Self::Detach), ("drop", Self::Drop)];
}

impl KeepConfig {
    /// Its length as an interval of PostgreSQL.
    pub fn interval(&self) -> String {
        let (factor, unit) = match self.unit {
            Every::Day => (1, "days"),
            Every::Week => (7, "days"),
            Every::Month => (1, "months"),
            Every::Quarter => (3, "months"),
            Every::Year => (1, "years"),
        };
        format!("{} {unit}", self.count * factor)
    }

    /// Whether it is at least as long as a partition.
    fn covers(&self, every: Every) -> bool {
        self.count * days(self.unit) >= days(every)
    }
}

/// As a config has it: `24 months`.
impl fmt::Display for KeepConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.count, self.unit.word(), if self.count == 1 { "" } else { "s" })
    }
}

pub(super) const KEYS: &[Key] = &[
    Key::text(
        "for",
        "How long: a number of days, weeks, months, quarters or years, such as `24 months`. At least the range of a partition, and \
         at most 100 years.",
    )
    .required(),
    Key::choice::<Then>(
        "then",
        "What happens to older partitions: `detach` leaves each of them as a table of its own, `drop` deletes it. Default `detach`.",
    ),
];

/// Reads `keep` of a table with a partition for each range of time: a length of time, or a mapping with it.
pub(super) fn read(field: &Field<'_>, every: Every) -> Option<KeepConfig> {
    let (length, then) = if field.is_mapping() {
        let section = field.section(KEYS)?;
        let length = section.required("for")?.clone();
        (length, section.choice("then").unwrap_or(Then::Detach))
    } else {
        (field.clone(), Then::Detach)
    };
    let (count, unit) = length.parsed(parse)?;
    let keep = KeepConfig { count, unit, then };
    if !keep.covers(every) {
        length.problem(format!("must be at least as long as a partition, which is a {}", every.word()));
        return None;
    }
    Some(keep)
}

/// A number of units, such as `24 months`.
fn parse(text: &str) -> Result<(u32, Every), String> {
    let expected =
        || "a number of days, weeks, months, quarters or years such as 24 months, at most 100 years".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let unit = unit.strip_suffix('s').unwrap_or(&unit);
    let unit = Every::WORDS.iter().find(|(word, _)| *word == unit).map(|(_, unit)| *unit).ok_or_else(expected)?;
    let count: u32 = number.parse().map_err(|_| expected())?;
    if (1..=most(unit)).contains(&count) { Ok((count, unit)) } else { Err(expected()) }
}

/// About how many days a unit has. Months have 30 and years twelve months, so that a year is as long as 12 months.
fn days(unit: Every) -> u32 {
    match unit {
        Every::Day => 1,
        Every::Week => 7,
        Every::Month => 30,
        Every::Quarter => 90,
        Every::Year => 360,
    }
}

/// How many of a unit are 100 years, so that the limit is always within the years that have partitions.
fn most(unit: Every) -> u32 {
    match unit {
        Every::Day => 36_525,
        Every::Week => 5_217,
        Every::Month => 1_200,
        Every::Quarter => 400,
        Every::Year => 100,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_a_number_with_a_unit_as_postgresql_understands_it() {
        for (text, interval, shown) in [
            ("1 day", "1 days", "1 day"),
            ("10 days", "10 days", "10 days"),
            ("2 Weeks", "14 days", "2 weeks"),
            ("24 months", "24 months", "24 months"),
            ("24months", "24 months", "24 months"),
            ("5 quarters", "15 months", "5 quarters"),
            ("100 years", "100 years", "100 years"),
        ] {
            let (count, unit) = parse(text).expect(text);
            let keep = KeepConfig { count, unit, then: Then::Detach };
            assert_eq!((keep.interval().as_str(), keep.to_string().as_str()), (interval, shown), "{text}");
        }
    }

    #[test]
    fn what_is_no_length_or_too_long_is_refused_with_an_example() {
        for text in [
            "",
            "months",
            "0 months",
            "-1 months",
            "1.5 years",
            "24",
            "24 m",
            "101 years",
            "1201 months",
            "9999999999 days",
        ] {
            assert!(parse(text).expect_err(text).contains("such as 24 months, at most 100 years"), "{text}");
        }
    }
}
