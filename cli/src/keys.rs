//! The installation's keys: given by setting, or written once into the data folder of `elt up`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use elt_shared::private_folder;
use elt_shared::secret::Secret;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, refuse};

const FILE: &str = "keys.json";
/// Shorter keys could be guessed.
const MIN_BYTES: usize = 32;

/// What must be the same for every process of an installation, and survive restarts.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Signs tokens.
    pub jwt: Secret,
    /// Recognises a config that was uploaded before, by a keyed hash of its text.
    pub secret: Secret,
}

/// As the keys are kept, in a file only its owner may read.
#[derive(Serialize, Deserialize)]
struct KeyFile {
    jwt_key: String,
    secret_key: String,
}

impl Keys {
    /// The keys of this data folder: those given win, the others are read, or made and written now.
    pub fn load_or_make(data_dir: &Path, jwt: Option<Secret>, secret: Option<Secret>) -> anyhow::Result<Self> {
        let (jwt, secret) = (checked("ELT_JWT_KEY", jwt)?, checked("ELT_SECRET_KEY", secret)?);
        if let (Some(jwt), Some(secret)) = (&jwt, &secret) {
            return Ok(Self { jwt: jwt.clone(), secret: secret.clone() });
        }
        let kept = match Self::read(data_dir)? {
            Some(kept) => kept,
            None => Self::make(data_dir)?,
        };
        Ok(Self { jwt: jwt.unwrap_or(kept.jwt), secret: secret.unwrap_or(kept.secret) })
    }

    /// The keys as given, or as `elt up` wrote them into this data folder. Makes none.
    pub fn find(data_dir: &Path, jwt: Option<Secret>, secret: Option<Secret>) -> anyhow::Result<Self> {
        let jwt = match checked("ELT_JWT_KEY", jwt)? {
            Some(jwt) => jwt,
            None => Self::read(data_dir)?.ok_or_else(|| missing("ELT_JWT_KEY", data_dir))?.jwt,
        };
        Ok(Self { jwt, secret: Self::find_secret(data_dir, secret)? })
    }

    /// The secret key, as given or as `elt up` wrote it into this data folder.
    pub fn find_secret(data_dir: &Path, secret: Option<Secret>) -> anyhow::Result<Secret> {
        if let Some(secret) = checked("ELT_SECRET_KEY", secret)? {
            return Ok(secret);
        }
        let kept = Self::read(data_dir)?;
        kept.map(|kept| kept.secret).ok_or_else(|| missing("ELT_SECRET_KEY", data_dir))
    }

    fn read(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = data_dir.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("could not read {}", path.display())),
        };
        // What serde says may quote the file: it holds keys.
        let file: KeyFile = serde_json::from_str(&text).map_err(|_| {
            let message = format!("{} is not the file of keys elt wrote", path.display());
            refuse(
                Exit::Settings,
                message,
                "Restore it from a backup. With new keys everybody has to log in again, and a config uploaded before \
                 counts as a new one.",
            )
        })?;
        Ok(Some(Self { jwt: file.jwt_key.into(), secret: file.secret_key.into() }))
    }

    /// Writes new keys, unless another process was faster: then its keys count.
    fn make(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join(FILE);
        let made = KeyFile { jwt_key: generate(), secret_key: generate() };
        let unfinished = data_dir.join(format!("{FILE}.{}", std::process::id()));
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
            file.write_all(&serde_json::to_vec_pretty(&made)?)?;
            file.sync_all()?;
            private_folder::give_to_the_folders_owner(&file, &unfinished)?;
            // Unlike a rename, a link never takes another file's place.
            let linked = fs::hard_link(&unfinished, &path);
            fs::remove_file(&unfinished)?;
            match linked {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                _ => Ok(()),
            }
        };
        write().with_context(|| format!("could not write {}", path.display()))?;
        Self::read(data_dir)?.with_context(|| format!("could not read {} back", path.display()))
    }
}

/// A key from the settings, refused when it is too short.
fn checked(name: &str, key: Option<Secret>) -> anyhow::Result<Option<Secret>> {
    match key {
        Some(key) if key.expose().len() < MIN_BYTES => Err(refuse(
            Exit::Settings,
            format!("{name} has {} bytes, but needs at least {MIN_BYTES}", key.expose().len()),
            format!("Set {name} to the output of `openssl rand -hex 32`, the same everywhere."),
        )),
        key => Ok(key),
    }
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

    #[test]
    fn keys_are_written_once_and_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let first = Keys::load_or_make(folder.path(), None, None).unwrap();
        let given = "a key that is long enough to be used";
        let again = Keys::load_or_make(folder.path(), None, Some(Secret::new(given))).unwrap();

        assert_eq!(first.jwt, again.jwt);
        assert_eq!(again.secret.expose(), given);
        assert_eq!(folder.path().join(FILE).metadata().unwrap().mode() & 0o777, 0o600);
        assert!(first.jwt.expose().len() >= 32);
    }

    #[test]
    fn a_process_that_makes_no_keys_names_the_one_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let given = || Some(Secret::new("a key that is long enough to be used"));
        let error = Keys::find(folder.path(), given(), None).unwrap_err();
        assert!(error.to_string().starts_with("ELT_SECRET_KEY is not set"), "{error}");
    }

    #[test]
    fn a_short_key_is_refused_wherever_it_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let short = || Some(Secret::new("31 bytes are not quite enough.."));
        let errors = [
            Keys::load_or_make(folder.path(), short(), None).unwrap_err(),
            Keys::find(folder.path(), short(), None).unwrap_err(),
            Keys::find_secret(folder.path(), short()).unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().ends_with("_KEY has 31 bytes, but needs at least 32"), "{error}");
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "no keys are made");
    }
}
