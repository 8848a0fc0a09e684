//! The files of a cluster: `<data dir>/postgres/{data, passwords.json, port, server.log, gate.lock, in_use.lock}`. While it is
//! upgraded there are `data.upgrade` and `exchange` as well, and while a backup is restored `restoring`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use elt_shared::private_folder;
use elt_shared::secret::Secret;
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::error::LocalError;

const GATE_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a cluster lives, and as whom it runs.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: PathBuf,
    names: Names,
    pub account: Option<Account>,
}

/// Names of the files that each server of a folder has for itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    data: &'static str,
    port: &'static str,
    log: &'static str,
}

impl Names {
    /// Of the server that everybody uses.
    const USUAL: Self = Self { data: "data", port: "port", log: "server.log" };
    /// Of the server whose cluster is copied by an upgrade. Its port is only known to the upgrade.
    pub const UPGRADE_FROM: Self = Self { data: "data", port: "upgrade-from.port", log: "upgrade.log" };
    /// Of the server that gets the copy.
    pub const UPGRADE_TO: Self = Self { data: "data.upgrade", port: "upgrade-to.port", log: "upgrade.log" };
}

/// The generated passwords of the roles.
#[derive(Debug, Clone)]
pub(super) struct Passwords {
    pub superuser: Secret,
    /// Of the control database's owner.
    pub control: Secret,
    pub api: Secret,
    pub worker: Secret,
    pub target: Secret,
}

/// As they are kept on disk, in a file only its owner may read.
#[derive(Serialize, Deserialize)]
struct PasswordFile {
    superuser: String,
    control: String,
    // Missing in files of older releases, which had no such roles.
    #[serde(default)]
    api: Option<String>,
    #[serde(default)]
    worker: Option<String>,
    target: String,
}

impl Folder {
    /// Makes what is missing of the folder and checks that the server's account can get in.
    pub fn open(data_dir: &Path, account: Option<Account>) -> Result<Self, LocalError> {
        let data_dir = std::path::absolute(data_dir).map_err(failed("find", data_dir))?;
        let root = data_dir.join("postgres");
        private_folder::create(&root).map_err(failed("create", &root))?;
        // One spelling, so that a second process recognises the server of the first.
        let root = root.canonicalize().map_err(failed("find", &root))?;
        if let Some(account) = &account {
            account.can_enter(&root)?;
        }
        Ok(Self { root, names: Names::USUAL, account })
    }

    /// The same folder with other names.
    pub fn with(&self, names: Names) -> Self {
        Self { names, ..self.clone() }
    }

    /// The major version of the cluster. `None`: there is no cluster yet.
    pub fn version(&self) -> Result<Option<u32>, LocalError> {
        Ok(self.read(&self.data().join("PG_VERSION"))?.and_then(|text| text.trim().parse().ok()))
    }

    /// The file that says that a backup is being restored into the folder.
    pub fn restoring(&self) -> PathBuf {
        self.root.join("restoring")
    }

    /// Refuses a folder in which a restore did not come to its end.
    pub fn require_finished_restore(&self) -> Result<(), LocalError> {
        match self.restoring().exists() {
            true => Err(LocalError::RestoreUnfinished(self.root.clone())),
            false => Ok(()),
        }
    }

    /// The file that says which major version made the cluster of a data folder.
    pub fn version_file(data_dir: &Path) -> PathBuf {
        data_dir.join("postgres/data/PG_VERSION")
    }

    /// Whether an upgrade of a data folder's cluster is about to put the new one into the place of the old one.
    pub fn is_exchanging(data_dir: &Path) -> bool {
        data_dir.join("postgres/exchange").exists()
    }

    /// What PostgreSQL calls the data directory.
    pub fn data(&self) -> PathBuf {
        self.root.join(self.names.data)
    }

    /// What the server writes to.
    pub fn server_log(&self) -> PathBuf {
        self.root.join(self.names.log)
    }

    /// The file with the port of last time.
    pub fn port_file(&self) -> PathBuf {
        self.root.join(self.names.port)
    }

    /// Forgets the port.
    pub fn remove_port(&self) -> Result<(), LocalError> {
        let path = self.port_file();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    /// A path beside the data directory.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Reads a small file. `None`: it does not exist.
    pub fn read(&self, path: &Path) -> Result<Option<String>, LocalError> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", path)(error)),
        }
    }

    /// Writes a small file that only its owner may read.
    pub fn write(&self, path: &Path, text: &str) -> Result<(), LocalError> {
        let temporary = path.with_extension("new");
        let write = || {
            match fs::remove_file(&temporary) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = private_folder::open(&temporary, OpenOptions::new().write(true).create_new(true))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, path)?;
            // Without it, a power failure could undo the rename.
            path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        write().map_err(failed("write", path))
    }

    /// The passwords: as kept, or generated and kept now.
    pub fn passwords(&self) -> Result<Passwords, LocalError> {
        let path = self.beside("passwords.json");
        let kept: Option<PasswordFile> = match self.read(&path)? {
            Some(text) => Some(serde_json::from_str(&text).map_err(|error| failed("read", &path)(error.into()))?),
            None => None,
        };
        let is_complete = kept.as_ref().is_some_and(|kept| kept.api.is_some() && kept.worker.is_some());
        let mut passwords = kept.unwrap_or_else(|| PasswordFile {
            superuser: generate(),
            control: generate(),
            api: None,
            worker: None,
            target: generate(),
        });
        let api = passwords.api.get_or_insert_with(generate).clone();
        let worker = passwords.worker.get_or_insert_with(generate).clone();
        if !is_complete {
            let text = serde_json::to_string_pretty(&passwords);
            self.write(&path, &text.map_err(|error| failed("write", &path)(error.into()))?)?;
        }
        Ok(Passwords {
            superuser: passwords.superuser.into(),
            control: passwords.control.into(),
            api: api.into(),
            worker: worker.into(),
            target: passwords.target.into(),
        })
    }

    /// The port the server had last time.
    pub fn last_port(&self) -> Result<Option<u16>, LocalError> {
        Ok(self.read(&self.port_file())?.and_then(|text| text.trim().parse().ok()))
    }

    /// Waits until no other process starts or stops the server; nobody else does while the file is open.
    pub async fn gate(&self) -> Result<File, LocalError> {
        let (path, file) = self.lock_file("gate.lock")?;
        let deadline = Instant::now() + GATE_TIMEOUT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                    return Err(LocalError::Busy(self.root.clone()));
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
            }
        }
    }

    /// Counts this process among the users, until the file is closed.
    pub fn join_users(&self) -> Result<File, LocalError> {
        let (path, file) = self.lock_file("in_use.lock")?;
        file.lock_shared().map_err(failed("lock", &path))?;
        Ok(file)
    }

    /// Whether no process uses the server.
    pub fn nobody_uses_it(&self) -> Result<bool, LocalError> {
        let (path, file) = self.lock_file("in_use.lock")?;
        match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
        }
    }

    fn lock_file(&self, name: &str) -> Result<(PathBuf, File), LocalError> {
        let path = self.beside(name);
        let options = &mut OpenOptions::new();
        let file = private_folder::open(&path, options.read(true).write(true).create(true).truncate(false));
        let file = file.map_err(failed("open", &path))?;
        Ok((path, file))
    }
}

/// For `map_err`: what we were doing with which file.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LocalError {
    let path = path.to_owned();
    move |source| LocalError::Folder { doing, path, source }
}

/// 32 letters and digits: 190 bits.
fn generate() -> String {
    use rand::RngExt;
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(32).map(char::from).collect()
}
