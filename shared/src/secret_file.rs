//! A secret in a file: what a setting such as `ELT_JWT_KEY_FILE` or `ELT_SECRET_KEY_FILE` names.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

use crate::secret::Secret;

/// Larger files are refused, because no secret is that long.
const MAX_BYTES: u64 = 64 * 1024;
/// The permission of accounts that are neither the owner nor in the file's group.
const READABLE_BY_OTHERS: u32 = 0o004;
/// All permissions of accounts that are not the owner.
const USABLE_BY_OTHERS: u32 = 0o077;

/// A file that was read.
#[derive(Debug)]
pub struct SecretFile {
    /// Its text without the line end at its end.
    pub secret: Secret,
    /// Whether every account of the machine may read the file.
    pub is_readable_by_others: bool,
    /// Whether no account but the file's owner may use it.
    pub is_private: bool,
}

/// Why a file holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// There is nothing with this path.
    #[error("the file does not exist")]
    Missing,
    /// The account of this process may not read it, or the disk fails.
    #[error("it cannot be read ({0})")]
    Unreadable(io::ErrorKind),
    /// A folder, a pipe or a device.
    #[error("it is not a regular file")]
    NotRegular,
    /// More than [`MAX_BYTES`].
    #[error("it is larger than 64 KiB")]
    TooLarge,
    /// Nothing, or only white space.
    #[error("it is empty")]
    Empty,
    /// Bytes that are not UTF-8, or a NUL character.
    #[error("it is not a text in UTF-8")]
    NotText,
}

impl From<io::Error> for SecretFileError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Missing,
            io::ErrorKind::IsADirectory => Self::NotRegular,
            kind => Self::Unreadable(kind),
        }
    }
}

/// Reads the secret in a file. Links are followed, because Kubernetes gives secrets as links.
///
/// # Errors
/// When the file is not a regular file with 1 byte to 64 KiB of text.
pub fn read(path: &Path) -> Result<SecretFile, SecretFileError> {
    let file = open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(SecretFileError::NotRegular);
    }
    let mut bytes = Vec::new();
    // The size in the metadata is not trusted, because the file may grow meanwhile.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SecretFileError::TooLarge);
    }
    let text = String::from_utf8(bytes).map_err(|_| SecretFileError::NotText)?;
    if text.contains('\0') {
        return Err(SecretFileError::NotText);
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.trim().is_empty() {
        return Err(SecretFileError::Empty);
    }
    Ok(SecretFile {
        secret: Secret::new(line),
        is_readable_by_others: metadata.mode() & READABLE_BY_OTHERS != 0,
        is_private: metadata.mode() & USABLE_BY_OTHERS == 0,
    })
}

/// Opens without waiting: a pipe without a writer would stop the start for good.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    fn read_text(content: &[u8]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, content).unwrap();
        read(&path).map(|file| file.secret.expose().to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn one_line_end_is_no_part_of_the_secret() {
        for content in ["correct horse", "correct horse\n", "correct horse\r\n"] {
            assert_eq!(read_text(content.as_bytes()).unwrap(), "correct horse", "{content:?}");
        }
        assert_eq!(read_text(b" two \n\n").unwrap(), " two \n", "only the last line end is left out");
    }

    #[test]
    fn a_file_without_a_secret_is_refused_in_words() {
        for (content, problem) in [
            (&b""[..], "it is empty"),
            (b"\n", "it is empty"),
            (b" \t\r\n", "it is empty"),
            (b"caf\xe9", "it is not a text in UTF-8"),
            (b"a\0b", "it is not a text in UTF-8"),
            (&vec![b'x'; 64 * 1024 + 1], "it is larger than 64 KiB"),
        ] {
            assert_eq!(read_text(content).unwrap_err(), problem);
        }
        assert_eq!(read_text(&vec![b'x'; 64 * 1024]).unwrap().len(), 64 * 1024);
    }

    #[test]
    fn only_a_regular_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("folder")).unwrap();
        mkfifo(&path("pipe"), Mode::S_IRWXU).unwrap();
        fs::write(path("file"), "correct horse").unwrap();
        symlink("file", path("link")).unwrap();
        symlink("pipe", path("link to a pipe")).unwrap();
        symlink("nowhere", path("broken link")).unwrap();

        let problem = |path: &Path| read(path).unwrap_err().to_string();
        for name in ["folder", "pipe", "link to a pipe"] {
            assert_eq!(problem(&path(name)), "it is not a regular file", "{name}");
        }
        assert_eq!(problem(Path::new("/dev/zero")), "it is not a regular file");
        for name in ["missing", "broken link", "file/below"] {
            assert_eq!(problem(&path(name)), "the file does not exist", "{name}");
        }
        assert_eq!(read(&path("link")).unwrap().secret.expose(), "correct horse");
    }

    #[test]
    fn a_file_that_every_account_may_read_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "correct horse").unwrap();
        for (mode, expected) in [(0o600, false), (0o640, false), (0o644, true), (0o604, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).unwrap().is_readable_by_others, expected, "{mode:o}");
        }
        for (mode, expected) in [(0o600, true), (0o400, true), (0o640, false), (0o620, false), (0o601, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).unwrap().is_private, expected, "{mode:o}");
        }
    }
}
