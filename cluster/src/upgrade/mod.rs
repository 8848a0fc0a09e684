//! Moving a private cluster to another major version of PostgreSQL, which cannot open the files of the one before.
//!
//! # Layout
//! - `roles`: the roles of the old server, with their passwords, memberships and settings
//! - `copy`: the databases, and the comparison of what came of them
//! - `exchange`: the new cluster takes the old one's place
//!
//! The new cluster is made beside the old one, in `data.upgrade`, and nothing of the old one changes until the new one is
//! complete and compared. A process that is killed before leaves the old cluster as it was: the next start of the cluster
//! stops the two servers and removes the new cluster, and the next `elt upgrade-cluster` starts over. From then on a file says that the two are being exchanged, and every start
//! of the cluster finishes that first.

mod copy;
pub(super) mod exchange;
mod roles;

use std::fs;
use std::path::{Path, PathBuf};

use elt_shared::target::{Author, TargetAddress};

use crate::account::Account;
use crate::dump::DumpTools;
use crate::error::{LocalError, WantedVersion};
use crate::folder::{Folder, Names, Passwords, failed};
use crate::programs::{self, Programs};
use crate::{SUPERUSER, server};

/// What an upgrade did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upgraded {
    /// The cluster already has the newest version that this machine has.
    UpToDate {
        /// The major version.
        version: u32,
    },
    /// The cluster has the new version now.
    Done {
        /// The major version before.
        from: u32,
        /// The major version now.
        to: u32,
        /// The folder that keeps the old cluster.
        kept: PathBuf,
    },
}

/// Where the programs of the two versions are. `None`: searched in the usual places.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProgramFolders<'a> {
    /// Of the new version. The newest one of this machine by default.
    pub new: Option<&'a Path>,
    /// Of the version that made the cluster.
    pub old: Option<&'a Path>,
}

/// Moves the cluster of a data folder to a newer major version of PostgreSQL. `say` gets a line for each step.
///
/// # Errors
/// When another process uses the cluster, programs of one of the versions are missing, or a database could not be copied.
/// The cluster is then as before.
pub async fn upgrade(
    data_dir: &Path,
    programs: ProgramFolders<'_>,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Upgraded, LocalError> {
    let folder = Folder::open(data_dir, Account::of_the_server(data_dir)?)?;
    let _gate = folder.gate().await?;
    exchange::finish(&folder)?;
    folder.require_finished_restore()?;
    let Some(from) = folder.version()? else { return Err(LocalError::NoCluster(data_dir.to_owned())) };
    let new = programs::find(programs.new, None).await?;
    if new.major == from {
        return Ok(Upgraded::UpToDate { version: from });
    }
    if new.major < from {
        let looked_in = format!("{} (has {})", new.bin.display(), new.major);
        return Err(LocalError::NoServer { wanted: WantedVersion::AtLeast(from + 1), looked_in });
    }
    if !folder.nobody_uses_it()? {
        return Err(LocalError::InUse(data_dir.to_owned()));
    }
    let old = programs::find(programs.old, Some(from)).await?;
    let tools = match DumpTools::for_dump(Some(&new.bin), new.major).await {
        Ok(tools) => tools,
        Err(_) => DumpTools::for_dump(Some(&old.bin), from).await?,
    };
    let upgrade = Upgrade { old, new, tools, folder: &folder, passwords: folder.passwords()?, say };
    upgrade.make_new_cluster().await?;
    let kept = exchange::begin(&folder, from)?;
    say(&format!("the cluster has version {} now; the old one is kept in {}", upgrade.new.major, kept.display()));
    Ok(Upgraded::Done { from, to: upgrade.new.major, kept })
}

struct Upgrade<'a> {
    old: Programs,
    new: Programs,
    tools: DumpTools,
    folder: &'a Folder,
    passwords: Passwords,
    say: &'a (dyn Fn(&str) + Sync),
}

/// A server that runs for the upgrade only.
struct Running<'a> {
    passwords: &'a Passwords,
    port: u16,
}

impl Running<'_> {
    /// A database of this server, as the superuser.
    fn address(&self, database: &str) -> Result<TargetAddress, LocalError> {
        let password = self.passwords.superuser.expose();
        let url = format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{}/postgres?sslmode=disable", self.port);
        let mut address = TargetAddress::parse(&url, Author::Operator).map_err(|_| LocalError::Copy {
            doing: "find the address of the private server".into(),
            reason: "it is not an address".into(),
        })?;
        // The name may have characters that a URL gives a meaning.
        database.clone_into(&mut address.database);
        Ok(address)
    }
}

impl Upgrade<'_> {
    /// Makes the new cluster beside the old one. Both servers have stopped when it returns, and a failure leaves nothing.
    async fn make_new_cluster(&self) -> Result<(), LocalError> {
        let (old, new) = servers(self.folder);
        // What a process left that was killed: its servers, and a new cluster that is not complete.
        clear(&old, &new).await?;
        self.require_space(&old)?;
        let made = self.fill(&old, &new).await;
        let stopped = async {
            server::stop(&old).await?;
            server::stop(&new).await
        };
        match (made, stopped.await) {
            (Ok(()), Ok(())) => {}
            (Err(error), _) | (Ok(()), Err(error)) => {
                // The first error says more than one of clearing up.
                let _ = clear(&old, &new).await;
                return Err(error);
            }
        }
        for folder in [&old, &new] {
            folder.remove_port()?;
        }
        Ok(())
    }

    /// Refuses when the disk has less room than the old cluster takes, because the copy would fill it.
    fn require_space(&self, old: &Folder) -> Result<(), LocalError> {
        let data = old.data();
        let needed = size_of(&data).map_err(failed("measure", &data))?;
        let disk =
            rustix::fs::statvfs(&data).map_err(|error| failed("measure the free space of", &data)(error.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        match free < needed {
            true => Err(LocalError::NoSpace { folder: data, needed_mb: needed >> 20, free_mb: free >> 20 }),
            false => Ok(()),
        }
    }

    async fn fill(&self, old: &Folder, new: &Folder) -> Result<(), LocalError> {
        let (from, to) = (self.old.major, self.new.major);
        (self.say)(&format!("starting the old server (PostgreSQL {from}) and a new one (PostgreSQL {to})"));
        // Nothing else may write to the old cluster while it is copied.
        let read_only = ["default_transaction_read_only=on"];
        let port = server::start_with(old, &self.passwords, &self.old, &read_only).await?;
        let old = Running { passwords: &self.passwords, port };
        let port = server::start_with(new, &self.passwords, &self.new, &[]).await?;
        let new = Running { passwords: &self.passwords, port };
        roles::copy(&old, &new).await?;
        copy::databases(&self.tools, &old, &new, self.say).await
    }
}

/// Ends what a killed upgrade left: its two servers and the new cluster. Its old server is read-only, so nothing else can use
/// it. Does nothing when there is nothing left, or other processes use the cluster. The caller holds the gate.
///
/// # Errors
/// When a server does not stop, or a file cannot be removed.
pub(super) async fn clear_interrupted(folder: &Folder) -> Result<(), LocalError> {
    let (old, new) = servers(folder);
    let is_left = old.port_file().exists() || new.port_file().exists() || new.data().exists();
    if !is_left || !folder.nobody_uses_it()? {
        return Ok(());
    }
    tracing::info!("an upgrade of the private PostgreSQL was interrupted: what it left is removed");
    clear(&old, &new).await?;
    old.remove_port()?;
    new.remove_port()
}

/// The server that is copied, and the one that gets the copy.
fn servers(folder: &Folder) -> (Folder, Folder) {
    (folder.with(Names::UPGRADE_FROM), folder.with(Names::UPGRADE_TO))
}

/// Stops both servers and removes the new cluster.
async fn clear(old: &Folder, new: &Folder) -> Result<(), LocalError> {
    server::stop_ours(old).await?;
    if new.data().exists() {
        server::stop_ours(new).await?;
        fs::remove_dir_all(new.data()).map_err(failed("remove", &new.data()))?;
    }
    Ok(())
}

/// Bytes of all files in a folder.
fn size_of(folder: &Path) -> std::io::Result<u64> {
    let mut total = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => total += entry.metadata()?.len(),
                _ => {}
            }
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests;
