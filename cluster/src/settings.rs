//! What this crate reads of the environment.

use std::ffi::OsString;

/// The folders in which the server programs are searched.
pub(crate) fn search_path() -> Option<OsString> {
    std::env::var_os("PATH")
}

/// What the private PostgreSQL gets of this process's environment. It runs as another account when elt runs as root,
/// and an account can read the environment of its own processes: elt's keys and passwords must not be in it.
pub(crate) fn environment_of_servers() -> impl Iterator<Item = (&'static str, OsString)> {
    const NAMES: [&str; 4] = ["PATH", "HOME", "LD_LIBRARY_PATH", "TZDIR"];
    NAMES.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)))
}
