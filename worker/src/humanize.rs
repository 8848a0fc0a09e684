//! Sizes, accounts and errors of the file system, in words for people.

use std::io;

use nix::errno::Errno;

/// A number of bytes, such as `512 bytes` or `1.5 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1 << 10 {
        return format!("{bytes} bytes");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// Name of the account that this process runs as, or its number if it has none.
pub(crate) fn account() -> String {
    let account = nix::unistd::geteuid();
    let user = nix::unistd::User::from_uid(account).ok().flatten();
    user.map_or_else(|| account.to_string(), |user| user.name)
}

/// The reason why a file or folder cannot be read, as a sentence about it that begins with "it", "this" or "the".
pub(crate) fn unreadable(error: &io::Error) -> String {
    let sentence = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => "it is missing",
        Some(Errno::EACCES | Errno::EPERM) => "this account may not read it",
        Some(Errno::ELOOP) => "it is a loop of links",
        Some(Errno::ENOTDIR) => "it is missing, because a part of its path is a file and not a folder",
        Some(Errno::EISDIR) => "it is a folder",
        Some(Errno::ENAMETOOLONG) => "its name is too long",
        Some(Errno::EIO) => "the disk reports an error",
        Some(Errno::EMFILE | Errno::ENFILE) => "too many files are open on this machine",
        Some(Errno::ESTALE) => "its network drive was disconnected",
        Some(other) => return format!("it cannot be read: {}", other.desc()),
        None => return format!("it cannot be read: {error}"),
    };
    sentence.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{size, unreadable};

    #[test]
    fn failures_of_the_file_system_are_sentences_without_numbers() {
        for (number, expected) in [
            (2, "it is missing"),
            (13, "this account may not read it"),
            (40, "it is a loop of links"),
            (5, "the disk reports an error"),
        ] {
            assert_eq!(unreadable(&std::io::Error::from_raw_os_error(number)), expected);
        }
        let other = unreadable(&std::io::Error::from_raw_os_error(19));
        assert!(other.starts_with("it cannot be read: ") && !other.contains("os error"), "{other}");
    }

    #[test]
    fn bytes_are_shown_in_the_unit_that_fits() {
        let shown: Vec<_> = [0, 1023, 1024, 1_572_864, 1 << 30, 1 << 53].into_iter().map(size).collect();
        assert_eq!(shown, ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 MiB", "1.0 GiB", "8192.0 TiB"]);
    }
}
