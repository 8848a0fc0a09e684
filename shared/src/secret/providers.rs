//! Where the secret keys come from. A key management service is one more [`KeyProvider`].

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::{MIN_KEY_BYTES, Secret, is_strong};
use crate::secret_file::{self, SecretFileError};

/// A source of secret keys.
pub trait KeyProvider: fmt::Debug + Send + Sync {
    /// All keys. The first one seals, and every one opens.
    ///
    /// # Errors
    /// When the keys cannot be read, or when no key is there.
    fn keys(&self) -> Result<Vec<Secret>, KeyError>;

    /// A value that changes whenever the keys do. `None`: the keys never change while the process runs.
    fn stamp(&self) -> Option<Stamp> {
        None
    }
}

/// One state of the place that keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(u64, i64, i64, u64);

impl Stamp {
    /// The state of a file, or `None` while it cannot be found.
    pub fn of_file(path: &std::path::Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self(file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
    }
}

/// Why no key ring could be made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key could be guessed.
    #[error("{place} has {bytes} bytes, but needs at least {MIN_KEY_BYTES}")]
    Short {
        /// Where the key was given.
        place: String,
        /// Length of the value in bytes.
        bytes: usize,
    },
    /// A key is long enough, but repeats a few letters or a word.
    #[error("{place} is obviously not random")]
    Weak {
        /// Where the key was given.
        place: String,
    },
    /// A file of keys cannot be read.
    #[error("could not read the keys in {}: {source}", path.display())]
    File {
        /// Path of the file with the value.
        path: PathBuf,
        /// Why the file cannot be used.
        source: SecretFileError,
    },
    /// A file was not written by elt. Its text is not quoted, because it may hold keys.
    #[error("{} is not the file of keys elt wrote", .0.display())]
    NotOurs(PathBuf),
    /// The place was read and holds no key.
    #[error("{place} holds no key")]
    Missing {
        /// Where a key was expected.
        place: String,
    },
}

impl KeyError {
    /// Refuses a key that could be guessed. `place` names it in the message.
    ///
    /// # Errors
    /// When the key is short or obviously not random.
    pub fn check(place: &str, key: &Secret) -> Result<(), Self> {
        match key.expose().len() {
            bytes if bytes < MIN_KEY_BYTES => Err(Self::Short { place: place.to_owned(), bytes }),
            _ if !is_strong(key) => Err(Self::Weak { place: place.to_owned() }),
            _ => Ok(()),
        }
    }
}

/// The provider `env`: keys given by settings.
#[derive(Debug)]
pub struct GivenKeys(Vec<Secret>);

impl GivenKeys {
    /// # Errors
    /// When a key is short or obviously not random.
    pub fn new(current: Secret, older: Vec<Secret>) -> Result<Self, KeyError> {
        KeyError::check("ELT_SECRET_KEY", &current)?;
        older.iter().try_for_each(|key| KeyError::check("a key of ELT_SECRET_KEY_OLD", key))?;
        Ok(Self(std::iter::once(current).chain(older).collect()))
    }
}

impl KeyProvider for GivenKeys {
    fn keys(&self) -> Result<Vec<Secret>, KeyError> {
        Ok(self.0.clone())
    }
}

/// The provider `file`: a file with one key a line. It is read again when it changes.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    older: Vec<Secret>,
}

impl KeyFile {
    /// A file of keys. The keys in `older` open too.
    ///
    /// # Errors
    /// When a key in `older` is short or obviously not random.
    pub fn new(path: PathBuf, older: Vec<Secret>) -> Result<Self, KeyError> {
        older.iter().try_for_each(|key| KeyError::check("a key of ELT_SECRET_KEY_OLD", key))?;
        Ok(Self { path, older })
    }
}

impl KeyProvider for KeyFile {
    fn keys(&self) -> Result<Vec<Secret>, KeyError> {
        let text = match secret_file::read(&self.path) {
            Ok(file) => file.secret,
            Err(SecretFileError::Empty) => {
                return Err(KeyError::Missing { place: self.path.display().to_string() });
            }
            Err(source) => return Err(KeyError::File { path: self.path.clone(), source }),
        };
        let mut keys = Vec::new();
        for (line, key) in (1..).zip(text.expose().lines()).filter(|(_, key)| !key.trim().is_empty()) {
            let key = Secret::new(key.trim());
            KeyError::check(&format!("the key in line {line} of {}", self.path.display()), &key)?;
            keys.push(key);
        }
        Ok(keys.into_iter().chain(self.older.clone()).collect())
    }

    fn stamp(&self) -> Option<Stamp> {
        Stamp::of_file(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::KeyRing;

    const OLD: &str = "an old secret key of the tests, long";
    const NEW: &str = "a new secret key of the tests, as long";

    #[test]
    fn a_file_has_one_key_a_line_and_the_first_one_seals() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, format!("{OLD}\n")).unwrap();
        let ring = KeyRing::new(KeyFile::new(path.clone(), Vec::new()).unwrap()).unwrap();
        let sealed = ring.seal(b"row 1", b"hunter2");

        fs::write(&path, format!("\n  {NEW}  \r\n{OLD}\n")).unwrap();
        let again = ring.seal(b"row 1", b"hunter2");
        assert_ne!(again.key_id, sealed.key_id, "a running process seals with the new key at once");
        assert_eq!(ring.open(b"row 1", &sealed).unwrap(), b"hunter2");

        let other = KeyRing::of(NEW.into(), Vec::new()).unwrap();
        assert_eq!(other.open(b"row 1", &again).unwrap(), b"hunter2");
    }

    #[test]
    fn a_file_that_breaks_while_the_process_runs_leaves_the_keys_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, OLD).unwrap();
        let ring = KeyRing::new(KeyFile::new(path.clone(), Vec::new()).unwrap()).unwrap();
        let sealed = ring.seal(b"row 1", b"hunter2");
        for broken in ["", "short", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
            fs::write(&path, broken).unwrap();
            assert_eq!(ring.seal(b"row 1", b"x").key_id, sealed.key_id);
            assert_eq!(ring.open(b"row 1", &sealed).unwrap(), b"hunter2");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(ring.open(b"row 1", &sealed).unwrap(), b"hunter2");
    }

    #[test]
    fn a_key_that_could_be_guessed_is_refused_with_its_place_and_without_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, format!("{NEW}\nhunter2\n")).unwrap();
        let error = KeyFile::new(path.clone(), Vec::new()).unwrap().keys().unwrap_err().to_string();
        assert_eq!(error, format!("the key in line 2 of {} has 7 bytes, but needs at least 32", path.display()));
        let error = GivenKeys::new(NEW.into(), vec!["ab".repeat(20).into()]).unwrap_err().to_string();
        assert_eq!(error, "a key of ELT_SECRET_KEY_OLD is obviously not random");
    }
}
