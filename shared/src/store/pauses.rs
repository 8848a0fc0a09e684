//! Pauses: pipelines and queues of which nothing new starts until somebody resumes them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::text_enum::text_enum;

/// Longest reason of a pause, in characters.
pub const LONGEST_REASON: usize = 500;

text_enum! {
    /// What a pause is about.
    pub enum PauseScope {
        /// Every pipeline and every queue.
        All = "all",
        /// One pipeline: its runs, replays and undos do not start, and its schedule makes no runs.
        Pipeline = "pipeline",
        /// One queue: no worker takes anything from it.
        Queue = "queue",
    }
}

/// A pause of a pipeline, a queue or everything.
#[derive(Debug, Clone, PartialEq, Eq, FromRow, Serialize, Deserialize)]
pub struct Pause {
    /// What is paused: a pipeline, a queue or everything.
    pub scope: PauseScope,
    /// Name of the pipeline or the queue; empty for everything.
    pub name: String,
    /// When the pause began.
    pub paused_at: DateTime<Utc>,
    /// The user who paused it.
    pub paused_by: String,
    /// Why, if the user said it.
    pub reason: Option<String>,
}

impl Pause {
    /// What is paused, since when, by whom and why: the end of a sentence.
    pub fn sentence(&self) -> String {
        let what = match self.scope {
            PauseScope::All => "everything".to_owned(),
            PauseScope::Pipeline => format!("the pipeline {}", self.name),
            PauseScope::Queue => format!("the queue {}", self.name),
        };
        let (by, since) = (&self.paused_by, self.paused_at.format("%Y-%m-%d %H:%M UTC"));
        let reason = self.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        format!("{what}, which {by} paused at {since}{reason}")
    }
}

/// A reason without the spaces around it. `None`: nothing is left of it.
///
/// # Errors
/// When it has more than [`LONGEST_REASON`] characters: the number of its characters.
pub fn trimmed(reason: Option<&str>) -> Result<Option<&str>, usize> {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    match reason.map_or(0, |reason| reason.chars().count()) {
        length if length > LONGEST_REASON => Err(length),
        _ => Ok(reason),
    }
}

const COLUMNS: &str = "scope, name, paused_at, paused_by, reason";

/// SQL condition: the pause `p` keeps the run `r` from starting. Plans, checks and connection tests of a paused pipeline
/// start, because they load nothing and help to find out whether it can go on. So do attempts that only ask the target.
pub(crate) const HOLDS: &str = "(p.scope = 'all' or (p.scope = 'queue' and p.name = r.queue)
    or (p.scope = 'pipeline' and p.name = r.name and r.kind in ('run', 'replay', 'undo') and r.unknown_since is null))";

/// Notes a pause. The first request counts: a second one changes neither its time nor its user nor its reason.
pub(crate) async fn insert(
    db: &mut PgConnection,
    scope: PauseScope,
    name: &str,
    by: &str,
    reason: Option<&str>,
) -> sqlx::Result<Pause> {
    // An update that changes nothing returns the row of the first request, also while somebody else ends that pause.
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "insert into pauses (scope, name, paused_by, reason) values ($1, $2, $3, $4)
         on conflict (scope, name) do update set scope = excluded.scope returning {COLUMNS}"
    )))
    .bind(scope)
    .bind(name)
    .bind(by)
    .bind(reason)
    .fetch_one(db)
    .await
}

/// Ends a pause. `None`: there was none.
pub(crate) async fn delete(db: &mut PgConnection, scope: PauseScope, name: &str) -> sqlx::Result<Option<Pause>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "delete from pauses where scope = $1 and name = $2 returning {COLUMNS}"
    )))
    .bind(scope)
    .bind(name)
    .fetch_optional(db)
    .await
}

/// Has the runs that wait because of `ended`, and that `left` holds as well, name the latter. Runs that another transaction
/// writes are left out.
pub(crate) async fn rename_holder(db: &mut PgConnection, ended: &Pause, left: &Pause) -> sqlx::Result<()> {
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "update runs set waits_for = $1
         where id in (select r.id from runs r, (values ($2::text, $3::text)) p (scope, name)
                      where r.state = 'queued' and r.held = 'paused' and r.waits_for = $4 and {HOLDS}
                      order by r.id for update of r skip locked)"
    )))
    .bind(left.sentence())
    .bind(left.scope)
    .bind(&left.name)
    .bind(ended.sentence())
    .execute(db)
    .await?;
    Ok(())
}

/// Every pause, the oldest first.
pub async fn list(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Pause>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from pauses order by paused_at, scope, name limit 1000"
    )))
    .fetch_all(db)
    .await
}

/// The pause that keeps runs of a pipeline from starting, whichever queue they are on. `None`: they may start.
pub async fn of_pipeline(db: impl PgExecutor<'_>, name: &str) -> sqlx::Result<Option<Pause>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from pauses where scope = 'all' or (scope = 'pipeline' and name = $1) order by scope limit 1"
    )))
    .bind(name)
    .fetch_optional(db)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_counted_without_the_spaces_around_it() {
        assert_eq!((trimmed(None), trimmed(Some(" \n"))), (Ok(None), Ok(None)));
        let longest = "ä".repeat(LONGEST_REASON);
        assert_eq!(trimmed(Some(&format!("  {longest} \n"))), Ok(Some(longest.as_str())));
        assert_eq!(trimmed(Some(&format!("{longest}ä"))), Err(LONGEST_REASON + 1));
    }
}
