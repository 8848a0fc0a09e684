//! The log file: appended to by every process of the data folder, rotated by size.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::TelemetryError;
use crate::private_folder;

const NAME: &str = "elt.log";
const SIZE_LIMIT: u64 = 10 << 20;
/// `elt.log.1` is the youngest of those kept.
const KEPT: u32 = 5;

/// `elt.log` in the data folder. Writing never fails its caller: a full disk loses lines, not runs.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    size_limit: u64,
    file: Mutex<File>,
}

impl LogFile {
    pub fn open(data_dir: &Path) -> Result<Self, TelemetryError> {
        Self::with_limit(data_dir, SIZE_LIMIT)
    }

    fn with_limit(data_dir: &Path, size_limit: u64) -> Result<Self, TelemetryError> {
        let path = data_dir.join(NAME);
        let open = || {
            private_folder::create(data_dir)?;
            append_to(&path)
        };
        match open() {
            Ok(file) => Ok(Self { path, size_limit, file: Mutex::new(file) }),
            Err(source) => Err(TelemetryError::File { path, source }),
        }
    }

    /// Appends one line, in one write: lines of several processes do not mix.
    pub fn append(&self, line: &str) {
        let Ok(mut file) = self.file.lock() else { return };
        if file.metadata().is_ok_and(|metadata| metadata.len() >= self.size_limit)
            && let Ok(fresh) = self.rotate(&file)
        {
            *file = fresh;
        }
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }

    /// Moves the full file away, unless another process already did, and opens the one to go on with.
    fn rotate(&self, full: &File) -> io::Result<File> {
        let folder = File::open(self.path.parent().unwrap_or(Path::new(".")))?;
        folder.lock()?;
        let still_ours =
            fs::metadata(&self.path).is_ok_and(|there| full.metadata().is_ok_and(|ours| same(&there, &ours)));
        if still_ours {
            for age in (1..KEPT).rev() {
                let _ = fs::rename(self.aged(age), self.aged(age + 1));
            }
            fs::rename(&self.path, self.aged(1))?;
        }
        append_to(&self.path)
    }

    fn aged(&self, age: u32) -> PathBuf {
        self.path.with_file_name(format!("{NAME}.{age}"))
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    let file = private_folder::open(path, OpenOptions::new().append(true).create(true))?;
    Ok(file)
}

fn same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_moves_away_and_two_writers_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let one = LogFile::with_limit(folder.path(), 1_000).unwrap();
        let other = LogFile::with_limit(folder.path(), 1_000).unwrap();

        for number in 0..40 {
            one.append(&format!("one {number} {}", "x".repeat(40)));
            other.append(&format!("other {number} {}", "x".repeat(40)));
        }

        let all: String = names(folder.path()).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        assert_eq!(all.lines().count(), 80);
        assert!(names(folder.path()).len() > 2, "it was rotated");
    }

    #[test]
    fn other_accounts_read_no_lines() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        LogFile::with_limit(&data_dir, 1_000).unwrap();
        assert_eq!(fs::metadata(data_dir.join(NAME)).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&data_dir).unwrap().mode() & 0o066, 0, "nobody else may list the folder");
    }

    #[test]
    fn the_oldest_files_go() {
        let folder = tempfile::tempdir().unwrap();
        let log = LogFile::with_limit(folder.path(), 100).unwrap();

        for number in 0..40 {
            log.append(&format!("{number} {}", "x".repeat(100)));
        }

        assert_eq!(names(folder.path()).len(), 1 + KEPT as usize);
        assert!(fs::read_to_string(folder.path().join("elt.log")).unwrap().starts_with("39 "));
    }

    fn names(folder: &Path) -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}
