//! Files that are encrypted with OpenPGP: the keys of a source, and what is inside a message.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use elt_shared::config::PgpOptions;
use elt_shared::explained::Code;
use pgp::composed::{
    DecryptionOptions, Deserializable, Edata, Esk, Message, SignedPublicKey, SignedSecretKey, TheRing,
};
use pgp::errors::Error;
use pgp::types::{Password, Seipdv1ReadMode, StringToKey};

use super::meter::{Allowance, Allowed};
use super::problem::{Halt, Problem};
use crate::humanize::unreadable;
use crate::roots::{OpenError, Roots};

/// The reason why an encrypted file is passed over by a source without keys.
pub(super) const NO_KEYS: &str =
    "it is encrypted, and the source has no key: write `pgp: {private_key: \"${secret:NAME}\"}`";
/// Most bytes of a file with keys.
const KEY_BYTES: u64 = 1 << 20;
/// Most bytes of what comes before the contents of a message: one encrypted key for each reader.
const HEAD_BYTES: u64 = 4 << 20;
/// Most encrypted keys of a message. Each is tried with a private key when it does not say for whom it is.
const MOST_KEYS: usize = 1_000;
/// Most passphrases of a message. Each may take a tenth of a second to try.
const MOST_PASSPHRASES: usize = 16;
/// The largest memory that trying a passphrase may take, as a power of two in KiB: 256 MiB.
const ARGON2_MEMORY: u8 = 18;
/// Most passes over that memory.
const ARGON2_PASSES: u8 = 8;
/// Layers around the contents of a message: signatures and compressions.
const LAYERS: usize = 4;

/// The keys of a source.
pub(super) struct Keys {
    /// Private keys, unlocked.
    private: Vec<SignedSecretKey>,
    passphrase: Option<Password>,
    /// The keys of which one must have signed each file. `None`: signatures are not looked at.
    senders: Option<Vec<SignedPublicKey>>,
}

/// The problem of an encrypted file in a source without keys.
pub(super) fn no_keys() -> Problem {
    let next_step = "Store the key with `elt secret`.";
    Problem::new(Code::PgpKey, NO_KEYS, next_step).skipped()
}

impl Keys {
    /// Reads and unlocks the keys of a source. `base`: where the relative paths of key files start; `roots`: the folders that
    /// they may be in.
    pub(super) fn load(options: &PgpOptions, base: &Path, roots: &Roots) -> Result<Self, Problem> {
        let passphrase = options.passphrase.as_ref().map(|passphrase| Password::from(passphrase.expose()));
        let mut private = Vec::new();
        if let Some(key) = &options.private_key {
            private = keys(key.expose(), base, roots).map_err(|why| unusable("pgp.private_key", &why))?;
            for key in &mut private {
                unlock(key, passphrase.as_ref())?;
            }
        }
        let senders = options.verify_key.as_ref().map(|key| keys(key, base, roots)).transpose();
        let senders = senders.map_err(|why| unusable("pgp.verify_key", &why))?;
        Ok(Self { private, passphrase, senders })
    }

    /// Opens a message as far as its contents.
    pub(super) fn open(&self, file: File) -> Result<Plain<'_>, Problem> {
        let allowance = Allowance::unlimited();
        allowance.set(HEAD_BYTES);
        let mut reader = BufReader::with_capacity(64 << 10, allowance.limit(file));
        let start = reader.fill_buf().map_err(|error| Problem::of_reading(&error))?;
        refuse_other_kinds(start)?;
        let message = self.decrypted(reader)?;
        allowance.lift();
        Ok(Plain { message, senders: self.senders.as_deref() })
    }

    fn decrypted(&self, reader: BufReader<Allowed<File>>) -> Result<Message<'static>, Problem> {
        let (message, _) = Message::from_reader(reader).map_err(|_| broken())?;
        let Message::Encrypted { esk, edata, .. } = &message else {
            return Err(Problem::new(
                Code::PgpUnprotected,
                "it is in the format of OpenPGP, but not encrypted",
                "Let the sender encrypt it with your public key.",
            ));
        };
        if matches!(edata, Edata::SymEncryptedData { .. }) {
            return Err(Problem::new(
                Code::PgpUnprotected,
                "it is encrypted without protection of its integrity, so that anyone could have changed it on its way",
                "Let the sender encrypt it with a program that is younger than 2003; every GnuPG from 2.2.8 on protects.",
            ));
        }
        refuse_endless_work(esk)?;
        let readers = readers(esk);
        let options = DecryptionOptions::new().enable_gnupg_aead().set_seipdv1_read_mode(Seipdv1ReadMode::Streaming);
        let empty = Password::empty();
        let ring = TheRing {
            secret_keys: self.private.iter().collect(),
            key_passwords: vec![&empty],
            message_password: self.passphrase.iter().collect(),
            decrypt_options: options,
            ..TheRing::default()
        };
        let (mut message, _) = message.decrypt_the_ring(ring, true).map_err(|error| match error {
            // A wrong passphrase makes a wrong key, which is noticed only when it is used.
            Error::MissingKey => self.not_for_us(&readers),
            _ if readers.is_empty() => self.not_for_us(&readers),
            _ => broken(),
        })?;
        for _ in 0..LAYERS {
            if message.literal_data_header().is_some() {
                return Ok(message);
            }
            if message.is_encrypted() {
                break;
            }
            message = message.decompress().map_err(|_| broken())?;
        }
        Err(Problem::broken("it is encrypted, compressed or signed in more layers than elt opens"))
    }

    fn not_for_us(&self, readers: &str) -> Problem {
        let (reason, next_step) = match (self.private.is_empty(), readers) {
            (true, "") => (
                "the passphrase of the source does not open it, or it is damaged".to_owned(),
                "Check `pgp: {passphrase: …}` in the source.",
            ),
            (true, readers) => (
                format!("it is encrypted for {readers}, and the source has only a passphrase"),
                "Write the private key in `pgp: {private_key: …}` of the source.",
            ),
            (false, "") => (
                "it is encrypted with a passphrase alone, and the source's is another one or missing".to_owned(),
                "Write the passphrase in `pgp: {passphrase: …}` of the source.",
            ),
            (false, readers) => (
                format!("it is encrypted for {readers}, and the private key of the source is another one"),
                "Let the sender encrypt it with your public key, or write the private key it is meant for in the source.",
            ),
        };
        Problem::new(Code::PgpKey, reason, next_step)
    }
}

/// The contents of a message, as they are read. They may be used only after all of them were read and
/// [verified](Plain::verify), because the integrity is known at the end.
pub(super) struct Plain<'a> {
    message: Message<'static>,
    senders: Option<&'a [SignedPublicKey]>,
}

impl Read for Plain<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.message.read(out)
    }
}

impl Plain<'_> {
    /// The same end of unpacking with a problem in the words of an encrypted file.
    pub(super) fn explain(&self, halt: Halt) -> Halt {
        match halt {
            Halt::Broken(problem) if problem.code == Code::ArchiveBroken => Halt::Broken(broken()),
            halt => halt,
        }
    }

    /// Checks the signature, once all was read.
    pub(super) fn verify(&self) -> Result<(), Problem> {
        let Some(senders) = self.senders else { return Ok(()) };
        if !self.message.is_signed() {
            return Err(unsigned("it is not signed, and `pgp.verify_key` asks for a signature"));
        }
        let is_valid = senders.iter().any(|sender| {
            let subkeys = || sender.public_subkeys.iter().any(|key| self.message.verify(key).is_ok());
            self.message.verify(sender).is_ok() || subkeys()
        });
        match is_valid {
            true => Ok(()),
            false => Err(unsigned("it has no valid signature by the key in `pgp.verify_key`")),
        }
    }
}

fn unsigned(reason: &str) -> Problem {
    Problem::new(Code::PgpSignature, reason, "Find out who sent the file, and whether their key has changed.")
}

fn broken() -> Problem {
    Problem::new(
        Code::PgpBroken,
        "it cannot be decrypted: it was damaged, cut off or changed on its way, or it is not a file of OpenPGP",
        "Copy the file again. If that does not help, ask its sender to encrypt it again.",
    )
}

fn unusable(key: &str, why: &str) -> Problem {
    Problem::new(
        Code::PgpKey,
        format!("the key in `{key}` cannot be used: {why}"),
        "Write the key in ASCII armor (`gpg --armor --export-secret-keys ID` for a private one), or the path of its file.",
    )
}

/// The keys in a text, or in the file whose path it is.
fn keys<T: Deserializable>(text: &str, base: &Path, roots: &Roots) -> Result<Vec<T>, String> {
    let bytes =
        if text.contains("-----BEGIN PGP") { text.trim_start().as_bytes().to_vec() } else { read(text, base, roots)? };
    let damaged = |_| "it is damaged, or of another kind".to_owned();
    let (found, _) = T::from_reader_many(bytes.as_slice()).map_err(damaged)?;
    let found: Vec<T> = found.collect::<Result<_, _>>().map_err(damaged)?;
    if found.is_empty() { Err("it is damaged, or of another kind".into()) } else { Ok(found) }
}

/// The bytes of a key file, which must be in a folder that the worker may read. The text may be a key that lost its first
/// line, so the message does not repeat it.
fn read(path: &str, base: &Path, roots: &Roots) -> Result<Vec<u8>, String> {
    if path.is_empty() || path.len() > 4096 || path.contains('\n') {
        return Err("it is neither a key in ASCII armor nor the path of one".into());
    }
    let opened = roots.open(&base.join(path)).map_err(|error| match error {
        OpenError::Unreadable(error) => unreadable(&error),
        refused => format!("it is not a key in ASCII armor, and as the path of one it {refused}"),
    })?;
    let is_file = opened.file.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= KEY_BYTES);
    if !is_file {
        return Err("what its path leads to is not a key".into());
    }
    let mut bytes = Vec::new();
    opened.file.take(KEY_BYTES).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    Ok(bytes)
}

/// Takes the passphrase off a key, which takes time and is done once for all files.
fn unlock(key: &mut SignedSecretKey, passphrase: Option<&Password>) -> Result<(), Problem> {
    let mut is_locked = key.primary_key.secret_params().is_encrypted();
    is_locked |= key.secret_subkeys.iter().any(|subkey| subkey.key.secret_params().is_encrypted());
    if !is_locked {
        return Ok(());
    }
    let Some(passphrase) = passphrase else {
        return Err(Problem::new(
            Code::PgpKey,
            "the key in `pgp.private_key` is locked, and there is no `pgp.passphrase`",
            "Write `pgp: {passphrase: \"${secret:NAME}\"}` in the source.",
        ));
    };
    // A primary key that is kept elsewhere has no secret part here, so that one subkey is enough.
    let mut unlocked = key.primary_key.remove_password(passphrase).is_ok();
    for subkey in &mut key.secret_subkeys {
        unlocked |= subkey.key.remove_password(passphrase).is_ok();
    }
    match unlocked {
        true => Ok(()),
        false => Err(Problem::new(
            Code::PgpKey,
            "the passphrase in `pgp.passphrase` does not unlock the key in `pgp.private_key`",
            "Write the right passphrase in the source.",
        )),
    }
}

/// Refuses a message whose head asks for hours of work, or for gigabytes, before its contents are known to be for us.
fn refuse_endless_work(esk: &[Esk]) -> Result<(), Problem> {
    let passphrases = esk.iter().filter_map(|esk| match esk {
        Esk::SymKeyEncryptedSessionKey(key) => Some(key.s2k()),
        Esk::PublicKeyEncryptedSessionKey(_) => None,
    });
    let is_costly = |s2k: &StringToKey| match s2k {
        StringToKey::Argon2 { t, m_enc, .. } => *m_enc > ARGON2_MEMORY || *t > ARGON2_PASSES,
        _ => false,
    };
    if esk.len() > MOST_KEYS || passphrases.clone().count() > MOST_PASSPHRASES {
        return Err(too_much_work(&format!(
            "it is encrypted for more than {MOST_KEYS} keys, or with more than {MOST_PASSPHRASES} passphrases"
        )));
    }
    if passphrases.flatten().any(is_costly) {
        return Err(too_much_work(
            "trying its passphrase takes more than 256 MiB of memory, or more than 8 passes over it",
        ));
    }
    Ok(())
}

fn too_much_work(reason: &str) -> Problem {
    let next_step = "Find out who made the file, and let the sender encrypt it with your public key.";
    Problem::new(Code::PgpBroken, reason, next_step)
}

/// The ids of the keys that a message is encrypted for, as people write them.
fn readers(esk: &[Esk]) -> String {
    let ids = esk.iter().filter_map(|esk| match esk {
        Esk::PublicKeyEncryptedSessionKey(key) => Some(match (key.id(), key.fingerprint()) {
            (Ok(id), _) => hex(id.as_ref()),
            (_, Ok(Some(fingerprint))) => hex(fingerprint.as_bytes()),
            _ => "a key that it does not name".to_owned(),
        }),
        Esk::SymKeyEncryptedSessionKey(_) => None,
    });
    let ids: Vec<String> = ids.take(4).collect();
    match ids.len() {
        0 => String::new(),
        1 => format!("the key {}", ids[0]),
        _ => format!("the keys {}", ids.join(", ")),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Refuses armored files that hold no data: signatures and keys, which often lie beside the data.
fn refuse_other_kinds(start: &[u8]) -> Result<(), Problem> {
    let text = String::from_utf8_lossy(&start[..start.len().min(4096)]);
    let Some((_, begun)) = text.split_once("-----BEGIN PGP ") else { return Ok(()) };
    let what = match begun {
        begun if begun.starts_with("SIGNATURE") => "it is the signature of another file",
        begun if begun.starts_with("PUBLIC KEY") => "it is a public key",
        begun if begun.starts_with("PRIVATE KEY") => "it is a private key",
        begun if begun.starts_with("SIGNED MESSAGE") => "it is signed, but not encrypted",
        _ => return Ok(()),
    };
    Err(Problem::new(Code::PgpUnprotected, what, "Name the file that holds the data.").skipped())
}
