//! The key ring: seals a value for one place in the database, and opens it only there.
//!
//! A sealed value is XChaCha20-Poly1305 with a random nonce. The cipher's key is derived from a secret key by
//! HKDF-SHA256, because the same secret key also computes keyed hashes.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use rand::RngExt;
use sha2::Sha256;

use super::providers::{GivenKeys, KeyError, KeyProvider, Stamp};
use super::{PLACEHOLDER, Secret};
use crate::explained::Code;

const NONCE_BYTES: usize = 24;
/// Bytes of a key's id, written as twice as many hexadecimal digits.
const ID_BYTES: usize = 8;

/// What the subkeys of a secret key are for. A subkey is used for one purpose only.
const FOR_SEALING: &[u8] = b"elt v1: seal stored values with XChaCha20-Poly1305";
const FOR_ITS_ID: &[u8] = b"elt v1: name the secret key";

/// One current key, which seals, and older keys, which still open.
pub struct KeyRing {
    provider: Box<dyn KeyProvider>,
    keys: RwLock<Keys>,
}

/// The keys as the provider gave them.
struct Keys {
    stamp: Option<Stamp>,
    /// At least one. The first is the current key.
    list: Arc<[Key]>,
}

struct Key {
    id: String,
    secret: Secret,
    cipher: XChaCha20Poly1305,
}

/// The key that sealed at one moment.
pub struct CurrentKey(Arc<[Key]>);

/// A value that only its key opens, and only for the context it was sealed for.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The key that opens it.
    pub key_id: String,
    /// The nonce, then the ciphertext with its tag.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("key_id", &self.key_id).field("bytes", &PLACEHOLDER).finish()
    }
}

/// Why a sealed value does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was sealed with a key that is not in the ring.
    #[error("it is sealed with the secret key {key_id}, which this process does not have")]
    WrongKey {
        /// The key that would open it.
        key_id: String,
    },
    /// It is not what was sealed for this place.
    #[error("it is not what was sealed there with the secret key {key_id}: it was changed or moved")]
    Damaged {
        /// Id of the key that sealed it.
        key_id: String,
    },
}

impl OpenError {
    /// Stable code people can search for.
    pub fn code(&self) -> Code {
        match self {
            Self::WrongKey { .. } => Code::WrongSecretKey,
            Self::Damaged { .. } => Code::SealedValueDamaged,
        }
    }

    /// What the reader should do.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::WrongKey { .. } => {
                "Start every process with the key that it was sealed with: as ELT_SECRET_KEY, as one of ELT_SECRET_KEY_OLD, \
                 or in the keys.json of the data folder. `elt keys show` says what each key seals. Nothing is lost or \
                 overwritten until then."
            }
            Self::Damaged { .. } => "Restore the control database from a backup, or write the value again.",
        }
    }
}

/// The context of one field of one row. Different places never have the same context.
pub fn context(table: &str, row: &str, field: &str) -> Vec<u8> {
    let mut context = Vec::new();
    for part in [table, row, field] {
        // Each length is written, because `a` + `bc` and `ab` + `c` must differ.
        context.extend_from_slice(&(part.len() as u64).to_be_bytes());
        context.extend_from_slice(part.as_bytes());
    }
    context
}

impl KeyRing {
    /// The keys of a provider.
    ///
    /// # Errors
    /// When the provider has no usable key.
    pub fn new(provider: impl KeyProvider + 'static) -> Result<Self, KeyError> {
        let keys = Keys::of(&provider)?;
        Ok(Self { provider: Box::new(provider), keys: RwLock::new(keys) })
    }

    /// A current key and older ones that still open.
    ///
    /// # Errors
    /// When a key is short or obviously not random.
    pub fn of(current: Secret, older: Vec<Secret>) -> Result<Self, KeyError> {
        Self::new(GivenKeys::new(current, older)?)
    }

    /// Seals a value with the current key. It opens only for the same context, for which [`context`] is made. What the
    /// control database keeps is sealed with the key that `store::secret_keys::register` returns instead.
    pub fn seal(&self, context: &[u8], plaintext: &[u8]) -> Sealed {
        self.current().seal(context, plaintext)
    }

    /// The key that seals now. It stays the same when the keys of the ring change.
    pub fn current(&self) -> CurrentKey {
        CurrentKey(self.keys())
    }

    /// The value that was sealed for this context.
    ///
    /// # Errors
    /// When the ring lacks its key, or when it was changed or sealed for another context.
    pub fn open(&self, context: &[u8], sealed: &Sealed) -> Result<Vec<u8>, OpenError> {
        let keys = self.keys();
        let key = keys
            .iter()
            .find(|key| key.id == sealed.key_id)
            .ok_or_else(|| OpenError::WrongKey { key_id: sealed.key_id.clone() })?;
        let damaged = || OpenError::Damaged { key_id: sealed.key_id.clone() };
        let (nonce, text) = sealed.bytes.split_first_chunk::<NONCE_BYTES>().ok_or_else(damaged)?;
        key.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: text, aad: context }).map_err(|_| damaged())
    }

    /// The id of the key that seals.
    pub fn current_id(&self) -> String {
        self.keys()[0].id.clone()
    }

    /// The ids of all keys, the current one first.
    pub fn ids(&self) -> Vec<String> {
        self.keys().iter().map(|key| key.id.clone()).collect()
    }

    /// The id of a key. It cannot be used to guess the key.
    pub fn id_of(key: &Secret) -> String {
        Key::new(key.clone()).id
    }

    /// Computes something with each key, such as a keyed hash: the key's id and the result, the current key first.
    pub fn with_each<T>(&self, compute: impl Fn(&[u8]) -> T) -> Vec<(String, T)> {
        self.keys().iter().map(|key| (key.id.clone(), compute(key.secret.expose().as_bytes()))).collect()
    }

    /// The keys as they are now.
    fn keys(&self) -> Arc<[Key]> {
        let stamp = self.provider.stamp();
        let held = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        // Without a stamp nothing can have changed, or the file is being replaced right now.
        if stamp.is_none() || stamp == held.stamp {
            return Arc::clone(&held.list);
        }
        drop(held);
        let mut held = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        match Keys::of(&*self.provider) {
            Ok(keys) => *held = keys,
            Err(error) => {
                // Noted once per change of the file.
                tracing::error!("the secret keys changed and cannot be used, the ones before stay in use: {error}");
                held.stamp = stamp;
            }
        }
        Arc::clone(&held.list)
    }
}

impl CurrentKey {
    /// The key's id, which stands in front of everything that it seals.
    pub fn id(&self) -> &str {
        &self.0[0].id
    }

    /// Seals a value for a [`context`].
    pub fn seal(&self, context: &[u8], plaintext: &[u8]) -> Sealed {
        let key = &self.0[0];
        let nonce: [u8; NONCE_BYTES] = rand::rng().random();
        let payload = Payload { msg: plaintext, aad: context };
        let sealed = key.cipher.encrypt(&XNonce::from(nonce), payload).expect("the cipher seals up to 256 GiB");
        Sealed { key_id: key.id.clone(), bytes: [&nonce[..], &sealed].concat() }
    }
}

impl fmt::Debug for CurrentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CurrentKey").field(&self.id()).finish()
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyRing").field(&self.ids()).finish()
    }
}

impl Keys {
    fn of(provider: &dyn KeyProvider) -> Result<Self, KeyError> {
        // Taken before the keys are read: a change in between is then noticed at the next look.
        let stamp = provider.stamp();
        let mut list: Vec<Key> = Vec::new();
        for key in provider.keys()?.into_iter().map(Key::new) {
            if !list.iter().any(|known| known.id == key.id) {
                list.push(key);
            }
        }
        match list.is_empty() {
            true => Err(KeyError::Missing { place: format!("{provider:?}") }),
            false => Ok(Self { stamp, list: list.into() }),
        }
    }
}

impl Key {
    fn new(secret: Secret) -> Self {
        let derive = Hkdf::<Sha256>::new(None, secret.expose().as_bytes());
        let mut subkey = [0; 32];
        derive.expand(FOR_SEALING, &mut subkey).expect("HKDF-SHA256 gives up to 8160 bytes");
        let mut id = [0; ID_BYTES];
        derive.expand(FOR_ITS_ID, &mut id).expect("HKDF-SHA256 gives up to 8160 bytes");
        Self {
            id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
            secret,
            cipher: XChaCha20Poly1305::new(&subkey.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "an old secret key of the tests, long";
    const NEW: &str = "a new secret key of the tests, as long";

    fn ring(current: &str, older: &[&str]) -> KeyRing {
        KeyRing::of(current.into(), older.iter().map(|key| Secret::new(*key)).collect()).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_again_and_shows_nothing() {
        let ring = ring(NEW, &[]);
        for plaintext in [&b""[..], b"hunter2", &[0; 300_000]] {
            let sealed = ring.seal(b"row 1", plaintext);
            assert_eq!(ring.open(b"row 1", &sealed).unwrap(), plaintext);
            assert_eq!(sealed.bytes.len(), 24 + plaintext.len() + 16);
        }
        let (one, other) = (ring.seal(b"row 1", b"hunter2"), ring.seal(b"row 1", b"hunter2"));
        assert_ne!(one.bytes, other.bytes, "the same value never looks the same");
        let shown = format!("{one:?} {ring:?}");
        assert!(shown.contains(&one.key_id) && !shown.contains("secret key of the tests"), "{shown}");
    }

    #[test]
    fn another_key_is_named_as_the_wrong_one() {
        let sealed = ring(OLD, &[]).seal(b"row 1", b"hunter2");
        let error = ring(NEW, &[]).open(b"row 1", &sealed).unwrap_err();
        assert_eq!(error.code().as_str(), "wrong_secret_key");
        assert_eq!(error, OpenError::WrongKey { key_id: sealed.key_id.clone() });

        // A forged key id does not help.
        let forged = Sealed { key_id: ring(NEW, &[]).current_id(), ..sealed };
        assert_eq!(ring(NEW, &[]).open(b"row 1", &forged).unwrap_err().code().as_str(), "sealed_value_damaged");
    }

    #[test]
    fn a_value_opens_only_in_its_own_place() {
        let ring = ring(NEW, &[]);
        let sealed = ring.seal(&context("config_history", "12", "text"), b"hunter2");
        for (table, row, field) in [
            ("config_history", "13", "text"),
            ("config_history", "1", "2text"),
            ("secrets", "12", "text"),
            ("config_history", "12", "name"),
        ] {
            let error = ring.open(&context(table, row, field), &sealed).unwrap_err();
            assert_eq!(error.code().as_str(), "sealed_value_damaged", "{table} {row} {field}");
        }
        assert!(ring.open(b"", &sealed).is_err());
    }

    #[test]
    fn a_changed_byte_a_missing_end_and_an_empty_value_do_not_open() {
        let ring = ring(NEW, &[]);
        let sealed = ring.seal(b"row 1", b"hunter2");
        let broken = |bytes: Vec<u8>| {
            let error = ring.open(b"row 1", &Sealed { bytes, ..sealed.clone() }).unwrap_err();
            assert_eq!(error.code().as_str(), "sealed_value_damaged");
        };
        for place in 0..sealed.bytes.len() {
            let mut bytes = sealed.bytes.clone();
            bytes[place] ^= 1;
            broken(bytes);
        }
        for length in 0..sealed.bytes.len() {
            broken(sealed.bytes[..length].to_vec());
        }
        broken([&sealed.bytes[..], b"\0"].concat());
    }

    #[test]
    fn an_older_key_opens_and_the_current_one_seals() {
        let before = ring(OLD, &[]);
        let sealed = before.seal(b"row 1", b"hunter2");
        let both = ring(NEW, &[OLD, NEW]);
        assert_eq!(both.ids(), [ring(NEW, &[]).current_id(), before.current_id()]);
        assert_eq!(both.open(b"row 1", &sealed).unwrap(), b"hunter2");

        let again = both.seal(b"row 1", b"hunter2");
        assert_eq!(again.key_id, both.current_id());
        assert_eq!(before.open(b"row 1", &again).unwrap_err().code().as_str(), "wrong_secret_key");
    }

    #[test]
    fn what_the_first_release_sealed_still_opens() {
        const SEALED: &str = "be8bef81b71d35676f68f2d603e88155906c406032d0cb2e7b83a21ed5bec09f\
                              6015e90f3cb4addd37d5eec75350e3";
        let byte = |at| u8::from_str_radix(&SEALED[at..at + 2], 16).unwrap();
        let bytes = (0..SEALED.len()).step_by(2).map(byte).collect();
        let sealed = Sealed { key_id: "4cba360103dd5b69".into(), bytes };
        assert_eq!(ring(OLD, &[]).open(b"row 1", &sealed).unwrap(), b"hunter2");
    }
}
