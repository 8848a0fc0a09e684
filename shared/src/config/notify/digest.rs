//! `digest:` in an item of `notify:`.

use super::{is_written_out, quiet};
use crate::config::duration;
use crate::config::field::Field;
use crate::config::keys::Key;
use crate::notifications::DigestTimes;

/// Seconds of a day.
const DAY: u64 = 86_400;
/// Least seconds between two digests.
const SHORTEST: u64 = 60;

pub(super) const KEYS: &[Key] = &[
    Key::duration(
        "every",
        DAY,
        "Time between two digests, counted from midnight UTC: `15m`, `1h`. At least `1m`, and a whole number of them must make a day.",
    ),
    Key::text("at", "Once a day at this time: `08:00`; in place of `every`."),
    Key::text("timezone", "IANA zone of `at`. Default: the server's."),
];

pub(super) fn read(field: &Field<'_>) -> Option<DigestTimes> {
    let section = &field.section(KEYS)?;
    if !["every", "at", "timezone"].into_iter().all(|name| is_written_out(section, name)) {
        return None;
    }
    match (section.field("every"), section.field("at")) {
        (Some(every), None) => {
            if let Some(zone) = section.field("timezone") {
                zone.warn("has an effect beside `at` only");
            }
            Some(DigestTimes::Every { every_seconds: every.parsed(period)? })
        }
        (None, Some(at)) => {
            let (at, timezone) = (at.parsed(quiet::time), quiet::zone(section));
            Some(DigestTimes::Daily { at: at?, timezone: timezone? })
        }
        (Some(_), Some(at)) => {
            at.problem("a digest has one of `every` and `at`");
            None
        }
        (None, None) => {
            section.problem("says nothing: write \"every\" or \"at\"");
            None
        }
    }
}

/// Reads a duration that divides a day. Others would go out at other times each day.
fn period(text: &str) -> Result<u32, String> {
    let expected = || "a duration from 1m to 24h that divides a day, such as 15m, 1h or 6h".to_owned();
    let seconds = duration::parse(text, DAY).map_err(|_| expected())?.as_secs();
    let divides = seconds >= SHORTEST && DAY.is_multiple_of(seconds);
    u32::try_from(seconds).ok().filter(|_| divides).ok_or_else(expected)
}
