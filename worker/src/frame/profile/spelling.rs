//! Finds columns of texts whose values look like numbers with commas, for which the report proposes a number format.

use elt_shared::config::{NumberFormat, Thousands};

use crate::frame::CellKind;
use crate::frame::value::{self, Foreign};

/// Number of values after which a spelling is believed.
const ENOUGH: u32 = 1_000;

/// The spelling of a column's first values, which are text only because of their commas.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spelling {
    seen: u32,
    decimal_comma: bool,
    grouping_comma: bool,
    either: bool,
    /// Whether points group the digits before a decimal comma.
    points: bool,
    /// Whether a value is not a number with commas, or the file's number format is known.
    refuted: bool,
}

impl Spelling {
    /// Whether more values would tell more.
    pub(super) fn is_open(&self) -> bool {
        !self.refuted && self.seen < ENOUGH
    }

    /// Notes that no format is to be proposed.
    pub(super) fn refute(&mut self) {
        self.refuted = true;
    }

    /// Notes a value. One that is not from a delimited file has no format that could be proposed.
    pub(super) fn note(&mut self, kind: CellKind, bytes: &[u8]) {
        if !matches!(kind, CellKind::Bare | CellKind::Quoted) {
            self.refuted = true;
        }
        if !self.is_open() {
            return;
        }
        self.seen += 1;
        match value::foreign(bytes) {
            Foreign::Neutral => {}
            Foreign::DecimalComma => {
                self.decimal_comma = true;
                self.points |= bytes.contains(&b'.');
            }
            Foreign::GroupingComma => self.grouping_comma = true,
            Foreign::Either => self.either = true,
            Foreign::No => self.refuted = true,
        }
    }

    /// Adds the spelling of the same column in a later file.
    pub(super) fn merge(&mut self, later: Self) {
        self.seen = self.seen.saturating_add(later.seen);
        self.decimal_comma |= later.decimal_comma;
        self.grouping_comma |= later.grouping_comma;
        self.either |= later.either;
        self.points |= later.points;
        self.refuted |= later.refuted;
    }

    /// The number format of the values. `None`: they have none, or it is not certain.
    pub(super) fn format(&self) -> Option<NumberFormat> {
        match (self.refuted, self.decimal_comma, self.grouping_comma) {
            (false, true, false) => {
                Some(NumberFormat { decimal: b',', thousands: self.points.then_some(Thousands::Point) })
            }
            (false, false, true) => Some(NumberFormat { decimal: b'.', thousands: Some(Thousands::Comma) }),
            _ => None,
        }
    }

    /// A clause with the keys to write in the source. `None`: there is nothing to propose.
    pub(super) fn proposal(&self) -> Option<&'static str> {
        match self.format() {
            Some(NumberFormat { decimal: b',', thousands: None }) => {
                Some("if these are numbers with decimal commas, write `csv: {decimal: \",\"}`")
            }
            Some(NumberFormat { decimal: b',', .. }) => {
                Some("if these are numbers with decimal commas, write `csv: {decimal: \",\", thousands: \".\"}`")
            }
            Some(_) => Some("if commas group the digits of these numbers, write `csv: {thousands: \",\"}`"),
            None if self.either && !self.refuted && !self.decimal_comma => Some(
                "if these are numbers, write `csv: {decimal: \",\"}` when their commas are before decimals, or `csv: \
                 {thousands: \",\"}` when they group digits",
            ),
            None => None,
        }
    }
}
