//! The table that decides about a run after an attempt without a report. The first row that matches counts.

use super::super::execute_run::Cause;

/// The result of an attempt that returned no report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttemptResult {
    /// It found that a newer attempt took over.
    Fenced,
    /// It asked the target, which says that the run did not load.
    NotLoaded,
    /// Another run loads into the same table.
    TargetBusy,
    /// Its tables are loaded by runs of their own, which have not ended.
    WaitsForTables,
    /// It stopped on request, or was cut off because it did not.
    Stopped,
    /// Something that it needs is away, and the run may wait for it.
    Away,
    /// It failed in a way that another attempt may not.
    MayPass,
    /// It failed in a way that another attempt does, too.
    Permanent,
}

/// What is known about a run when one of its attempts is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Situation {
    /// The run is unknown, so the attempt only asked the target whether the run had loaded.
    pub asked: bool,
    /// What the attempt came to.
    pub result: AttemptResult,
    /// The reason for which the attempt was asked to stop; `None`: it was not asked.
    pub cause: Option<Cause>,
    /// The run may be tried once more.
    pub attempts_left: bool,
    /// The run may wait longer for what is away.
    pub time_left: bool,
    /// It is settled how the unknown run ends if it did not load.
    pub has_verdict: bool,
}

/// Attempts that a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Every attempt.
    Any,
    /// Those that may only ask the target.
    Asks,
    /// Those that do the work of the run.
    Works,
}

/// A further condition of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// There is no further condition.
    Always,
    /// The unknown run has a verdict.
    HasVerdict,
    /// The run may be tried once more.
    AttemptsLeft,
    /// The run may wait longer for what is away.
    TimeLeft,
}

/// What becomes of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing is written: the run belongs to a newer attempt.
    Lose,
    /// It ends as its verdict says.
    EndByVerdict,
    /// It is tried again at once.
    RetryAtOnce,
    /// It is tried again after a pause.
    RetryLater,
    /// It waits for the run that has its target.
    Wait,
    /// It waits for the runs of its tables; the attempt does not count.
    WaitForTables,
    /// It waits for what is away; the attempt does not count.
    WaitForOutage,
    /// It goes back unfinished; the attempt does not count.
    HandBack,
    /// Its target is asked again later.
    AskAgain,
    /// It ends as stopped.
    Stop,
    /// It ends as failed, because it took too long.
    FailAsTooLong,
    /// It ends as failed, because what it waited for stayed away too long.
    FailAfterWait,
    /// It ends as failed, with the error of the attempt.
    Fail,
}

/// What comes before a step if the attempt's COMMIT was sent and its answer is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// The target is asked. The step is taken only if the target says that the run did not load.
    AskFirst,
    /// Nothing: the step neither ends nor repeats the run.
    NoMatter,
}

/// A row of the table. The first row whose conditions the end of an attempt meets decides what becomes of the run.
#[derive(Debug)]
pub(super) struct Row {
    /// A few words to find the row by, in the log and in tests.
    pub case: &'static str,
    /// Attempts that it is about.
    attempt: Attempt,
    /// Results that it is about; empty: all.
    results: &'static [AttemptResult],
    /// Cause that it is about; `None`: every cause, and also the lack of one.
    cause: Option<Cause>,
    /// Condition that the attempt must meet besides.
    when: When,
    /// What becomes of the run.
    pub then: Step,
    /// What comes before that if the attempt's COMMIT was sent and its answer is missing.
    pub unanswered: Unanswered,
    /// Why the rule is what it is, and why it stands where it does.
    pub because: &'static str,
}

use Attempt::{Any, Asks, Works};
use AttemptResult::{Away, Fenced, MayPass, NotLoaded, Stopped, TargetBusy, WaitsForTables};
use Cause::{Asked, Lost, TooLong};
use Step::{
    AskAgain, EndByVerdict, Fail, FailAfterWait, FailAsTooLong, Lose, RetryAtOnce, RetryLater, Stop, Wait,
    WaitForOutage, WaitForTables,
};
use Unanswered::{AskFirst, NoMatter};
use When::{Always, AttemptsLeft, HasVerdict, TimeLeft};

/// Results that say nothing against another attempt.
const PASSING: &[AttemptResult] = &[Stopped, Away, MayPass];

#[rustfmt::skip]
pub(super) const TABLE: [Row; 17] = [
    // An attempt that lost its run comes before all others, because whatever else it knows, it must write nothing.
    Row { case: "lease lost", attempt: Any, results: &[], cause: Some(Lost), when: Always,
          then: Lose, unanswered: NoMatter,
          because: "another worker may have begun a newer attempt, which decides about the run" },
    Row { case: "fenced off", attempt: Any, results: &[Fenced], cause: None, when: Always,
          then: Lose, unanswered: NoMatter,
          because: "a newer attempt has begun, and decides about the run" },

    // Attempts that only ask come before those that work, because the rules for the latter end or repeat the run, and an
    // unknown run may have loaded.
    Row { case: "not loaded, verdict", attempt: Asks, results: &[NotLoaded], cause: None, when: HasVerdict,
          then: EndByVerdict, unanswered: NoMatter,
          because: "the end was settled before the target was asked, on the condition that the run did not load" },
    Row { case: "not loaded", attempt: Asks, results: &[NotLoaded], cause: None, when: Always,
          then: RetryAtOnce, unanswered: NoMatter,
          because: "the run certainly did not load and has attempts left, or it would have a verdict" },
    Row { case: "asks, target busy", attempt: Asks, results: &[TargetBusy], cause: None, when: Always,
          then: Wait, unanswered: NoMatter,
          because: "the marker can be read once the other run has let the target go" },
    Row { case: "asks, worker stops", attempt: Asks, results: &[], cause: Some(Cause::HandBack), when: Always,
          then: Step::HandBack, unanswered: NoMatter,
          because: "that this worker stops says nothing about the target: another worker asks at once, without a pause" },
    Row { case: "no answer", attempt: Asks, results: &[], cause: None, when: Always,
          then: AskAgain, unanswered: NoMatter,
          because: "only an answer of the target can end an unknown run, whatever the attempt failed with" },

    // A busy target comes before the causes, because such an attempt never had the target: it neither loaded nor failed. A
    // stop that was asked for meanwhile ends the next attempt.
    Row { case: "target busy", attempt: Works, results: &[TargetBusy], cause: None, when: Always,
          then: Wait, unanswered: NoMatter,
          because: "the end of the other run wakes this one" },
    // For the same reason. A stop that was asked for is seen when the wait is written.
    Row { case: "waits for tables", attempt: Works, results: &[WaitsForTables], cause: None, when: Always,
          then: WaitForTables, unanswered: NoMatter,
          because: "the attempt loads nothing itself, and the end of the last of these runs wakes this one" },

    // The causes come before the failures, because an attempt that was asked to stop may fail with a lost connection
    // before it obeys: a run that was asked to stop must not be tried again. A failure that no retry cures is reported all
    // the same, so these rows are about passing results only.
    Row { case: "worker stops", attempt: Works, results: PASSING, cause: Some(Cause::HandBack), when: Always,
          then: Step::HandBack, unanswered: AskFirst,
          because: "the run is fine, and another worker can execute it" },
    Row { case: "stop asked for", attempt: Works, results: PASSING, cause: Some(Asked), when: Always,
          then: Stop, unanswered: AskFirst,
          because: "a person asked for it, or the run's window is over" },
    Row { case: "took too long", attempt: Works, results: PASSING, cause: Some(TooLong), when: Always,
          then: FailAsTooLong, unanswered: AskFirst,
          because: "another attempt would take as long" },
    Row { case: "stopped", attempt: Works, results: &[Stopped], cause: None, when: Always,
          then: Stop, unanswered: AskFirst,
          because: "an attempt that stopped without being asked to ends the run, because repeating it would undo the stop" },

    // Outages come before the attempts, because an attempt that met one does not count.
    Row { case: "away", attempt: Works, results: &[Away], cause: None, when: TimeLeft,
          then: WaitForOutage, unanswered: AskFirst,
          because: "what is away comes back without any change to the run" },
    Row { case: "away for too long", attempt: Works, results: &[Away], cause: None, when: Always,
          then: FailAfterWait, unanswered: AskFirst,
          because: "the config bounds the time that the run waits, so that a person hears of it" },

    Row { case: "may pass", attempt: Works, results: &[MayPass], cause: None, when: AttemptsLeft,
          then: RetryLater, unanswered: AskFirst,
          because: "another session that was in the way may be gone after a pause" },
    Row { case: "failed", attempt: Any, results: &[], cause: None, when: Always,
          then: Fail, unanswered: AskFirst,
          because: "no retry cures the failure, or the attempts are used up" },
];

impl Row {
    /// The row that counts. The last one matches every situation.
    pub fn of(situation: &Situation) -> &'static Self {
        TABLE.iter().find(|row| row.matches(situation)).unwrap_or(&TABLE[TABLE.len() - 1])
    }

    fn matches(&self, situation: &Situation) -> bool {
        let attempt = match self.attempt {
            Any => true,
            Asks => situation.asked,
            Works => !situation.asked,
        };
        let when = match self.when {
            Always => true,
            HasVerdict => situation.has_verdict,
            AttemptsLeft => situation.attempts_left,
            TimeLeft => situation.time_left,
        };
        let result = self.results.is_empty() || self.results.contains(&situation.result);
        let cause = self.cause.is_none() || self.cause == situation.cause;
        attempt && result && cause && when
    }
}

#[cfg(test)]
mod tests;
