//! The installation's keys: given by setting, or written once into the data folder of `elt up`.
//!
//! # Layout
//! - `kept`: the keys of a data folder
//! - `command`: `elt keys`
//! - `show`, `rotate`, `drop`: what it does

mod command;
mod drop;
mod kept;
mod rotate;
mod show;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use elt_shared::secret::{GivenKeys, KeyError, KeyFile, KeyRing, Secret};
use elt_shared::settings::SecretKeySettings;
use elt_shared::store::secret_keys::{self, DroppedKey, WrongKey};
use rand::RngExt;
use sqlx::PgPool;

use crate::exit::{Exit, refuse};
use crate::secret_settings;
pub use command::Command;
pub use kept::FILE;
use kept::{DataFolderKeys, KeptKeys};

/// What must be the same for every process of an installation, and survive restarts.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Signs tokens.
    pub jwt: Secret,
    /// Seals configs and secrets.
    pub ring: Arc<KeyRing>,
}

/// The keys of a start, before a first start writes those that it made. They are written only after [`check`] has accepted
/// them, so that a refused start leaves nothing behind.
pub struct Prepared {
    data_dir: PathBuf,
    older: Vec<Secret>,
    given: GivenByName,
    /// What the control database is checked with.
    ring: Arc<KeyRing>,
    /// Keys that are not written yet.
    made: Option<KeptKeys>,
}

/// The keys that settings name.
struct GivenByName {
    jwt: Option<Secret>,
    ring: Option<Arc<KeyRing>>,
}

impl Keys {
    /// The keys of this data folder: those given win, the others are read, or made.
    pub fn prepare(data_dir: &Path, jwt: Option<Secret>, secret: &SecretKeySettings) -> anyhow::Result<Prepared> {
        let given = GivenByName::of(jwt, secret)?;
        let needs_file = given.jwt.is_none() || given.ring.is_none();
        Prepared::of(data_dir, given, needs_file, secret)
    }

    /// The same for a command that needs the secret keys alone.
    pub fn prepare_ring(data_dir: &Path, secret: &SecretKeySettings) -> anyhow::Result<Prepared> {
        let given = GivenByName::of(None, secret)?;
        let needs_file = given.ring.is_none();
        Prepared::of(data_dir, given, needs_file, secret)
    }

    /// The keys as given, or as `elt up` wrote them into this data folder. Makes none.
    pub fn find(data_dir: &Path, jwt: Option<Secret>, secret: &SecretKeySettings) -> anyhow::Result<Self> {
        let given = GivenByName::of(jwt, secret)?;
        let ring = given.ring_or_kept(data_dir, &secret.secret_key_old);
        let jwt = match given.jwt {
            Some(jwt) => jwt,
            None => KeptKeys::read(data_dir)?.ok_or_else(|| missing("ELT_JWT_KEY", data_dir))?.jwt_key.into(),
        };
        Ok(Self { jwt, ring: ring?.ok_or_else(|| missing("ELT_SECRET_KEY", data_dir))? })
    }
}

impl GivenByName {
    fn of(jwt: Option<Secret>, secret: &SecretKeySettings) -> anyhow::Result<Self> {
        Ok(Self { jwt: checked("ELT_JWT_KEY", jwt)?, ring: given_ring(secret)?.map(Arc::new) })
    }

    fn ring_or_kept(&self, data_dir: &Path, older: &[Secret]) -> anyhow::Result<Option<Arc<KeyRing>>> {
        match &self.ring {
            Some(ring) => Ok(Some(Arc::clone(ring))),
            None => kept_ring(data_dir, older),
        }
    }
}

impl Prepared {
    fn of(data_dir: &Path, given: GivenByName, needs_file: bool, secret: &SecretKeySettings) -> anyhow::Result<Self> {
        let older = secret.secret_key_old.clone();
        let made = (needs_file && KeptKeys::read(data_dir)?.is_none()).then(KeptKeys::generate);
        let ring = match (given.ring_or_kept(data_dir, &older)?, &made) {
            (Some(ring), _) => ring,
            (None, Some(made)) => Arc::new(KeyRing::of(made.secret_key(), older.clone()).map_err(unusable)?),
            (None, None) => return Err(missing("ELT_SECRET_KEY", data_dir)),
        };
        Ok(Self { data_dir: data_dir.to_owned(), older, given, ring, made })
    }

    /// The secret keys with which the control database is checked.
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// Writes the keys that were made, unless another process was faster: then its keys count. Returns all keys.
    pub fn write(self) -> anyhow::Result<Keys> {
        let data_dir = self.data_dir.clone();
        let jwt = self.given.jwt.clone();
        let ring = self.write_ring()?;
        let jwt = match jwt {
            Some(jwt) => jwt,
            None => KeptKeys::read(&data_dir)?.ok_or_else(|| missing("ELT_JWT_KEY", &data_dir))?.jwt_key.into(),
        };
        Ok(Keys { jwt, ring })
    }

    /// The same for the secret keys alone.
    pub fn write_ring(self) -> anyhow::Result<Arc<KeyRing>> {
        if let Some(made) = self.made {
            made.keep(&self.data_dir)?;
        }
        let ring = self.given.ring_or_kept(&self.data_dir, &self.older)?;
        ring.ok_or_else(|| missing("ELT_SECRET_KEY", &self.data_dir))
    }
}

/// The secret keys alone, as given or as `elt up` wrote them into this data folder. Makes none.
pub fn find_ring(data_dir: &Path, settings: &SecretKeySettings) -> anyhow::Result<Arc<KeyRing>> {
    find_ring_if_any(data_dir, settings)?.ok_or_else(|| missing("ELT_SECRET_KEY", data_dir))
}

/// The same. `None`: no key was given, and the data folder has none.
pub fn find_ring_if_any(data_dir: &Path, settings: &SecretKeySettings) -> anyhow::Result<Option<Arc<KeyRing>>> {
    match given_ring(settings)? {
        Some(ring) => Ok(Some(Arc::new(ring))),
        None => kept_ring(data_dir, &settings.secret_key_old),
    }
}

/// The keys in ELT_SECRET_KEY or ELT_SECRET_KEY_FILE. `None`: neither is set.
fn given_ring(settings: &SecretKeySettings) -> anyhow::Result<Option<KeyRing>> {
    let older = settings.secret_key_old.clone();
    let ring = match (&settings.secret_key, &settings.secret_key_file) {
        (Some(key), _) => GivenKeys::new(key.clone(), older).and_then(KeyRing::new),
        (None, Some(file)) => {
            secret_settings::warn_of_readers("ELT_SECRET_KEY_FILE", file);
            KeyFile::new(file.clone(), older).and_then(KeyRing::new)
        }
        (None, None) => return Ok(None),
    };
    ring.map(Some).map_err(unusable)
}

/// Whether the settings name the keys, so that their operator changes them.
fn are_given(settings: &SecretKeySettings) -> bool {
    settings.secret_key.is_some() || settings.secret_key_file.is_some()
}

/// The keys of the data folder. `None`: it has none.
fn kept_ring(data_dir: &Path, older: &[Secret]) -> anyhow::Result<Option<Arc<KeyRing>>> {
    if KeptKeys::read(data_dir)?.is_none() {
        return Ok(None);
    }
    let kept = DataFolderKeys { data_dir: data_dir.to_owned(), older: older.to_vec() };
    Ok(Some(Arc::new(KeyRing::new(kept).map_err(unusable)?)))
}

/// Refuses keys that do not open what is sealed in the control database, and a current key that was dropped. Changes
/// nothing.
pub async fn check(db: &PgPool, keys: &KeyRing) -> anyhow::Result<()> {
    check_current(db, keys).await?;
    find_missing(db, keys).await?.map_or(Ok(()), |wrong| Err(wrong_key(&wrong)))
}

/// Refuses a current key that was dropped.
async fn check_current(db: &PgPool, keys: &KeyRing) -> anyhow::Result<()> {
    let mut connection = db.acquire().await.context("could not reach the control database")?;
    let checked = secret_keys::check_current(&mut connection, keys).await.context("could not check the secret keys")?;
    checked.map_err(|dropped| refuse(Exit::Settings, format!("{}: {dropped}", DroppedKey::CODE), DroppedKey::NEXT_STEP))
}

/// Records the current key in a control database that has no key yet, and refuses keys that cannot open what is sealed
/// there.
pub async fn claim(db: &PgPool, keys: &KeyRing) -> anyhow::Result<()> {
    check_current(db, keys).await?;
    let claimed = async { secret_keys::claim(&mut *db.acquire().await?, keys).await };
    claimed.await.context("could not make the secret key known")?;
    check(db, keys).await
}

/// Refuses a current key that nothing in the control database is sealed or signed with, because the processes that run
/// would not open what a command seals with it, nor add to an audit that it signs.
pub async fn require_known_current(db: &PgPool, keys: &KeyRing) -> anyhow::Result<()> {
    let mut connection = db.acquire().await.context("could not reach the control database")?;
    if secret_keys::knows_current(&mut connection, keys).await.context("could not check the secret keys")? {
        return Ok(());
    }
    Err(refuse(
        Exit::Settings,
        format!("nothing is sealed with the current secret key {} yet", keys.current_id()),
        "If it is the new key of a rotation, run `elt keys rotate` first. Otherwise correct ELT_SECRET_KEY. Nothing was \
         changed.",
    ))
}

/// The keys that seal something in the control database and are not in the ring.
async fn find_missing(db: &PgPool, keys: &KeyRing) -> anyhow::Result<Option<WrongKey>> {
    let mut connection = db.acquire().await.context("could not reach the control database")?;
    Ok(secret_keys::check(&mut connection, keys).await.context("could not check the secret keys")?.err())
}

fn wrong_key(wrong: &WrongKey) -> anyhow::Error {
    refuse(Exit::Settings, wrong.to_string(), WrongKey::NEXT_STEP)
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

/// No key was given, and the data folder has none.
pub fn missing(name: &str, data_dir: &Path) -> anyhow::Error {
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
        let prepare = |secret: &SecretKeySettings| Keys::prepare(folder.path(), None, secret).unwrap();
        let (faster, slower) = (prepare(&SecretKeySettings::default()), prepare(&SecretKeySettings::default()));
        assert_ne!(faster.ring().ids(), slower.ring().ids());
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing is written before the keys are accepted");
        let first = faster.write().unwrap();
        let second = slower.write().unwrap();
        let again = prepare(&given(GIVEN)).write().unwrap();

        assert_eq!((&first.jwt, first.ring.ids()), (&second.jwt, second.ring.ids()));
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
            Keys::prepare(folder.path(), Some(short.into()), &none).err().unwrap(),
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
