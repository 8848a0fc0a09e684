//! Lines that repeat: of one place in the code, only so many a minute are kept in the database. The rest is counted, and
//! one line says how many there were. Lines about a run are all kept, because only its work makes them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;

use crate::store::logs::NewLine;

/// Lines of one place in the code that are kept within a minute, so that no caller can fill the database with them.
pub(super) const A_MINUTE: u32 = 300;
const MINUTE: Duration = Duration::from_secs(60);

/// How often each place in the code wrote a line in its current minute. There are only as many as the program has.
#[derive(Debug, Default)]
pub(super) struct Repeats(Mutex<HashMap<Identifier, Minute>>);

#[derive(Debug)]
struct Minute {
    since: Instant,
    lines: u32,
    /// The newest line that was not kept.
    last: Option<NewLine>,
}

impl Repeats {
    /// The lines to keep: this one unless there were too many like it, after those that stand for what was not kept in
    /// minutes that are over.
    pub fn pass(&self, place: Identifier, line: NewLine, now: Instant) -> Vec<NewLine> {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = Vec::new();
        minutes.retain(|_, minute| {
            let is_over = now.duration_since(minute.since) >= MINUTE;
            if is_over {
                kept.extend(minute.summary());
            }
            !is_over
        });
        if line.run_id.is_some() {
            kept.push(line);
            return kept;
        }
        let minute = minutes.entry(place).or_insert(Minute { since: now, lines: 0, last: None });
        minute.lines = minute.lines.saturating_add(1);
        match minute.lines <= A_MINUTE {
            true => kept.push(line),
            false => minute.last = Some(line),
        }
        kept
    }
}

impl Minute {
    /// A line about those that were not kept.
    fn summary(&mut self) -> Option<NewLine> {
        let last = self.last.take()?;
        let more = self.lines - A_MINUTE;
        Some(NewLine { message: format!("{more} more lines like this within a minute: {}", last.message), ..last })
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use serde_json::json;
    use tracing::Callsite;

    use super::*;

    struct Here(&'static str);

    impl Callsite for Here {
        fn set_interest(&self, _: tracing::subscriber::Interest) {}

        fn metadata(&self) -> &tracing::Metadata<'_> {
            unreachable!("nobody asks")
        }
    }

    static ONE: Here = Here("one");
    static OTHER: Here = Here("other");

    fn line(message: &str) -> NewLine {
        NewLine {
            at: Utc::now(),
            level: "WARN".into(),
            target: "t".into(),
            message: message.into(),
            fields: json!({}),
            run_id: None,
            trace_id: None,
            process: "p".into(),
        }
    }

    #[test]
    fn a_flood_of_lines_becomes_a_few_and_a_count() {
        let (repeats, start) = (Repeats::default(), Instant::now());
        let pass = |place, message: &str, after| {
            let kept = repeats.pass(Identifier(place), line(message), start + Duration::from_secs(after));
            kept.into_iter().map(|line| line.message).collect::<Vec<_>>()
        };
        let kept: usize = (0..10_000).map(|_| pass(&ONE, "flood", 1).len()).sum();
        assert_eq!(kept, A_MINUTE as usize);
        assert_eq!(pass(&OTHER, "quiet", 2), ["quiet"], "other places are kept");
        assert_eq!(
            pass(&OTHER, "quiet again", 70),
            ["9700 more lines like this within a minute: flood", "quiet again"],
            "any line brings out the count"
        );
        assert_eq!(pass(&ONE, "flood", 71), ["flood"]);
        assert_ne!(ONE.0, OTHER.0);
    }
}
