//! What a server says about the content of a file, without sending it.

use std::fmt;
use std::time::Duration;

/// What tells one content of a remote file from the next. A server that says nothing about a file gives the default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Version {
    /// Size in bytes. `None`: the server does not say it.
    pub size: Option<u64>,
    /// Time of the last change, in milliseconds since the epoch. `None`: the server does not say it.
    pub modified: Option<i64>,
    /// The server's name for the content, such as an entity tag. `None`: it has none.
    pub tag: Option<String>,
}

impl Version {
    /// Time until the file will have been unchanged for `settle`, by this machine's clock; `None`: it has been already, or its
    /// age is not known.
    pub fn rests_in(&self, settle: Duration) -> Option<Duration> {
        let age = chrono::Utc::now().timestamp_millis() - self.modified?;
        // A time in the future says nothing about the last write, so the file is taken as unchanged.
        settle.checked_sub(Duration::from_millis(u64::try_from(age).ok()?)).filter(|missing| !missing.is_zero())
    }
}

/// All of it, for fingerprints.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, modified, tag } = self;
        write!(f, "{size:?} {modified:?} {tag:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed_ago(seconds: i64) -> Version {
        Version { modified: Some(chrono::Utc::now().timestamp_millis() - seconds * 1000), ..Version::default() }
    }

    #[test]
    fn a_file_rests_once_it_has_not_changed_for_the_time_to_settle() {
        let settle = Duration::from_secs(60);
        let missing = changed_ago(10).rests_in(settle).expect("still young");
        assert!((Duration::from_secs(45)..=Duration::from_secs(51)).contains(&missing), "{missing:?}");
        assert_eq!(changed_ago(120).rests_in(settle), None);
        assert_eq!(changed_ago(-120).rests_in(settle), None, "a time in the future says nothing");
        assert_eq!(Version::default().rests_in(settle), None, "nor does no time");
        assert_eq!(changed_ago(0).rests_in(Duration::ZERO), None);
    }
}
