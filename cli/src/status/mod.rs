//! `elt status`: how the installation is, and what needs somebody, on one screen.
//!
//! # Layout
//! - [`standing`]: what is known, and which of it needs attention
//! - [`screen`]: how it is shown
//! - `words`: ages, what runs wait for, and lines of a bounded length
//! - `api`: asks an API whether it is ready

mod api;
mod screen;
mod standing;
mod words;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use elt_shared::settings::{DatabaseSettings, TelemetrySettings};
use elt_shared::store::{self, SchemaState, api_processes, gauges, status, workers};
use sqlx::PgPool;

use crate::databases::{Databases, on_control_database, refuse_unusable};
use crate::exit::Exit;
use crate::{out, probes, process_metrics};
use standing::{Database, Disk, LATE, Standing};

/// Lines of each list on the screen and in JSON.
const MOST_LISTED: i64 = 100;

/// Shows how the installation is, and what needs somebody
///
/// Ends with 0 when all is well, with 1 when something needs attention, with 7 when this elt cannot work with the control
/// database, and with 69 when the control database cannot be reached. Needs DATABASE_URL; on the machine of an `elt up`,
/// --data-dir is enough.
#[derive(Debug, Args)]
pub struct Status {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Address of an API that must be ready, for example `https://elt.example.com`
    ///
    /// Without it the API on this machine is asked, and a missing one is not counted as a problem, because it may run
    /// elsewhere.
    #[arg(long)]
    url: Option<String>,
    /// Where an API on this machine answers probes
    #[arg(long, env = "ELT_METRICS_LISTEN")]
    metrics_listen: Option<SocketAddr>,
    /// Where an API on this machine answers
    #[arg(long, env = "ELT_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The certificate of the API on this machine: when it is set, the API is asked by HTTPS
    #[arg(long, env = "ELT_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Status {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        on_control_database("status", &self.database, &self.telemetry, async |databases| {
            let standing = self.look(databases).await?;
            let attention = standing.attention();
            if self.json {
                out::print(&serde_json::to_string_pretty(&standing.as_json(&attention))?);
            } else {
                out::print(&screen::render(&standing, &attention, std::io::stdout().is_terminal()));
            }
            Ok(if attention.is_empty() { Exit::Done } else { Exit::Failed })
        })
        .await
    }

    async fn look(&self, databases: &Databases) -> anyhow::Result<Standing> {
        let schema = databases.schema().await?;
        if let SchemaState::TooNew | SchemaState::Foreign = schema.state() {
            return Err(refuse_unusable(&schema));
        }
        let (api, standing) = tokio::join!(self.ask_api(), numbers(&databases.control, schema.missing.len()));
        let disk = process_metrics::space(&databases.data_dir).map(|(size, free)| Disk {
            folder: databases.data_dir.clone(),
            size,
            free,
        });
        Ok(Standing { api, disk, ..standing.context("could not look at the control database")? })
    }

    async fn ask_api(&self) -> api::Api {
        match &self.url {
            Some(url) => api::ask(url, true).await,
            None => api::ask(&probes::own_url(self.metrics_listen, self.listen, self.tls_cert.is_some()), false).await,
        }
    }
}

/// What the control database says, except its numbers while migrations are missing, because their tables may be missing.
async fn numbers(db: &PgPool, missing_migrations: usize) -> sqlx::Result<Standing> {
    let server_version = status::server_version(db).await?;
    let read_only = store::writable(db).await?.refusal();
    let database = Database { server_version, missing_migrations, read_only };
    if missing_migrations > 0 {
        return Ok(Standing::of_old_database(database));
    }
    Ok(Standing {
        gauges: gauges::list(db).await?,
        servers: api_processes::list(db).await?,
        workers: workers::list(db, false, MOST_LISTED).await?,
        failing: status::failing_pipelines(db, MOST_LISTED).await?,
        schedules: status::schedules_in_need(db, LATE.as_secs_f64(), MOST_LISTED).await?,
        retention: status::retention_behind(db, MOST_LISTED).await?,
        ..Standing::of_old_database(database)
    })
}
