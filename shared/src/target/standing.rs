//! What a server says about a session that waits for it, asked over a connection of its own.

use std::pin::Pin;

use sqlx::{AssertSqlSafe, FromRow};

use super::connect::Route;
use super::guard::{AnswerLimits, AsksAbout, Standing};
use super::{TargetError, quote_literal};
use crate::network::NetworkError;

/// How the server lists the sessions that ask.
const APPLICATION_NAME: &str = "elt watch";

/// Asks a server about one session.
pub(super) struct Asker {
    /// The way to the server.
    pub route: Route,
    /// How the server lists the session. Behind a pooler this is the only way to find it, because a pooler makes up the
    /// process that it names.
    pub application_name: String,
}

/// A session as `pg_stat_activity` lists it.
#[derive(Debug, Default, FromRow)]
struct Listed {
    name: String,
    process: i32,
    /// `None` when the login may not see it, or the server does not keep it.
    state: Option<String>,
    wait_event_type: Option<String>,
    wait_event: Option<String>,
    /// Bytes of a `COPY` that it has read. `None`: it executes no `COPY`.
    copied: Option<i64>,
}

impl AsksAbout for Asker {
    fn standing(&self, backend: Option<i32>) -> Pin<Box<dyn Future<Output = Standing> + Send + '_>> {
        Box::pin(async move {
            match self.listed().await {
                Ok(listed) => judge(&listed, &self.application_name, backend),
                Err(error) => unanswered(&error),
            }
        })
    }
}

impl Asker {
    /// The sessions with this name, and the one that asks.
    async fn listed(&self) -> Result<Vec<Listed>, TargetError> {
        let mut connection = self.route.log_in(APPLICATION_NAME, AnswerLimits::VIEW, None).await?.connection;
        // Without parameters, because a pooler may send a prepared statement to another session of the server.
        let sql = format!(
            "select a.application_name as name, a.pid as process, a.state, a.wait_event_type, a.wait_event, c.bytes_processed as copied
             from pg_stat_activity a left join pg_stat_progress_copy c on c.pid = a.pid
             where a.pid = pg_backend_pid()
                or (a.application_name = {} and a.usename = session_user and a.datname = current_database())",
            quote_literal(&self.application_name)
        );
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await?;
        rows.iter().map(|row| Ok(Listed::from_row(row)?)).collect()
    }
}

/// The meaning of the sessions that are listed. `name` is that of the one that waits, and `backend` its process, unless a
/// pooler is in between.
fn judge(listed: &[Listed], name: &str, backend: Option<i32>) -> Standing {
    // A pooler that keeps names to itself makes it impossible to find the session.
    if !listed.iter().any(|session| session.name == APPLICATION_NAME) {
        return Standing::Unsaid;
    }
    let mut named = listed.iter().filter(|session| session.name == name);
    // An older connection of the same attempt may still be listed.
    let own = named.clone().find(|session| Some(session.process) == backend).or_else(|| named.next());
    let Some(own) = own else { return Standing::Gone };
    let event = |kind: &str| match &own.wait_event {
        Some(event) => format!("{kind}:{event}"),
        None => kind.to_owned(),
    };
    match (own.state.as_deref(), own.wait_event_type.as_deref()) {
        (Some("active" | "fastpath function call"), Some("Client")) => Standing::Idle,
        (Some("active" | "fastpath function call"), kind) => {
            Standing::AtWork { waits_for: kind.map(event), bytes: own.copied }
        }
        (Some("idle" | "idle in transaction" | "idle in transaction (aborted)"), _) => Standing::Idle,
        _ => Standing::Unsaid,
    }
}

/// The meaning of a question that was not answered.
fn unanswered(error: &TargetError) -> Standing {
    let is_answered = match error {
        TargetError::Host(error) => matches!(error, NetworkError::Refused { .. }),
        TargetError::Unreachable { source, .. } | TargetError::Database(source) => {
            matches!(source, sqlx::Error::Database(_))
        }
        // A server that refuses the login or has no free connection answers.
        _ => true,
    };
    if is_answered { Standing::Unsaid } else { Standing::Unreached(error.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "elt:7:1";

    fn asks() -> Listed {
        Listed { name: APPLICATION_NAME.to_owned(), ..session(9, "active", "") }
    }

    fn session(process: i32, state: &str, wait: &str) -> Listed {
        let (kind, event) = wait.split_once(':').map_or((None, None), |(kind, event)| (Some(kind), Some(event)));
        Listed {
            name: NAME.to_owned(),
            process,
            state: (!state.is_empty()).then(|| state.to_owned()),
            wait_event_type: kind.map(str::to_owned),
            wait_event: event.map(str::to_owned),
            copied: None,
        }
    }

    fn at_work(waits_for: Option<&str>) -> Standing {
        Standing::AtWork { waits_for: waits_for.map(str::to_owned), bytes: None }
    }

    #[test]
    fn a_session_is_at_work_unless_it_waits_for_its_client() {
        for (state, wait, standing) in [
            ("active", "", at_work(None)),
            ("active", "Lock:relation", at_work(Some("Lock:relation"))),
            ("active", "IO:DataFileRead", at_work(Some("IO:DataFileRead"))),
            ("fastpath function call", "", at_work(None)),
            ("active", "Client:ClientRead", Standing::Idle),
            ("active", "Client:ClientWrite", Standing::Idle),
            ("idle", "Client:ClientRead", Standing::Idle),
            ("idle in transaction", "Client:ClientRead", Standing::Idle),
            ("idle in transaction (aborted)", "", Standing::Idle),
            ("disabled", "", Standing::Unsaid),
            ("", "", Standing::Unsaid),
        ] {
            assert_eq!(judge(&[asks(), session(7, state, wait)], NAME, Some(7)), standing, "{state} {wait}");
        }
    }

    #[test]
    fn the_session_is_found_by_its_process_and_behind_a_pooler_by_its_name() {
        assert_eq!(judge(&[asks()], NAME, Some(7)), Standing::Gone);
        assert_eq!(judge(&[], NAME, Some(7)), Standing::Unsaid, "a pooler keeps names to itself");
        let all = [session(6, "idle", ""), session(7, "active", ""), asks()];
        assert_eq!(judge(&all, NAME, Some(7)), at_work(None));
        assert_eq!(judge(&all[1..], NAME, Some(-1)), at_work(None));
    }
}
