//! `elt pause` and `elt resume`: keep a pipeline, a queue or everything from starting.

use anyhow::Context;
use clap::Args;
use elt_shared::pauses;
use elt_shared::store::pauses::{LONGEST_REASON, PauseScope, trimmed};
use elt_shared::store::{pipelines, queues};
use serde_json::json;
use sqlx::PgConnection;

use crate::audit::Deed;
use crate::exit::{Exit, refuse};
use crate::installation::Installation;
use crate::operator::operator;
use crate::out;

/// Keeps a pipeline, a queue or everything from starting
///
/// Runs at work go on, and queued runs stay queued. A paused pipeline's schedule makes no runs; after the resume its
/// `catch_up` says whether the missed times are made up for. Works on the control database directly and needs no login: name the
/// database with DATABASE_URL, or the --data-dir of an `elt up`. `elt queues list` shows what is paused.
#[derive(Debug, Args)]
pub struct Pause {
    #[command(flatten)]
    what: What,
    /// Why, for the people who find it paused
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    installation: Installation,
}

/// Lets a paused pipeline, a paused queue or everything go on
///
/// `--all` ends the pause of everything; pipelines and queues that were paused one by one stay paused.
#[derive(Debug, Args)]
pub struct Resume {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// One pipeline: its runs, replays and undos
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
    /// One queue: no worker takes anything from it
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Every pipeline and every queue
    #[arg(long)]
    all: bool,
}

impl What {
    fn scope(&self) -> (PauseScope, &str) {
        match (&self.pipeline, &self.queue) {
            (Some(name), _) => (PauseScope::Pipeline, name),
            (_, Some(name)) => (PauseScope::Queue, name),
            _ => (PauseScope::All, ""),
        }
    }

    /// `pipeline orders`, as the audit names it.
    fn object(&self) -> String {
        let (scope, name) = self.scope();
        format!("{scope} {name}").trim_end().to_owned()
    }

    /// Refuses a name that nothing has, because it is misspelled.
    async fn require_known(&self, db: &mut PgConnection) -> anyhow::Result<()> {
        let (scope, name) = self.scope();
        let known = match scope {
            PauseScope::All => Ok(true),
            PauseScope::Pipeline => pipelines::exists(db, name).await,
            PauseScope::Queue => queues::is_known(db, name).await,
        };
        if known.context("could not look for the name")? {
            return Ok(());
        }
        let next_step = match scope {
            PauseScope::Queue => "`elt queues list` shows which there are.",
            _ => {
                "The name is the config's `name`, or its target table when it has none; the dashboard lists all of them."
            }
        };
        Err(refuse(Exit::Failed, format!("there is no {scope} `{name}`"), next_step))
    }
}

impl Pause {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let reason = trimmed(self.reason.as_deref()).map_err(|length| {
            let message = format!("the reason has {length} characters; {LONGEST_REASON} are allowed");
            refuse(Exit::Usage, message, "Shorten it.")
        })?;
        self.installation
            .change("pause", async |db, keys| {
                let (scope, name) = self.what.scope();
                let mut tx = db.begin().await.context("could not begin a transaction")?;
                self.what.require_known(&mut tx).await?;
                let pause = pauses::pause(&mut tx, scope, name, &operator(), reason).await;
                let pause = pause.context("could not pause it")?;
                let detail = json!({ "reason": pause.reason });
                Deed { action: "pause", object: self.what.object(), detail }.commit(tx, keys).await?;
                out::print(&format!("nothing new starts of {}", pause.sentence()));
                Ok(())
            })
            .await?;
        Ok(Exit::Done)
    }
}

impl Resume {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        self.installation
            .change("resume", async |db, keys| {
                let (scope, name) = self.what.scope();
                let mut tx = db.begin().await.context("could not begin a transaction")?;
                self.what.require_known(&mut tx).await?;
                let ended = pauses::resume(&mut tx, scope, name).await.context("could not resume it")?;
                Deed { action: "resume", object: self.what.object(), detail: json!({}) }.commit(tx, keys).await?;
                out::print(&match ended {
                    Some(pause) => format!("resumed {}", pause.sentence()),
                    None => format!("{} was not paused", self.what.object()),
                });
                Ok(())
            })
            .await?;
        Ok(Exit::Done)
    }
}
