//! Sessions with a target through a pooler. In session mode they get their settings by statements, because poolers leave
//! out the settings of a login; in transaction mode they are refused.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};

use super::connect::{Route, refused, timed_out};
use super::guard::{AnswerLimits, LoggedIn, Watch};
use super::{TargetError, quote_literal};
use crate::pooler;

/// Longest wait for the first answers. A pooler lets sessions in before it has one of the server for them.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How the server lists the session that shows how a pooler works.
const APPLICATION_NAME: &str = "elt pooler check";

impl Route {
    /// Logs in, and makes sure that the session is one of the server itself with the settings that it should have.
    ///
    /// # Errors
    /// [`TargetError::Pooler`] for a pooler that shares sessions; what else keeps a session from being used.
    pub async fn connect(
        &self,
        application_name: &str,
        limits: AnswerLimits,
        watch: Option<Watch>,
    ) -> Result<PgConnection, TargetError> {
        let LoggedIn { mut connection, process } = self.log_in(application_name, limits, watch).await?;
        let prepared = tokio::time::timeout(TIMEOUT, self.prepare(&mut connection, process)).await;
        prepared.unwrap_or_else(|_| Err(timed_out(&self.address, TIMEOUT)))?;
        Ok(connection)
    }

    /// `claimed`: the process that the other end of the connection says works for it.
    async fn prepare(&self, connection: &mut PgConnection, claimed: Option<i32>) -> Result<(), TargetError> {
        let process = pooler::process(connection).await.map_err(|error| refused(&self.address, error))?;
        if claimed == Some(process) {
            return Ok(());
        }
        // Comes before the settings, which would stay in a session that others use as well.
        let login = async { Some(self.log_in(APPLICATION_NAME, AnswerLimits::VIEW, None).await.ok()?.connection) };
        if pooler::shares_session_of(connection, login).await {
            return Err(TargetError::Pooler { server: self.address.server() });
        }
        tracing::debug!("a pooler in session mode is before the target {}", self.address.server());
        let settings = self
            .settings()
            .map(|(name, value)| format!("set_config({}, {}, false)", quote_literal(name), quote_literal(value)));
        let sql = format!("select {}", settings.collect::<Vec<_>>().join(", "));
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map_err(|error| refused(&self.address, error))?;
        Ok(())
    }
}
