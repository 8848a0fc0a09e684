//! `pgp:`: how files that are encrypted with OpenPGP are decrypted.

use crate::config::field::Field;
use crate::config::keys::Key;
use crate::secret::Secret;

/// `pgp:`. At least one of `private_key` and `passphrase` is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PgpOptions {
    /// A private key in ASCII armor, or the path of its file, which may be binary.
    pub private_key: Option<Secret>,
    /// Passphrase of the private key, or of messages that are encrypted with a passphrase alone.
    pub passphrase: Option<Secret>,
    /// The public key in ASCII armor, or the path of its file, by which every file must be signed. `None`: signatures are
    /// not looked at.
    pub verify_key: Option<String>,
}

pub(super) const KEYS: &[Key] = &[
    Key::secret(
        "private_key",
        "The private key for .pgp, .gpg and .asc files, in ASCII armor, or the path of its file.",
    ),
    Key::secret("passphrase", "Passphrase of the private key, or of files that are encrypted with a passphrase alone."),
    Key::text(
        "verify_key",
        "The public key of the sender, or the path of its file: a file without a valid signature by it is refused.",
    ),
];

/// Reads the section.
pub(super) fn read(field: &Field<'_>) -> Option<PgpOptions> {
    let section = field.section(KEYS)?;
    let (private_key, passphrase) = (section.secret("private_key"), section.secret("passphrase"));
    if !section.wrote("private_key") && !section.wrote("passphrase") {
        field.problem("`private_key` is missing, or `passphrase` for files that are encrypted with a passphrase alone");
        return None;
    }
    Some(PgpOptions { private_key, passphrase, verify_key: section.filled_text("verify_key") })
}
