//! What this process knows of files whose web servers do not answer HEAD. A later look asks for such a file under a condition, and
//! so costs one request without a body as long as the file is the same.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use elt_shared::config::FileOptions;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use xxhash_rust::xxh3::xxh3_128;

use crate::input::Version;

/// Most files that are remembered. All are forgotten when there would be more; the next look at each then costs two requests.
const MOST: usize = 4096;

static KNOWN: LazyLock<Mutex<HashMap<u128, Known>>> = LazyLock::new(Mutex::default);

/// What a web server says about a file without sending it.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// The name whose suffixes say how the file is read.
    pub(super) name: String,
    pub(super) version: Version,
}

/// A file as it was at the last look.
#[derive(Debug)]
pub(super) struct Known {
    /// The condition under which it is still the same.
    pub(super) unless: (HeaderName, HeaderValue),
    pub(super) head: Head,
}

/// Identifies a file. It is a hash, because an address may hold a secret. The name of a file depends on how its source says that
/// files are read.
pub(super) fn key(url: &Url, options: &FileOptions) -> u128 {
    xxh3_128(format!("{url}\0{options:?}").as_bytes())
}

/// What is known of a file. It is forgotten, so that HEAD is tried again unless it is [kept](keep).
pub(super) fn take(key: u128) -> Option<Known> {
    known().remove(&key)
}

pub(super) fn keep(key: u128, file: Known) {
    let mut known = known();
    if known.len() >= MOST {
        known.clear();
    }
    known.insert(key, file);
}

fn known() -> MutexGuard<'static, HashMap<u128, Known>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}
