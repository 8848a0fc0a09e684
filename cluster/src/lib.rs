//! The private PostgreSQL cluster of local mode and of the tests: found, made, started, shared and stopped.
//!
//! # Layout
//! - [`error`]: what can go wrong, as sentences with a next step
//! - `account`: root drops to another account, and may that account get in?
//! - `ownership`: what root has made in a data folder is given to the account
//! - `folder`: the files of a cluster, its passwords, and the two locks
//! - `programs`: which server programs are on this machine
//! - `server`: `initdb`, start, wait, stop
//! - `databases`: the two databases and their roles
//! - [`dump`]: databases as streams of bytes
//! - [`upgrade`]: to another major version of PostgreSQL
//! - `restore`: a new cluster that is filled from a backup
//! - `settings`: what is read of the environment
//!
//! Two file locks rule. `gate.lock` is held while a process starts or stops the server. `in_use.lock` is held, shared,
//! by every process that uses the server. The kernel lets go of both however a process ends, so the last process that
//! leaves can tell, and a server that outlived its processes is simply used by the next one.

mod account;
mod databases;
pub mod dump;
pub mod error;
mod folder;
mod ownership;
mod programs;
mod restore;
mod server;
mod settings;
pub mod upgrade;

use std::fs::File;
use std::path::Path;

pub use account::Account;
pub use dump::DumpTools;
use elt_shared::secret::Secret;
pub use error::LocalError;
use folder::{Folder, Passwords};
pub use restore::Restoring;

/// Name of the control database.
pub const CONTROL: &str = "elt";
/// The role that owns the control database and migrates it. Everything else in it is done by the two roles below.
pub const OWNER_ROLE: &str = "elt_owner";
/// The role of the API.
pub const API_ROLE: &str = "elt_api";
/// The role of the workers.
pub const WORKER_ROLE: &str = "elt_worker";
/// Name of the database that targets without a server of their own load into.
pub const TARGET_DATABASE: &str = "elt_db";
/// The role that reads everything but secrets.
pub const READER_ROLE: &str = "elt_reader";
/// The role that owns [`TARGET_DATABASE`] and can do nothing else.
pub const TARGET_ROLE: &str = "elt_target";
/// The cluster's superuser: makes the databases above, and those of the tests.
pub const SUPERUSER: &str = "elt_root";

/// A running private cluster this process uses. It listens on 127.0.0.1 only and every role has a generated password.
#[derive(Debug)]
pub struct Cluster {
    folder: Folder,
    passwords: Passwords,
    port: u16,
    /// Held, shared, for as long as this process uses the server.
    in_use: File,
}

impl Cluster {
    /// Uses the cluster in `data_dir`: makes it if it is missing, starts it if it does not run, else attaches to it.
    ///
    /// # Errors
    /// When there is no PostgreSQL 15 or newer, or the folder, the port or the server cannot be used.
    pub async fn start(data_dir: &Path, pg_bin: Option<&Path>) -> Result<Self, LocalError> {
        let account = Account::of_the_server(data_dir)?;
        let folder = Folder::open(data_dir, account)?;
        let _gate = folder.gate().await?;
        upgrade::exchange::finish(&folder)?;
        upgrade::clear_interrupted(&folder).await?;
        folder.require_finished_restore()?;
        Self::start_in(folder, pg_bin).await
    }

    /// Starts the cluster. The caller holds the gate.
    async fn start_in(folder: Folder, pg_bin: Option<&Path>) -> Result<Self, LocalError> {
        let passwords = folder.passwords()?;
        // This process counts as a user before the server runs, so that a failure from here on stops a server nobody
        // else uses.
        let in_use = folder.join_users()?;
        match ready(&folder, &passwords, pg_bin).await {
            Ok(port) => Ok(Self { folder, passwords, port, in_use }),
            Err(error) => {
                if let Err(left_running) = leave(&folder, in_use).await {
                    tracing::warn!(error = %left_running, "the private PostgreSQL may still be running");
                }
                Err(error)
            }
        }
    }

    /// Whether a data folder holds a cluster, running or not.
    pub fn exists(data_dir: &Path) -> bool {
        match Folder::version_file(data_dir).metadata() {
            Ok(file) => file.is_file(),
            // Between two steps of an upgrade; starting the cluster does the second one.
            Err(_) if Folder::is_exchanging(data_dir) => true,
            // The cluster belongs to another account: using it fails with an error that names the folder.
            Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
        }
    }

    /// Stops using the cluster. The last process that leaves stops the server.
    ///
    /// # Errors
    /// When the server does not stop within a minute.
    pub async fn stop(self) -> Result<(), LocalError> {
        let _gate = self.folder.gate().await?;
        leave(&self.folder, self.in_use).await
    }

    /// The control database, as its owner.
    pub fn control_url(&self) -> Secret {
        self.url(OWNER_ROLE, &self.passwords.control, CONTROL)
    }

    /// The control database, as the API.
    pub fn api_url(&self) -> Secret {
        self.url(API_ROLE, &self.passwords.api, CONTROL)
    }

    /// The control database, as a worker.
    pub fn worker_url(&self) -> Secret {
        self.url(WORKER_ROLE, &self.passwords.worker, CONTROL)
    }

    /// The default target database, as its low-privilege owner.
    pub fn target_url(&self) -> Secret {
        self.url(TARGET_ROLE, &self.passwords.target, TARGET_DATABASE)
    }

    /// The maintenance database, as superuser. For tests, which make databases of their own.
    pub fn superuser_url(&self) -> Secret {
        self.url(SUPERUSER, &self.passwords.superuser, "postgres")
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Process id of the server, while it runs.
    pub fn server_pid(&self) -> Option<i32> {
        server::pid(&self.folder)
    }

    fn url(&self, role: &str, password: &Secret, database: &str) -> Secret {
        // Generated passwords are letters and digits: nothing to escape.
        let (password, port) = (password.expose(), self.port);
        Secret::new(format!("postgres://{role}:{password}@127.0.0.1:{port}/{database}?sslmode=disable"))
    }
}

/// Starts the server unless it runs, makes what its databases lack, and returns its port.
async fn ready(folder: &Folder, passwords: &Passwords, pg_bin: Option<&Path>) -> Result<u16, LocalError> {
    let port = match server::running(folder, passwords).await? {
        Some(port) => port,
        None => server::start(folder, passwords, pg_bin).await?,
    };
    databases::prepare(passwords, port).await?;
    Ok(port)
}

/// Ends this process's use of the cluster, and stops the server when no other process uses it. The caller must hold the
/// gate, because otherwise a process could join after the check for other users and before the stop.
async fn leave(folder: &Folder, in_use: File) -> Result<(), LocalError> {
    drop(in_use);
    if folder.nobody_uses_it()? {
        server::stop(folder).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
