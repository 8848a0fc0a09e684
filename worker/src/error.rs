//! Why a run failed: a stable code, a sentence, a next step, and whether trying again can help.

use elt_shared::config::ConfigError;
use elt_shared::explained::{Code, Explained, sentence};
use elt_shared::redaction;
use elt_shared::runs::lifecycle::NewPart;
use elt_shared::runs::report::RunReport;
use elt_shared::secret::OpenError;

pub mod outage;

use outage::Outage;

/// Result of a pipeline step.
pub type Result<T, E = PipelineError> = std::result::Result<T, E>;

/// Why a run did not load. The message says what we were doing; the source says why.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The config cannot run.
    #[error("the config cannot run")]
    Config(#[from] ConfigError),
    /// What is stored sealed does not open: the config, or a secret that it refers to.
    #[error("the run's config, or a secret that it refers to, cannot be opened")]
    Sealed(#[from] OpenError),
    /// A source could not be read.
    #[error("{0}")]
    Extract(Explained),
    /// The data breaks the contract and the config says that fails the run.
    #[error("{0}")]
    Contract(Explained),
    /// The target refused for a reason trying again cannot cure.
    #[error("{0}")]
    Target(Explained),
    /// The load and another session got in each other's way, and the server rolled the load back. Another attempt may get
    /// through.
    #[error("{0}")]
    Load(Explained),
    /// Something that the run needs is away: the target, a source, room on a disk. Whether a COMMIT that was on its way
    /// took effect is unknown.
    #[error("{problem}")]
    Away {
        /// What is away, which decides the pauses between attempts.
        outage: Outage,
        /// Name of the source that is away: `https://api.example.com/items`. `None`: it is not a source.
        source_name: Option<String>,
        /// Code, message and next step of the failure.
        problem: Explained,
    },
    /// The control database failed.
    #[error("could not {doing}")]
    Control {
        /// What we were doing: "note the run's progress".
        doing: &'static str,
        /// The control database's error.
        source: sqlx::Error,
    },
    /// Reading or writing a file of ours failed.
    #[error("could not {doing}")]
    Io {
        /// What we were doing: "write the combined CSV /data/out.csv".
        doing: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// The run has several tables, each of which a run of its own loads. This one waits for them.
    #[error("the run waits for the runs of its tables")]
    WaitsForTables {
        /// The tables that need a run which was not made yet.
        tables: Vec<NewPart>,
        /// What the sources have beside these tables. `None`: it was noted before.
        report: Option<Box<RunReport>>,
    },
    /// Another run loads into the same table: this one goes back to the queue and waits.
    #[error("the table {table} is busy with run {run}")]
    TargetBusy {
        /// The target table.
        table: String,
        /// Who holds it.
        run: String,
    },
    /// A newer attempt of this run took over: nothing of this one may be written.
    #[error("a newer attempt took over")]
    Fenced,
    /// The target of an unknown run was asked, and the run had not loaded.
    #[error("nothing was loaded")]
    NotLoaded,
    /// Someone asked the run to stop.
    #[error("stopped on request")]
    Stopped,
    /// A bug of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

impl PipelineError {
    /// The connection to a target was lost, or the target does not answer. `doing`: "could not load rows for public.t";
    /// `why`: the driver's message.
    pub fn lost(doing: &str, why: &str) -> Self {
        Self::away(
            Outage::TargetLost,
            Explained {
                code: Code::TargetLost,
                message: format!("{doing}: the connection to the target was lost: {why}"),
                next_step: "Check that the target's server is up and in reach of the worker, then retry the run."
                    .into(),
            },
        )
    }

    /// Something other than a source is away.
    pub fn away(outage: Outage, problem: Explained) -> Self {
        Self::Away { outage, source_name: None, problem }
    }

    /// The problem of a source. `away`: the server that does not answer, if that is the problem.
    pub(crate) fn of_source(problem: Explained, away: Option<&str>) -> Self {
        match away {
            Some(name) => Self::Away { outage: Outage::SourceAway, source_name: Some(name.to_owned()), problem },
            None => Self::Extract(problem),
        }
    }

    /// Stable code people can search for.
    pub fn code(&self) -> Code {
        match self {
            Self::Config(ConfigError::Secret { refusal, .. }) => refusal.code(),
            Self::Config(_) => Code::Config,
            Self::Sealed(error) => error.code(),
            Self::Extract(problem)
            | Self::Contract(problem)
            | Self::Target(problem)
            | Self::Load(problem)
            | Self::Away { problem, .. } => problem.code,
            Self::WaitsForTables { .. } => Code::NotFinished,
            Self::Control { .. } => Code::ControlDatabase,
            Self::Io { .. } => Code::Io,
            Self::TargetBusy { .. } => Code::TargetBusy,
            Self::Fenced => Code::Fenced,
            Self::NotLoaded => Code::NotLoaded,
            Self::Stopped => Code::Stopped,
            Self::Internal(_) => Code::Internal,
        }
    }

    /// The failure as people read it, secrets hidden.
    pub fn explained(&self) -> Explained {
        Explained::new(self.code(), sentence(self), redaction::hide(&self.next_step()))
    }

    /// Whether a later attempt can succeed without any change to config or input.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Load(_)) || self.outage().is_some()
    }

    /// The outage that the attempt failed with. `None`: it failed by itself.
    pub fn outage(&self) -> Option<Outage> {
        match self {
            Self::Away { outage, .. } => Some(*outage),
            Self::Control { source, .. } => Outage::of_control(source),
            Self::Io { source, .. } => Outage::of_worker(source),
            _ => None,
        }
    }

    /// What the reader should do next.
    pub fn next_step(&self) -> String {
        match self {
            Self::Extract(problem)
            | Self::Contract(problem)
            | Self::Target(problem)
            | Self::Load(problem)
            | Self::Away { problem, .. } => problem.next_step.clone(),
            Self::WaitsForTables { .. } => "Nothing: the run goes on when the runs of its tables have ended.".into(),
            Self::Sealed(error) => error.next_step().into(),
            Self::Config(ConfigError::Secret { refusal, .. }) => refusal.next_step().into(),
            Self::Config(_) => "Correct the config at the place named and upload it again.".into(),
            Self::Control { .. } => "Check that the control database is reachable, then retry the run.".into(),
            Self::Io { .. } => {
                "Check the folder's permissions and free space on the worker, then retry the run.".into()
            }
            Self::TargetBusy { .. } => "Nothing: the run starts when the other one has finished.".into(),
            Self::Fenced => "Nothing: the newer attempt goes on.".into(),
            Self::NotLoaded => "Retry the run.".into(),
            Self::Stopped => "Retry the run when it should load after all.".into(),
            Self::Internal(_) => "This is a bug in elt; please report it with the run's log.".into(),
        }
    }
}

/// Whether an error of a session with a target may pass: the server or the connection is away or short of something, or
/// the transaction lost a race.
pub fn may_pass(error: &sqlx::Error) -> bool {
    let lost_race = error.as_database_error().and_then(|database| database.code()).is_some_and(|code| is_race(&code));
    lost_race || Outage::of_session(error).is_some()
}

/// Whether an error code means that the transaction and another session got in each other's way.
pub fn is_race(sqlstate: &str) -> bool {
    sqlstate.starts_with("40") && Outage::of_sqlstate(sqlstate).is_none()
}

#[cfg(test)]
mod tests {
    use elt_shared::explained::catalog::Reached;

    use super::*;

    #[test]
    fn failures_that_are_not_about_a_server_prove_nothing_about_it() {
        for error in [
            PipelineError::Stopped,
            PipelineError::Fenced,
            PipelineError::Internal("a bug".into()),
            PipelineError::Io { doing: "write a file".into(), source: std::io::Error::other("full") },
            PipelineError::Control { doing: "ask", source: sqlx::Error::PoolTimedOut },
            PipelineError::lost("could not load rows for public.t", "the server closed the connection"),
        ] {
            assert_eq!(error.code().reached(), Reached::Nothing, "{error}");
        }
    }
}
