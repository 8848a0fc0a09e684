//! `elt backfill`: loads a range of time in windows, each by a run of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use clap::{Args, Subcommand};
use elt_shared::backfills::{self, Answer, Asked, Plan, Window};
use elt_shared::explained::Explained;
use elt_shared::job::QUEUE;
use elt_shared::secret::KeyRing;
use elt_shared::store::backfills::{
    self as store, Backfill as Row, BackfillFilter, BackfillState, Progress, WindowState,
};
use elt_shared::store::configs::{ConfigAuthor, Purpose};
use elt_shared::store::uploads::Upload;
use elt_shared::store::workers::{self, MOST_LISTED};
use elt_shared::trigger;
use serde_json::json;
use sqlx::PgPool;
use tokio::time::sleep;
use uuid::Uuid;

use crate::audit::Deed;
use crate::collision::retried;
use crate::config_file::ConfigFile;
use crate::exit::{Exit, refuse};
use crate::installation::Installation;
use crate::operator::operator;
use crate::out;
use crate::run::Screen;
use crate::table::{Table, count};

/// Time between two looks at a backfill.
const LOOK: Duration = Duration::from_secs(1);
/// Backfills that are listed.
const LISTED: i64 = 100;
/// Windows that are shown of those that failed.
const FAILED_SHOWN: i64 = 50;

/// Loads a range of time from an API in windows, each by a run of its own
///
/// The sources of the config are asked for one window after the other: `{{since}}` and `{{until}}` in a url, params, headers
/// or body, or the parameters of `incremental:`, get its beginning and its end. Workers execute the runs: an `elt up` or
/// `elt worker` must be running. Windows that are loaded are never loaded again, and runs of schedules come first. Works on
/// the control database directly and needs no login: name the database with DATABASE_URL, or the --data-dir of an
/// `elt up`. Needs ELT_SECRET_KEY or the data folder's keys, to sign the row in the audit.
#[derive(Debug, Args)]
#[command(
    subcommand_negates_reqs = true,
    after_help = "\
Exit codes: 0 every window is loaded, or it was canceled; 1 windows have failed; 3 the config cannot run or cannot be
loaded in windows.

Examples:
  elt backfill orders.yaml --from 2024-01-01 --to 2025-01-01 --window 1mo --dry-run   # only shows the windows
  elt backfill orders.yaml --from 2024-01-01 --to 2025-01-01 --window 30d --parallel 3
  elt backfill list
  elt backfill resume 01a21567-d506-7b2c-9a31-0c5c2f1f0b77   # loads the windows again that have failed"
)]
pub struct Backfill {
    #[command(subcommand)]
    action: Option<Action>,
    /// The config, a YAML file
    #[arg(required = true)]
    config: Option<PathBuf>,
    /// The beginning: 2024-01-01 (midnight UTC), or 2024-01-01T06:00:00Z
    #[arg(long, required = true)]
    from: Option<String>,
    /// The end, which is not loaded
    #[arg(long, required = true)]
    to: Option<String>,
    /// Length of a window: 6h, 30d, 2w, 1mo, 1y
    #[arg(long, required = true)]
    window: Option<String>,
    /// Windows that are at work at the same time, over all workers: 1 to 50
    #[arg(long, default_value_t = 1)]
    parallel: u16,
    /// Only show the windows; the control database is not touched
    #[arg(long)]
    dry_run: bool,
    /// Do not wait until the backfill has ended
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the newest backfills
    List {
        /// Only of this pipeline
        #[arg(long)]
        name: Option<String>,
    },
    /// Show a backfill: how far it is, and which windows failed and why
    Show {
        /// Its id
        id: Uuid,
    },
    /// Start no further window, and stop the runs of a backfill; what is loaded stays
    Cancel {
        /// Its id
        id: Uuid,
    },
    /// Load the windows again that have failed or were stopped, and start those that were never started
    Resume {
        /// Its id
        id: Uuid,
    },
}

impl Backfill {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let Some(action) = &self.action else { return self.start().await };
        match action {
            Action::List { name } => {
                let list = async |db: &PgPool| list(db, name.as_deref()).await;
                self.installation.open("backfill", async |databases| list(&databases.control).await).await?;
            }
            Action::Show { id } => {
                self.installation.open("backfill", async |databases| show(&databases.control, *id).await).await?;
            }
            Action::Cancel { id } => {
                self.installation
                    .change("backfill", async |db, keys| retried(async || cancel(db, keys, *id).await).await)
                    .await?;
            }
            Action::Resume { id } => {
                self.installation
                    .change("backfill", async |db, keys| retried(async || resume(db, keys, *id).await).await)
                    .await?;
            }
        }
        Ok(Exit::Done)
    }

    async fn start(&self) -> anyhow::Result<Exit> {
        let (Some(path), Some(from), Some(to), Some(window)) = (&self.config, &self.from, &self.to, &self.window)
        else {
            return Err(refuse(Exit::Usage, "the range is missing", "Name a config, --from, --to and --window."));
        };
        let file = ConfigFile::read(path)?;
        let asked = Asked { from, to, window, parallel: self.parallel };
        if self.dry_run {
            let plan = plan_of(&file, asked, Utc::now(), path)?;
            print_plan(&plan);
            return Ok(Exit::Done);
        }
        let work = async |db: &PgPool, keys: &KeyRing| {
            let backfill = begin(db, keys, &file, asked, path).await?;
            if self.no_wait {
                return Ok(Exit::Done);
            }
            out::problem("Ctrl-C ends this view only: the backfill goes on.");
            watch(db, backfill.id).await
        };
        self.installation.change("backfill", work).await
    }
}

fn plan_of(file: &ConfigFile, asked: Asked<'_>, now: chrono::DateTime<Utc>, path: &Path) -> anyhow::Result<Plan> {
    let plan = Plan::of(&file.config, asked, now).map_err(|problem| unsuitable(&problem, path))?;
    for warning in &plan.warnings {
        out::problem(&format!("{}: warning: {warning}", path.display()));
    }
    Ok(plan)
}

/// What was asked for is refused; a config that cannot be loaded in windows as one that cannot run.
fn unsuitable(problem: &Explained, path: &Path) -> anyhow::Error {
    use elt_shared::explained::Code;
    match problem.code {
        Code::NotForBackfill => {
            let message = format!("{} cannot be loaded in windows: {}", path.display(), problem.message);
            refuse(Exit::Config, message, problem.next_step.clone())
        }
        _ => refuse(Exit::Usage, problem.message.clone(), problem.next_step.clone()),
    }
}

fn print_plan(plan: &Plan) {
    let mut table = Table::new(&[">window", "from", "to (not loaded)"]);
    for (number, window) in (1..).zip(&plan.windows) {
        let [from, to] = ends(window);
        table.row([number.to_string(), from, to]);
    }
    out::print(&table.render());
    let windows = count(plan.windows.len() as u64);
    out::print(&format!("{windows} windows of {}, {} at the same time", plan.size, plan.parallel));
}

/// The ends of a window, with the time only where it is not midnight.
fn ends(window: &Window) -> [String; 2] {
    let text = window.to_string();
    let mut ends = text.split(" to ").map(ToOwned::to_owned);
    [ends.next().unwrap_or_default(), ends.next().unwrap_or_default()]
}

async fn begin(db: &PgPool, keys: &KeyRing, file: &ConfigFile, asked: Asked<'_>, path: &Path) -> anyhow::Result<Row> {
    let text = file.text.clone();
    let upload =
        tokio::task::spawn_blocking(move || Upload::check(text)).await.context("could not check the config")??;
    let mut tx = db.begin().await.context("could not begin a transaction")?;
    let now = trigger::clock(&mut tx).await.context("could not ask the database for the time")?;
    let plan = plan_of(file, asked, now, path)?;
    let by = operator();
    let (config, _) = upload
        .keep(&mut tx, keys, (&by, ConfigAuthor::Admin), Purpose::Use)
        .await
        .context("could not keep the config")?;
    let started = backfills::start(&mut tx, &config, &file.config, &plan, (QUEUE, &by)).await;
    let backfill = started.context("could not start the backfill")?;
    let detail = json!({ "config_id": config.id, "range": plan.range.to_string(), "windows": plan.windows.len() });
    let object = format!("backfill {}", backfill.id);
    Deed { action: "backfill", object, detail }.commit(tx, keys).await?;
    out::print(&backfill.id.to_string());
    say_if_no_worker(db).await;
    Ok(backfill)
}

/// A backfill that no worker takes up would wait without a word.
async fn say_if_no_worker(db: &PgPool) {
    // Nothing is said when the workers cannot be listed, because there may be some.
    let workers = workers::list(db, false, MOST_LISTED).await;
    if workers.is_ok_and(|workers| !workers.iter().any(|worker| worker.queue == QUEUE)) {
        out::problem("No worker is running: the windows wait until an `elt up` or `elt worker` is started.");
    }
}

/// Shows how far a backfill is until it has ended.
async fn watch(db: &PgPool, id: Uuid) -> anyhow::Result<Exit> {
    let screen = Screen::default();
    let mut shown = String::new();
    loop {
        let progress = progress(db, id).await?;
        let text = line(&progress);
        screen.now(&text, shown != text);
        shown = text;
        if progress.backfill.finished_at.is_some() {
            screen.clear();
            print_end(db, &progress).await?;
            return Ok(if progress.backfill.state == BackfillState::Failed { Exit::Failed } else { Exit::Done });
        }
        sleep(LOOK).await;
    }
}

async fn progress(db: &PgPool, id: Uuid) -> anyhow::Result<Progress> {
    let found = store::progress(db, id).await.context("could not look at the backfill")?;
    found.ok_or_else(|| no_backfill(id))
}

fn no_backfill(id: Uuid) -> anyhow::Error {
    refuse(
        Exit::Failed,
        format!("there is no backfill {id} in this database"),
        "`elt backfill list` shows the newest ones.",
    )
}

/// `5 of 12 windows loaded, 2 at work or queued, 1 failed, 4 waiting; 1,000 rows read, 998 new`.
fn line(progress: &Progress) -> String {
    let counts = &progress.counts;
    let number = |number: i64| count(number.unsigned_abs());
    let mut parts = vec![format!("{} of {} windows loaded", number(counts.succeeded), number(counts.windows))];
    let others = [
        (counts.running, "at work or queued"),
        (counts.failed, "failed"),
        (counts.stopped, "stopped"),
        (counts.waiting, "waiting"),
    ];
    parts.extend(others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", number(*n))));
    let mut rows = format!("{} rows read, {} new", number(counts.rows_read), number(counts.rows_inserted));
    if counts.rows_updated > 0 {
        rows.push_str(&format!(", {} updated", number(counts.rows_updated)));
    }
    format!("{}; {rows}", parts.join(", "))
}

/// The result of a backfill, and the windows that are not loaded.
async fn print_end(db: &PgPool, progress: &Progress) -> anyhow::Result<()> {
    let Row { id, name, state, .. } = &progress.backfill;
    out::print(&format!("backfill {id} of {name}: {state}"));
    out::print(&format!("  {}", line(progress)));
    let states = [WindowState::Failed, WindowState::Stopped];
    let windows = store::windows(db, *id, Some(&states), 0, FAILED_SHOWN).await;
    let windows = windows.context("could not look at the windows")?;
    let mut table = Table::new(&[">window", "from", "to", "state", "run", "code", "why"]);
    for row in &windows {
        let [from, to] = ends(&Window { from: row.from_at, to: row.to_at });
        table.row([
            row.number.to_string(),
            from,
            to,
            row.state.to_string(),
            row.run_id.map(|run| run.to_string()).unwrap_or_default(),
            row.error_code.clone().unwrap_or_default(),
            row.error.clone().unwrap_or_default(),
        ]);
    }
    if !windows.is_empty() {
        out::print(&table.render());
    }
    if progress.gave_up() {
        let failed = count(progress.counts.failed.unsigned_abs());
        out::problem(&format!(
            "{failed} windows have failed, so no more are started. Mend what is wrong, then resume."
        ));
    }
    if matches!(state, BackfillState::Failed | BackfillState::Canceled) {
        out::problem(&format!("`elt backfill resume {id}` loads the windows that are not loaded."));
    }
    Ok(())
}

async fn list(db: &PgPool, name: Option<&str>) -> anyhow::Result<()> {
    let filter = BackfillFilter { name, ..BackfillFilter::default() };
    let found = store::list(db, filter, None, LISTED).await.context("could not list the backfills")?;
    let mut table =
        Table::new(&["backfill", "pipeline", "range", "window", "state", ">loaded", ">failed", ">rows new"]);
    for progress in &found {
        let (row, counts) = (&progress.backfill, &progress.counts);
        table.row([
            row.id.to_string(),
            row.name.clone(),
            Window { from: row.from_at, to: row.to_at }.to_string(),
            row.window_size.clone(),
            row.state.to_string(),
            format!("{}/{}", counts.succeeded, counts.windows),
            counts.failed.to_string(),
            count(counts.rows_inserted.unsigned_abs()),
        ]);
    }
    out::print(&table.render());
    Ok(())
}

async fn show(db: &PgPool, id: Uuid) -> anyhow::Result<()> {
    let progress = progress(db, id).await?;
    print_end(db, &progress).await
}

async fn cancel(db: &PgPool, keys: &KeyRing, id: Uuid) -> anyhow::Result<()> {
    let mut tx = db.begin().await.context("could not begin a transaction")?;
    let answer = backfills::cancel(&mut tx, id, &operator()).await.context("could not cancel the backfill")?;
    match answer.ok_or_else(|| no_backfill(id))? {
        Answer::Done(backfill) => {
            Deed { action: "backfill cancel", object: format!("backfill {id}"), detail: json!({}) }
                .commit(tx, keys)
                .await?;
            out::print(match backfill.state {
                BackfillState::Canceling => "canceled: its runs stop at the next batch boundary",
                _ => "canceled",
            });
            Ok(())
        }
        Answer::Refused(backfill) => Err(refuse(
            Exit::Failed,
            format!("the backfill {} already", backfill.state.in_words()),
            "Nothing is left to cancel.",
        )),
    }
}

async fn resume(db: &PgPool, keys: &KeyRing, id: Uuid) -> anyhow::Result<()> {
    let mut tx = db.begin().await.context("could not begin a transaction")?;
    let answer = backfills::resume(&mut tx, id).await.context("could not resume the backfill")?;
    match answer.ok_or_else(|| no_backfill(id))? {
        Answer::Done(_) => {
            Deed { action: "backfill resume", object: format!("backfill {id}"), detail: json!({}) }
                .commit(tx, keys)
                .await?;
            out::print(&line(&progress(db, id).await?));
            say_if_no_worker(db).await;
            Ok(())
        }
        Answer::Refused(backfill) => Err(refuse(
            Exit::Failed,
            format!("the backfill {}, so there is nothing to resume", backfill.state.in_words()),
            format!("`elt backfill show {id}` shows its windows."),
        )),
    }
}
