//! `elt backup`: the control database, and the default target of a private cluster, in one file.
//!
//! # Layout
//! - `archive`: the file
//! - `manifest`: what the file says about itself

pub mod archive;
pub mod manifest;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use elt_cluster::DumpTools;
use elt_shared::settings::{DatabaseSettings, TelemetrySettings};
use elt_shared::store::{Schema, secret_keys, server_major};
use elt_shared::target::TargetAddress;
use tempfile::NamedTempFile;

use crate::databases::{Databases, on_control_database};
use crate::exit::{Exit, refuse};
use crate::{keys, out};
use archive::Writer;
use manifest::{CONTROL, FORMAT, Manifest, TARGET};

/// How often a line says how far a dump is.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Saves the control database, and the default target of a private cluster, in a file
///
/// Works beside running servers and workers. The file is a tar archive of dumps that only this account may read; an
/// existing file is not overwritten. The secret keys are not in it: without them nothing that is sealed opens, so keep
/// keys.json of the data folder, or ELT_SECRET_KEY, elsewhere. `elt restore` reads the file. Needs pg_dump; with sslmode
/// verify-full name the authorities with sslrootcert, because pg_dump knows none itself.
#[derive(Debug, Args)]
pub struct Backup {
    /// The file to write
    file: PathBuf,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Backup {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        refuse_existing(&self.file)?;
        on_control_database("backup", &self.database, &self.telemetry, async |databases| self.save(databases).await)
            .await
    }

    async fn save(&self, databases: &Databases) -> anyhow::Result<Exit> {
        let (manifest, server) = describe(databases).await?;
        let tools = DumpTools::for_dump(self.database.pg_bin.as_deref(), server).await?;
        let cannot_write = || format!("could not write {}", self.file.display());
        let unfinished =
            NamedTempFile::with_prefix_in(".elt-backup-", folder_of(&self.file)).with_context(cannot_write)?;
        let file = unfinished.reopen().with_context(cannot_write)?;
        let mut archive = Writer::new(tokio::fs::File::from_std(file));
        let text = serde_json::to_vec_pretty(&manifest)?;
        archive.append(manifest::NAME, text.as_slice(), |_| ()).await.with_context(cannot_write)?;
        // The control database first: what the target has loaded since then is recognised by its markers. The other way
        // round, a run could count as loaded whose rows are not in the backup.
        let mut bytes = 0;
        for (entry, address) in databases.to_back_up(&self.database)? {
            bytes += dump(&tools, &mut archive, entry, &address).await?;
        }
        archive.finish().await.with_context(cannot_write)?;
        publish(unfinished, &self.file)?;
        out::print(&format!("saved {} MB in {}", (bytes >> 20).max(1), self.file.display()));
        out::print(&not_in_it(databases, &manifest));
        Ok(Exit::Done)
    }
}

/// Dumps one database into the archive. Returns the bytes.
async fn dump(
    tools: &DumpTools,
    archive: &mut Writer,
    entry: &'static str,
    address: &TargetAddress,
) -> anyhow::Result<u64> {
    let name = &address.database;
    out::problem(&format!("saving the database {name}"));
    let mut program = tools.dump(address, &[])?;
    let content = program.output().context("pg_dump writes to no pipe")?;
    let mut said = Instant::now();
    let written = archive.append(entry, content, |bytes| {
        if said.elapsed() >= SAY_EVERY {
            out::problem(&format!("  {} MB of {name}", bytes >> 20));
            said = Instant::now();
        }
    });
    let written = written.await;
    if written.is_ok() {
        program.finish().await?;
    }
    written.with_context(|| format!("could not save the database {name}"))
}

/// What the backup says about itself, and the major version of the server.
async fn describe(databases: &Databases) -> anyhow::Result<(Manifest, u32)> {
    let asked = async {
        let mut db = databases.control.acquire().await?;
        let (migrations, oldest) = Schema::marks(&mut db).await?;
        let server = server_major(&mut db).await?;
        let keys = if migrations.is_empty() { Vec::new() } else { secret_keys::list(&mut *db).await? };
        Ok::<_, sqlx::Error>((migrations, oldest, server, keys))
    };
    let (migrations, oldest, server, keys) = asked.await.context("could not look at the control database")?;
    let mut saved = vec![CONTROL.to_owned()];
    saved.extend(databases.are_private().then(|| TARGET.to_owned()));
    let manifest = Manifest {
        format: FORMAT,
        elt_version: env!("CARGO_PKG_VERSION").into(),
        made_at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        postgres: server,
        databases: saved,
        migrations,
        oldest,
        secret_keys: keys.into_iter().map(|key| key.key_id).collect(),
    };
    Ok((manifest, server))
}

fn refuse_existing(file: &Path) -> anyhow::Result<()> {
    match file.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("could not look at {}", file.display())),
        Ok(_) => Err(refuse(
            Exit::Failed,
            format!("{} exists already", file.display()),
            "Choose another name: a backup never replaces a file.",
        )),
    }
}

/// Gives the finished file its name.
fn publish(unfinished: NamedTempFile, file: &Path) -> anyhow::Result<()> {
    if let Err(error) = unfinished.persist_noclobber(file) {
        refuse_existing(file)?;
        return Err(error.error).with_context(|| format!("could not write {}", file.display()));
    }
    // The name must survive a power failure, too.
    let synced = std::fs::File::open(folder_of(file)).and_then(|folder| folder.sync_all());
    synced.with_context(|| format!("could not write {}", file.display()))
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn not_in_it(databases: &Databases, manifest: &Manifest) -> String {
    let keys = match manifest.secret_keys.as_slice() {
        [] => String::new(),
        ids => format!(
            "\n  the secret keys {}: keep a copy of ELT_SECRET_KEY, or of {}, elsewhere. Without them nothing that is sealed \
             opens",
            ids.join(" and "),
            databases.data_dir.join(keys::FILE).display()
        ),
    };
    let targets = match databases.are_private() {
        true => "targets on other servers",
        false => "targets, also the default one",
    };
    format!("not in it:{keys}\n  {targets}; combined CSV files; roles that you made in PostgreSQL, and their rights")
}
