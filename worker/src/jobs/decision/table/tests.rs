use super::AttemptResult::Permanent;
use super::*;

/// An attempt that works, was not asked to stop, and is not the last one.
const WORKED: Situation =
    Situation { asked: false, result: MayPass, cause: None, attempts_left: true, time_left: true, has_verdict: false };

/// An attempt that only asked.
const ASKED: Situation = Situation { asked: true, ..WORKED };

const RESULTS: [AttemptResult; 8] = [Fenced, NotLoaded, TargetBusy, WaitsForTables, Stopped, Away, MayPass, Permanent];
const CAUSES: [Option<Cause>; 5] = [None, Some(Asked), Some(Cause::HandBack), Some(TooLong), Some(Lost)];

/// Every situation there is.
fn situations() -> impl Iterator<Item = Situation> {
    (0..16u8).flat_map(|bits| {
        let [asked, attempts_left, time_left, has_verdict] = [1, 2, 4, 8].map(|bit| bits & bit != 0);
        RESULTS.into_iter().flat_map(move |result| {
            CAUSES.into_iter().map(move |cause| Situation {
                asked,
                result,
                cause,
                attempts_left,
                time_left,
                has_verdict,
            })
        })
    })
}

#[test]
fn each_row_decides_its_own_case() {
    let cases = [
        ("lease lost", Situation { cause: Some(Lost), ..WORKED }, Lose),
        ("lease lost", Situation { cause: Some(Lost), result: NotLoaded, ..ASKED }, Lose),
        ("fenced off", Situation { result: Fenced, cause: Some(Asked), ..WORKED }, Lose),
        (
            "not loaded, verdict",
            Situation { result: NotLoaded, has_verdict: true, cause: Some(Asked), ..ASKED },
            EndByVerdict,
        ),
        ("not loaded", Situation { result: NotLoaded, ..ASKED }, RetryAtOnce),
        ("asks, target busy", Situation { result: TargetBusy, cause: Some(Cause::HandBack), ..ASKED }, Wait),
        ("asks, worker stops", Situation { result: Stopped, cause: Some(Cause::HandBack), ..ASKED }, Step::HandBack),
        ("no answer", Situation { result: MayPass, ..ASKED }, AskAgain),
        ("no answer", Situation { result: Permanent, attempts_left: false, has_verdict: true, ..ASKED }, AskAgain),
        ("no answer", Situation { result: Stopped, cause: Some(TooLong), ..ASKED }, AskAgain),
        ("target busy", Situation { result: TargetBusy, cause: Some(Asked), ..WORKED }, Wait),
        ("waits for tables", Situation { result: WaitsForTables, cause: Some(Asked), ..WORKED }, WaitForTables),
        (
            "worker stops",
            Situation { result: MayPass, cause: Some(Cause::HandBack), attempts_left: false, ..WORKED },
            Step::HandBack,
        ),
        ("stop asked for", Situation { result: MayPass, cause: Some(Asked), ..WORKED }, Stop),
        ("took too long", Situation { result: Stopped, cause: Some(TooLong), ..WORKED }, FailAsTooLong),
        ("stopped", Situation { result: Stopped, ..WORKED }, Stop),
        ("away", Situation { result: Away, ..WORKED }, WaitForOutage),
        ("away", Situation { result: Away, attempts_left: false, ..WORKED }, WaitForOutage),
        ("away for too long", Situation { result: Away, time_left: false, ..WORKED }, FailAfterWait),
        ("stop asked for", Situation { result: Away, cause: Some(Asked), ..WORKED }, Stop),
        ("took too long", Situation { result: Away, cause: Some(TooLong), time_left: false, ..WORKED }, FailAsTooLong),
        ("no answer", Situation { result: Away, time_left: false, ..ASKED }, AskAgain),
        ("may pass", WORKED, RetryLater),
        ("may pass", Situation { time_left: false, ..WORKED }, RetryLater),
        ("failed", Situation { attempts_left: false, ..WORKED }, Fail),
        ("failed", Situation { result: Permanent, cause: Some(Asked), ..WORKED }, Fail),
        ("failed", Situation { result: NotLoaded, ..WORKED }, Fail),
    ];
    for (case, situation, step) in cases {
        let row = Row::of(&situation);
        assert_eq!((row.case, row.then), (case, step), "{situation:?}");
    }
    for row in &TABLE {
        assert!(cases.iter().any(|(case, ..)| *case == row.case), "no test for {}", row.case);
    }
}

#[test]
fn no_row_is_hidden_by_those_above() {
    for row in &TABLE {
        assert!(situations().any(|situation| Row::of(&situation).case == row.case), "{} never decides", row.case);
    }
}

#[test]
fn an_unknown_run_ends_only_with_an_answer() {
    for situation in situations().filter(|situation| situation.asked && situation.result != NotLoaded) {
        let step = Row::of(&situation).then;
        assert!(matches!(step, Lose | Wait | AskAgain | Step::HandBack), "{situation:?}: {step:?}");
    }
}

#[test]
fn a_run_that_was_asked_to_stop_is_never_tried_again() {
    for situation in situations().filter(|situation| situation.cause == Some(Asked) && !situation.asked) {
        let step = Row::of(&situation).then;
        assert!(!matches!(step, RetryAtOnce | RetryLater | WaitForOutage | Step::HandBack), "{situation:?}");
    }
}

#[test]
fn a_lost_attempt_writes_nothing() {
    for situation in situations().filter(|situation| situation.cause == Some(Lost) || situation.result == Fenced) {
        assert_eq!(Row::of(&situation).then, Lose, "{situation:?}");
    }
}

#[test]
fn a_run_that_may_have_loaded_is_neither_ended_nor_repeated_before_its_target_was_asked() {
    for situation in situations().filter(|situation| !situation.asked) {
        let row = Row::of(&situation);
        let decides = !matches!(row.then, Lose | Wait | WaitForTables);
        assert_eq!(row.unanswered == AskFirst, decides, "{situation:?}: {row:?}");
    }
}

#[test]
fn an_outage_ends_a_run_only_when_its_time_is_over() {
    for situation in situations().filter(|situation| !situation.asked && situation.result == Away) {
        let step = Row::of(&situation).then;
        let is_over = !situation.time_left && situation.cause.is_none();
        assert_eq!(step == FailAfterWait, is_over, "{situation:?}");
        assert_ne!(step, Fail, "{situation:?}");
    }
}
