//! The keys of a data folder, in the file `keys.json`, which only the folder's owner may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use elt_shared::private_folder;
use elt_shared::secret::{KeyError, KeyProvider, KeyRing, Secret, Stamp};
use elt_shared::secret_file::{self, SecretFileError};
use serde::{Deserialize, Serialize};

use super::generate;
use crate::exit::{Exit, refuse};

/// Name of the file in the data folder.
pub const FILE: &str = "keys.json";

/// The content of the file.
#[derive(Serialize, Deserialize)]
pub struct KeptKeys {
    pub jwt_key: String,
    secret_key: String,
    /// Secret keys that only open, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    old_secret_keys: Vec<String>,
}

impl KeptKeys {
    /// The keys of a data folder. `None`: it has none.
    pub fn read(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = data_dir.join(FILE);
        let kept = match secret_file::read(&path) {
            Ok(file) => Self::parse(&file.secret, &path),
            Err(SecretFileError::Missing) => return Ok(None),
            Err(source @ SecretFileError::Unreadable(_)) => Err(KeyError::File { path, source }),
            Err(_) => Err(KeyError::NotOurs(path)),
        };
        kept.map(Some).map_err(|error| {
            let next_step = match &error {
                KeyError::NotOurs(_) => {
                    "Restore it from a backup. With new keys everybody has to log in again, and nothing that is sealed \
                     opens: configs and secrets are lost."
                }
                _ => "Check that this account may read the file.",
            };
            refuse(Exit::Settings, error.to_string(), next_step)
        })
    }

    /// Reads the file's text. What serde says of it may quote keys and is left out.
    fn parse(text: &Secret, path: &Path) -> Result<Self, KeyError> {
        serde_json::from_str(text.expose()).map_err(|_| KeyError::NotOurs(path.to_owned()))
    }

    /// Makes random keys for a new data folder. They are not written yet.
    pub fn generate() -> Self {
        Self { jwt_key: generate(), secret_key: generate(), old_secret_keys: Vec::new() }
    }

    /// The key that seals.
    pub fn secret_key(&self) -> Secret {
        Secret::new(&self.secret_key)
    }

    /// Writes new keys, unless another process was faster: then its keys count.
    pub fn keep(&self, data_dir: &Path) -> anyhow::Result<()> {
        // Unlike a rename, a link never takes another file's place.
        self.write(data_dir, |unfinished, path| match fs::hard_link(unfinished, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::remove_file(unfinished),
            Err(error) => Err(error),
            Ok(()) => fs::remove_file(unfinished),
        })
    }

    /// Puts a new secret key before the others, which only open from now on.
    pub fn add_secret_key(mut self, data_dir: &Path) -> anyhow::Result<()> {
        let before = std::mem::replace(&mut self.secret_key, generate());
        self.old_secret_keys.insert(0, before);
        self.write(data_dir, |unfinished, path| fs::rename(unfinished, path))
    }

    /// Removes an older secret key. Returns whether it was there.
    pub fn remove_secret_key(mut self, data_dir: &Path, id: &str) -> anyhow::Result<bool> {
        let before = self.old_secret_keys.len();
        self.old_secret_keys.retain(|key| KeyRing::id_of(&Secret::new(key)) != id);
        if self.old_secret_keys.len() == before {
            return Ok(false);
        }
        self.write(data_dir, |unfinished, path| fs::rename(unfinished, path))?;
        Ok(true)
    }

    /// Writes a file beside the keys and lets `publish` put it in their place.
    fn write(&self, data_dir: &Path, publish: impl FnOnce(&Path, &Path) -> io::Result<()>) -> anyhow::Result<()> {
        let path = data_dir.join(FILE);
        let unfinished = data_dir.join(format!("{FILE}.{}", std::process::id()));
        let write = || {
            // A process of the same number may have been ended while it wrote. Only a file that this process makes is
            // written to, because another one could be a link that leads elsewhere.
            match fs::remove_file(&unfinished) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = private_folder::open(&unfinished, OpenOptions::new().write(true).create_new(true))?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            publish(&unfinished, &path)?;
            // The name must survive a crash, too.
            File::open(data_dir)?.sync_all()
        };
        let written = write();
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written.with_context(|| format!("could not write {}", path.display()))
    }

    /// All secret keys, the current one first.
    fn secret_keys(&self) -> impl Iterator<Item = Secret> {
        std::iter::once(&self.secret_key).chain(&self.old_secret_keys).map(Secret::new)
    }
}

/// The secret keys of a data folder. A process that runs notices when `elt keys` changes them.
#[derive(Debug)]
pub struct DataFolderKeys {
    pub data_dir: PathBuf,
    /// Keys that open, too.
    pub older: Vec<Secret>,
}

impl KeyProvider for DataFolderKeys {
    fn keys(&self) -> Result<Vec<Secret>, KeyError> {
        let path = self.data_dir.join(FILE);
        let file = secret_file::read(&path).map_err(|source| KeyError::File { path: path.clone(), source })?;
        let kept = KeptKeys::parse(&file.secret, &path)?;
        let keys: Vec<Secret> = kept.secret_keys().chain(self.older.iter().cloned()).collect();
        keys.iter().try_for_each(|key| KeyError::check(&format!("a secret key in {}", path.display()), key))?;
        Ok(keys)
    }

    fn stamp(&self) -> Option<Stamp> {
        Stamp::of_file(&self.data_dir.join(FILE))
    }
}
