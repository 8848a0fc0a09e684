//! What is decided about runs, case by case.

use elt_shared::config::Outages;
use elt_shared::explained::Explained;

use super::*;

fn run(attempt: i32) -> Run {
    Run { attempt, max_attempts: 3, ..Run::default() }
}

fn unknown(verdict: Option<End>) -> Run {
    Run { unknown_since: Some(Default::default()), verdict: verdict.map(sqlx::types::Json), ..run(1) }
}

fn lost_connection() -> PipelineError {
    PipelineError::lost("could not load rows for public.t", "the server closed the connection")
}

fn bad_row() -> PipelineError {
    PipelineError::Contract(Explained { code: Code::BadRow, message: "a row".into(), next_step: "mend it".into() })
}

/// The decision about a run whose config bounds its attempts, as all others here.
fn decide(run: &Run, cause: Option<Cause>, error: PipelineError, commit_sent: bool) -> Decision {
    let retry = RetryConfig { outages: Outages::CountAsAttempts, ..RetryConfig::default() };
    let about = Circumstances { commit_sent, ..Circumstances::default() };
    Decision::of(run, &about, cause, Ok(Some((Err(error), retry))))
}

/// The decision about a run that waits for what is away.
fn decide_waiting(run: &Run, waited: u64, error: PipelineError, commit_sent: bool) -> Decision {
    let place = TargetPlace { server: "s".into(), table: "t".into(), shown: "target db:5432/shop".into() };
    let about = Circumstances { place: Some(place), waited: Duration::from_secs(waited), commit_sent };
    Decision::of(run, &about, None, Ok(Some((Err(error), RetryConfig::default()))))
}

fn cut_off(run: &Run, cause: Option<Cause>, commit_sent: bool) -> Decision {
    let about = Circumstances { commit_sent, ..Circumstances::default() };
    Decision::of(run, &about, cause, Ok(None))
}

fn unreachable() -> PipelineError {
    let problem = Explained { code: Code::TargetUnreachable, message: "refused".into(), next_step: "Look.".into() };
    PipelineError::away(Outage::TargetAway, problem)
}

#[test]
fn a_run_whose_target_is_away_waits_for_a_day_whatever_its_attempts() {
    for attempt in [1, 3] {
        let Decision::WaitForOutage(wait) = decide_waiting(&run(attempt), 86_399, unreachable(), false) else {
            panic!("its target is away");
        };
        assert_eq!((wait.shown.as_str(), wait.code.as_str()), ("target db:5432/shop", "target_unreachable"));
        assert_eq!(wait.longest, Duration::from_secs(86_400));
        assert_eq!(wait.server.map(|(server, _)| server), Some("s".to_owned()));
    }
    let Decision::Finished(End::Failed { code, error, next_step }) =
        decide_waiting(&run(1), 86_400, unreachable(), false)
    else {
        panic!("its time is over");
    };
    assert_eq!(code, "target_unreachable");
    assert_eq!(error, "the run waited 24 h in vain for target db:5432/shop: refused");
    assert!(next_step.starts_with("Look. ") && next_step.contains("max_elapsed"), "{next_step}");
}

#[test]
fn a_lost_session_is_not_taken_for_a_server_that_is_away() {
    let Decision::WaitForOutage(wait) = decide_waiting(&run(1), 0, lost_connection(), false) else {
        panic!("its session was lost");
    };
    assert_eq!(wait.server, None);
    assert!(wait.pause <= Duration::from_secs(2), "{wait:?}");
}

#[test]
fn a_wait_is_logged_again_only_when_its_reason_changes() {
    let waited = Run { outages: 4, waiting_code: Some("target_unreachable".into()), ..run(1) };
    let is_known = |decision| matches!(decision, Decision::WaitForOutage(OutageWait { is_known: true, .. }));
    assert!(is_known(decide_waiting(&waited, 9, unreachable(), false)));
    assert!(!is_known(decide_waiting(&waited, 9, lost_connection(), false)));
    assert!(!is_known(decide_waiting(&run(1), 9, unreachable(), false)));
}

#[test]
fn a_commit_without_an_answer_costs_no_attempt_when_the_target_is_away() {
    for (attempt, waited) in [(1, 0), (3, 500)] {
        let asked = decide_waiting(&run(attempt), waited, lost_connection(), true);
        assert!(
            matches!(asked, Decision::AskTarget { if_not_loaded: None, counts: false, .. }),
            "attempt {attempt}: {asked:?}"
        );
    }
    let asked = decide(&run(1), None, lost_connection(), true);
    assert!(matches!(asked, Decision::AskTarget { counts: true, .. }), "{asked:?}");
}

#[test]
fn a_race_counts_as_an_attempt_and_a_full_disk_of_the_worker_does_not() {
    let race = || {
        PipelineError::Load(Explained { code: Code::TargetRace, message: "a race".into(), next_step: "Again.".into() })
    };
    assert!(matches!(decide_waiting(&run(1), 0, race(), false), Decision::Retry { .. }));
    assert!(matches!(decide_waiting(&run(3), 0, race(), false), Decision::Finished(End::Failed { .. })));
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let full = PipelineError::Io { doing: "write to the run's work folder".into(), source: full };
    let Decision::WaitForOutage(wait) = decide_waiting(&run(3), 0, full, false) else { panic!("the disk is full") };
    assert_eq!((wait.server, wait.code.as_str()), (None, "io"));
    let forbidden = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let forbidden = PipelineError::Io { doing: "write".into(), source: forbidden };
    assert!(matches!(decide_waiting(&run(1), 0, forbidden, false), Decision::Finished(End::Failed { .. })));
}

#[test]
fn an_attempt_that_never_sent_its_commit_is_certain() {
    assert!(matches!(decide(&run(1), None, lost_connection(), false), Decision::Retry { .. }));
    let Decision::Finished(End::Failed { error, next_step, .. }) = decide(&run(3), None, lost_connection(), false)
    else {
        panic!("its attempts are used up");
    };
    assert!(!format!("{error} {next_step}").contains("_elt_run_id"), "{error} {next_step}");
    assert!(matches!(decide(&run(1), None, bad_row(), false), Decision::Finished(End::Failed { .. })));
    assert_eq!(cut_off(&run(1), Some(Cause::Asked), false), Decision::Finished(End::Stopped));
    assert_eq!(cut_off(&run(1), Some(Cause::HandBack), false), Decision::HandBack);
    assert_eq!(cut_off(&run(1), Some(Cause::TooLong), false), Decision::Finished(too_long()));
}

#[test]
fn an_attempt_whose_commit_is_unanswered_asks_before_anything_else() {
    let asks = |decision| match decision {
        Decision::AskTarget { if_not_loaded, left, .. } => (if_not_loaded, left),
        other => panic!("it may have loaded: {other:?}"),
    };
    assert_eq!(asks(decide(&run(1), None, lost_connection(), true)), (None, AttemptEnd::Unknown));
    assert_eq!(asks(decide(&run(1), Some(Cause::HandBack), lost_connection(), true)), (None, AttemptEnd::HandedBack));
    assert_eq!(asks(cut_off(&run(3), Some(Cause::HandBack), true)), (None, AttemptEnd::HandedBack));
    assert_eq!(asks(cut_off(&run(1), Some(Cause::Asked), true)), (Some(End::Stopped), AttemptEnd::Unknown));
    assert_eq!(asks(cut_off(&run(1), Some(Cause::TooLong), true)), (Some(too_long()), AttemptEnd::Unknown));
    for last in [lost_connection(), PipelineError::Internal("a bug".into()), bad_row()] {
        let failure = Failure::Error(last);
        let end = failure.end();
        let Failure::Error(last) = failure else { panic!("it was not cut off") };
        assert_eq!(asks(decide(&run(3), None, last, true)), (Some(end), AttemptEnd::Unknown));
    }
}

#[test]
fn an_ask_ends_the_run_only_with_an_answer() {
    let nothing = || PipelineError::NotLoaded;
    let retried = decide(&unknown(None), None, nothing(), false);
    assert!(matches!(retried, Decision::Retry { pause: Duration::ZERO, .. }), "{retried:?}");
    let stopped = unknown(Some(End::Stopped));
    assert_eq!(decide(&stopped, Some(Cause::Asked), nothing(), false), Decision::Finished(End::Stopped));
    for no_answer in [lost_connection(), bad_row(), PipelineError::Stopped, PipelineError::Internal("a bug".into())] {
        let decision = decide(&stopped, None, no_answer, false);
        assert!(matches!(decision, Decision::AskAgain { .. }), "{decision:?}");
    }
    for cause in [None, Some(Cause::Asked), Some(Cause::TooLong)] {
        assert!(matches!(cut_off(&stopped, cause, false), Decision::AskAgain { .. }));
    }
    assert_eq!(cut_off(&stopped, Some(Cause::HandBack), false), Decision::HandBack);
}

#[test]
fn a_report_is_proof_that_it_loaded_whatever_the_attempt_was_told() {
    for cause in [None, Some(Cause::Asked), Some(Cause::HandBack), Some(Cause::TooLong), Some(Cause::Lost)] {
        let worked = Ok(Some((Ok(RunReport::default()), RetryConfig::default())));
        let about = Circumstances { commit_sent: true, ..Circumstances::default() };
        let decision = Decision::of(&run(1), &about, cause, worked);
        assert!(matches!(decision, Decision::Succeeded(_, Outcome::Clean)));
    }
}

#[test]
fn a_stop_that_was_asked_for_is_not_answered_with_a_retry() {
    assert_eq!(decide(&run(1), Some(Cause::Asked), lost_connection(), false), Decision::Finished(End::Stopped));
    assert_eq!(decide(&run(1), Some(Cause::TooLong), lost_connection(), false), Decision::Finished(too_long()));
    let failed = decide(&run(1), Some(Cause::Asked), bad_row(), false);
    assert!(matches!(failed, Decision::Finished(End::Failed { .. })), "{failed:?}");
}

#[test]
fn a_lost_attempt_decides_nothing() {
    for commit_sent in [false, true] {
        assert_eq!(decide(&run(1), Some(Cause::Lost), lost_connection(), commit_sent), Decision::Lost);
        assert_eq!(decide(&run(1), None, PipelineError::Fenced, commit_sent), Decision::Lost);
        assert_eq!(cut_off(&unknown(None), Some(Cause::Lost), commit_sent), Decision::Lost);
    }
}
