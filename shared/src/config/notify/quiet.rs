//! `quiet:` in an item of `notify:`.

use chrono::NaiveTime;
use chrono_tz::Tz;

use super::is_written_out;
use crate::config::field::Field;
use crate::config::keys::Key;
use crate::config::moment;
use crate::config::section::Section;
use crate::notifications::QuietHours;

pub(super) const KEYS: &[Key] = &[
    Key::text("from", "When they begin: `22:00`.").required(),
    Key::text("to", "When they end, on the next day if it is before `from`: `07:00`.").required(),
    Key::text("timezone", "IANA zone of both. Default: the server's."),
];

pub(super) fn read(field: &Field<'_>) -> Option<QuietHours> {
    let section = &field.section(KEYS)?;
    if !["from", "to", "timezone"].into_iter().all(|name| is_written_out(section, name)) {
        return None;
    }
    let from = section.required("from").and_then(|field| field.parsed(time));
    let to = section.required("to").and_then(|field| field.parsed(time));
    let (timezone, from, to) = (zone(section)?, from?, to?);
    if from == to {
        section.problem("begins and ends at the same time");
        return None;
    }
    Some(QuietHours { from, to, timezone })
}

/// `timezone` of a section.
pub(super) fn zone(section: &Section<'_>) -> Option<Tz> {
    match section.field("timezone") {
        Some(field) => field.parsed(moment::timezone),
        None => Some(moment::server_timezone()),
    }
}

pub(super) fn time(text: &str) -> Result<NaiveTime, String> {
    NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| "a time of the day such as 22:00".into())
}
