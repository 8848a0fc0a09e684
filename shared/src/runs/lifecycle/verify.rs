//! Starting a run that verifies an earlier one.

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::job::{ExecuteRun, QUEUE};
use crate::runs::{RunKind, RunState, Trigger};
use crate::store::runs::{self, NewRun, Run};

/// The answer to a request to verify a run.
#[derive(Debug, Clone)]
pub enum VerifyAnswer {
    /// The run that verifies it.
    Started(Box<Run>),
    /// The run has not finished.
    Unfinished(Box<Run>),
    /// The run loaded nothing, because of its kind or its end.
    LoadedNothing(Box<Run>),
}

/// Makes a run that compares the table and the sources with what a run loaded, with the config version of that run. `None`: the
/// run does not exist.
pub async fn verify(
    db: &mut PgConnection,
    id: Uuid,
    traceparent: Option<String>,
    created_by: &str,
) -> sqlx::Result<Option<VerifyAnswer>> {
    let Some(subject) = runs::find(&mut *db, id).await? else { return Ok(None) };
    if !subject.state.is_final() || subject.is_unknown() {
        return Ok(Some(VerifyAnswer::Unfinished(Box::new(subject))));
    }
    // The rows of a run with several tables are those of the runs that loaded them.
    let loads = matches!(subject.kind, RunKind::Run | RunKind::Replay) && subject.divided_at.is_none();
    if !loads || subject.state != RunState::Succeeded {
        return Ok(Some(VerifyAnswer::LoadedNothing(Box::new(subject))));
    }
    let new = NewRun {
        kind: RunKind::Verify,
        config_id: subject.config_id,
        name: &subject.name,
        target_table: &subject.target_table,
        trigger: Trigger::Manual,
        schedule_id: None,
        subject_id: Some(subject.id),
        retry_of: None,
        window: None,
        queue: QUEUE,
        options: json!({}),
        not_before: None,
        not_after: None,
        priority: None,
        waits_for: None,
        max_attempts: subject.max_attempts.unsigned_abs(),
        traceparent,
        created_by,
    };
    let run = runs::create(&mut *db, new).await?;
    ExecuteRun { run_id: run.id }.enqueue(db, QUEUE).await?;
    Ok(Some(VerifyAnswer::Started(Box::new(run))))
}
