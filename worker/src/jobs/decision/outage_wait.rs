//! How long a run waits for something that is away, and with which pauses it tries again meanwhile.

use std::time::Duration;

use elt_shared::config::{Outages, RetryConfig};
use elt_shared::job::is_private;
use elt_shared::runs::RunKind;
use elt_shared::runs::backoff::{WAIT_FOR_OUTAGES, WAIT_OF_A_PERSON};
use elt_shared::store::runs::Run;
use elt_shared::store::target_outages::Pauses;

use crate::error::outage::Outage;

/// Longest time that a run waits for something that is away, counted from when it first met an outage. `None`: it
/// does not wait, so such an attempt counts like every other.
pub(crate) fn longest_wait(run: &Run, retry: &RetryConfig) -> Option<Duration> {
    match retry.outages {
        Outages::CountAsAttempts => None,
        Outages::WaitFor(longest) => Some(longest),
        Outages::WaitAsUsual if is_private(&run.queue) => Some(WAIT_OF_A_PERSON),
        Outages::WaitAsUsual => Some(match run.kind {
            RunKind::Run | RunKind::Replay | RunKind::Undo => WAIT_FOR_OUTAGES,
            RunKind::Plan | RunKind::Check | RunKind::TestConnection | RunKind::Verify => WAIT_OF_A_PERSON,
        }),
    }
}

/// The pauses between attempts that meet an outage: those of its kind, unless the config names some.
pub(super) fn pauses(outage: Outage, retry: &RetryConfig) -> Pauses {
    if retry.names_pauses {
        return Pauses { first: retry.initial, longest: retry.max };
    }
    let rule = outage.rule();
    Pauses { first: rule.first, longest: rule.longest }
}

/// A duration for people: `45 s`, `12 min`, `3 h 20 min`.
pub(super) fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3_600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use elt_shared::runs::backoff::outage_pause;

    use super::*;

    #[test]
    fn a_run_waits_a_day_and_a_person_two_minutes_unless_the_config_says_otherwise() {
        let usual = RetryConfig::default();
        let loads = Run::default();
        let plan = Run { kind: RunKind::Plan, ..Run::default() };
        let at_a_terminal = Run { queue: elt_shared::job::private_queue(), ..Run::default() };
        assert_eq!(longest_wait(&loads, &usual), Some(Duration::from_secs(24 * 3_600)));
        for run in [&plan, &at_a_terminal] {
            assert_eq!(longest_wait(run, &usual), Some(Duration::from_secs(120)));
        }
        let named = RetryConfig { outages: Outages::WaitFor(Duration::from_secs(7)), ..RetryConfig::default() };
        let counted = RetryConfig { outages: Outages::CountAsAttempts, ..RetryConfig::default() };
        for run in [&loads, &plan, &at_a_terminal] {
            assert_eq!(longest_wait(run, &named), Some(Duration::from_secs(7)));
            assert_eq!(longest_wait(run, &counted), None);
        }
    }

    #[test]
    fn pauses_grow_to_those_of_the_kind_or_to_those_of_the_config() {
        let usual = pauses(Outage::TargetAway, &RetryConfig::default());
        for (before, seconds) in [(0, 2.0), (1, 4.0), (4, 32.0), (5, 60.0), (1_000, 60.0), (-1, 2.0)] {
            let pause = outage_pause(usual, before).as_secs_f64();
            assert!((seconds * 0.75..=seconds * 1.25).contains(&pause), "{before}: {pause}");
        }
        let second = Duration::from_secs(1);
        let named = RetryConfig { initial: second, max: second, names_pauses: true, ..RetryConfig::default() };
        assert_eq!(pauses(Outage::TargetDiskFull, &named), Pauses { first: second, longest: second });
    }

    #[test]
    fn durations_are_shown_in_two_units_at_most() {
        for (seconds, words) in [(0, "0 s"), (59, "59 s"), (90, "1 min"), (3_600, "1 h"), (12_000, "3 h 20 min")] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
