//! The installation's keys: given by setting, or written once into the data folder of `elt up`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use elt_shared::private_folder;
use elt_shared::secret::{GivenKeys, KeyError, KeyFile, KeyProvider, KeyRing, Secret, Stamp};
use elt_shared::settings::SecretKeySettings;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, refuse};

const FILE: &str = "keys.json";

/// What must be the same for every process of an installation, and survive restarts.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Signs tokens.
    pub jwt: Secret,
    /// Seals configs and secrets.
    pub ring: Arc<KeyRing>,
}

/// As the keys are kept, in a file only its owner may read.
#[derive(Serialize, Deserialize)]
struct KeptKeys {
    jwt_key: String,
    secret_key: String,
    /// Secret keys that only open, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    old_secret_keys: Vec<String>,
}

impl Keys {
    /// The keys of this data folder: those given win, the others are read, or made and written now.
    pub fn load_or_make(data_dir: &Path, jwt: Option<Secret>, secret: &SecretKeySettings) -> anyhow::Result<Self> {
        let given = (checked("ELT_JWT_KEY", jwt)?, given_ring(secret)?);
        if given.0.is_none() || given.1.is_none() {
            match KeptKeys::read(data_dir)? {
                Some(_) => {}
                None => KeptKeys::make(data_dir)?,
            }
        }
        Self::of(data_dir, given, secret)
    }

    /// The keys as given, or as `elt up` wrote them into this data folder. Makes none.
    pub fn find(data_dir: &Path, jwt: Option<Secret>, secret: &SecretKeySettings) -> anyhow::Result<Self> {
        Self::of(data_dir, (checked("ELT_JWT_KEY", jwt)?, given_ring(secret)?), secret)
    }

    fn of(
        data_dir: &Path,
        given: (Option<Secret>, Option<KeyRing>),
        secret: &SecretKeySettings,
    ) -> anyhow::Result<Self> {
        let jwt = match given.0 {
            Some(jwt) => jwt,
            None => KeptKeys::read(data_dir)?.ok_or_else(|| missing("ELT_JWT_KEY", data_dir))?.jwt_key.into(),
        };
        let ring = match given.1 {
            Some(ring) => Arc::new(ring),
            None => kept_ring(data_dir, secret)?,
        };
        Ok(Self { jwt, ring })
    }
}

/// The secret keys alone, as given or as `elt up` wrote them into this data folder. Makes none.
pub fn find_ring(data_dir: &Path, settings: &SecretKeySettings) -> anyhow::Result<Arc<KeyRing>> {
    match given_ring(settings)? {
        Some(ring) => Ok(Arc::new(ring)),
        None => kept_ring(data_dir, settings),
    }
}

/// The keys in ELT_SECRET_KEY or ELT_SECRET_KEY_FILE. `None`: neither is set.
fn given_ring(settings: &SecretKeySettings) -> anyhow::Result<Option<KeyRing>> {
    let older = settings.secret_key_old.clone();
    let ring = match (&settings.secret_key, &settings.secret_key_file) {
        (Some(key), _) => GivenKeys::new(key.clone(), older).and_then(KeyRing::new),
        (None, Some(file)) => KeyFile::new(file.clone(), older).and_then(KeyRing::new),
        (None, None) => return Ok(None),
    };
    ring.map(Some).map_err(unusable)
}

fn kept_ring(data_dir: &Path, settings: &SecretKeySettings) -> anyhow::Result<Arc<KeyRing>> {
    KeptKeys::read(data_dir)?.ok_or_else(|| missing("ELT_SECRET_KEY", data_dir))?;
    let kept = DataFolderKeys { data_dir: data_dir.to_owned(), older: settings.secret_key_old.clone() };
    Ok(Arc::new(KeyRing::new(kept).map_err(unusable)?))
}

/// The keys of a data folder. A process that runs notices when `elt keys` changes them.
#[derive(Debug)]
struct DataFolderKeys {
    data_dir: PathBuf,
    older: Vec<Secret>,
}

impl KeyProvider for DataFolderKeys {
    fn keys(&self) -> Result<Vec<Secret>, KeyError> {
        let path = self.data_dir.join(FILE);
        let text = fs::read_to_string(&path).map_err(|source| KeyError::File { path: path.clone(), source })?;
        let kept: KeptKeys = serde_json::from_str(&text).map_err(|_| KeyError::NotOurs(path.clone()))?;
        let keys: Vec<Secret> = kept.secret_keys().chain(self.older.iter().cloned()).collect();
        keys.iter().try_for_each(|key| KeyError::check(&format!("a secret key in {}", path.display()), key))?;
        Ok(keys)
    }

    fn stamp(&self) -> Option<Stamp> {
        Stamp::of_file(&self.data_dir.join(FILE))
    }
}

impl KeptKeys {
    fn read(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = data_dir.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("could not read {}", path.display())),
        };
        // What serde says may quote the file: it holds keys.
        serde_json::from_str(&text).map(Some).map_err(|_| {
            refuse(
                Exit::Settings,
                KeyError::NotOurs(path).to_string(),
                "Restore it from a backup. With new keys everybody has to log in again, and nothing that is sealed \
                 opens: configs and secrets are lost.",
            )
        })
    }

    /// Writes new keys, unless another process was faster: then its keys count.
    fn make(data_dir: &Path) -> anyhow::Result<()> {
        let made = Self { jwt_key: generate(), secret_key: generate(), old_secret_keys: Vec::new() };
        // Unlike a rename, a link never takes another file's place.
        made.write(data_dir, |unfinished, path| match fs::hard_link(unfinished, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::remove_file(unfinished),
            Err(error) => Err(error),
            Ok(()) => fs::remove_file(unfinished),
        })
    }

    /// Writes a file beside the keys and lets `publish` put it in their place.
    fn write(&self, data_dir: &Path, publish: impl FnOnce(&Path, &Path) -> io::Result<()>) -> anyhow::Result<()> {
        let path = data_dir.join(FILE);
        let unfinished = data_dir.join(format!("{FILE}.{}", std::process::id()));
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            private_folder::give_to_the_folders_owner(&file, &unfinished)?;
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

/// A key from the settings, refused when it is too short.
fn checked(name: &str, key: Option<Secret>) -> anyhow::Result<Option<Secret>> {
    match &key {
        Some(given) => KeyError::check(name, given).map_err(unusable).map(|()| key),
        None => Ok(None),
    }
}

fn unusable(error: KeyError) -> anyhow::Error {
    let next_step = match &error {
        KeyError::File { .. } => "Check the path, and that this account may read the file.",
        KeyError::NotOurs(_) => "Restore it from a backup.",
        KeyError::Missing { .. } => "Write one key a line into it; the first one seals.",
        KeyError::Short { .. } | KeyError::Weak { .. } => {
            "Set it to the output of `openssl rand -hex 32`, the same everywhere."
        }
    };
    refuse(Exit::Settings, error.to_string(), next_step)
}

fn missing(name: &str, data_dir: &Path) -> anyhow::Error {
    refuse(
        Exit::Settings,
        format!("{name} is not set, and {} holds no keys", data_dir.join(FILE).display()),
        format!("Set {name} to at least 32 random bytes (`openssl rand -hex 32`), the same everywhere."),
    )
}

/// 48 letters and digits: 285 bits.
fn generate() -> String {
    generate_of(48)
}

/// A password for a person: 20 letters and digits.
pub fn generate_password() -> String {
    generate_of(20)
}

fn generate_of(length: usize) -> String {
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(length).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    const GIVEN: &str = "a key that is long enough to be used";

    fn given(key: &str) -> SecretKeySettings {
        SecretKeySettings { secret_key: Some(key.into()), ..SecretKeySettings::default() }
    }

    fn ring(key: &str) -> KeyRing {
        KeyRing::of(key.into(), Vec::new()).unwrap()
    }

    #[test]
    fn keys_are_written_once_and_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let first = Keys::load_or_make(folder.path(), None, &SecretKeySettings::default()).unwrap();
        let again = Keys::load_or_make(folder.path(), None, &given(GIVEN)).unwrap();

        assert_eq!(first.jwt, again.jwt);
        assert_eq!(again.ring.ids(), ring(GIVEN).ids());
        assert_eq!(folder.path().join(FILE).metadata().unwrap().mode() & 0o777, 0o600);
        assert!(first.jwt.expose().len() >= 32);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "no unfinished file is left");
    }

    #[test]
    fn a_process_that_makes_no_keys_names_the_one_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let error = Keys::find(folder.path(), Some(GIVEN.into()), &SecretKeySettings::default()).unwrap_err();
        assert!(error.to_string().starts_with("ELT_SECRET_KEY is not set"), "{error}");
    }

    #[test]
    fn a_short_key_is_refused_wherever_it_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let short = "31 bytes are not quite enough..";
        let none = SecretKeySettings::default();
        let errors = [
            Keys::load_or_make(folder.path(), Some(short.into()), &none).unwrap_err(),
            Keys::find(folder.path(), Some(GIVEN.into()), &given(short)).unwrap_err(),
            find_ring(folder.path(), &given(short)).unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().ends_with("_KEY has 31 bytes, but needs at least 32"), "{error}");
        }
        let old = SecretKeySettings { secret_key_old: vec![short.into()], ..given(GIVEN) };
        let error = find_ring(folder.path(), &old).unwrap_err();
        assert!(error.to_string().starts_with("a key of ELT_SECRET_KEY_OLD has 31 bytes"), "{error}");
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "no keys are made");
    }
}
