//! The names of uploaded files, and of the folders that pipelines have them in.

use std::ffi::OsStr;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::invisible::is_invisible;

/// Most bytes of a file's name.
const MAX_BYTES: usize = 200;
/// Most bytes of a pipeline's name that is the name of its folder as it is.
const MAX_PLAIN: usize = 100;
/// Most characters that are shown of another pipeline's name in the name of its folder.
const MAX_SHOWN: usize = 40;

/// The name of an uploaded file: one part of a path, visible, and the same text for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName(String);

/// The reason why a file cannot be uploaded under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is empty or too long.
    #[error("the name of a file has 1 to {MAX_BYTES} bytes")]
    Length,
    /// It has `/` or `\`.
    #[error("the name of a file has no / and no \\, because an inbox has no folders")]
    Separator,
    /// It has a character that cannot be seen.
    #[error("the name of a file has no control characters and no white space at its ends")]
    Invisible,
    /// It begins with a dot.
    #[error("the name of a file does not begin with a dot, because such files are hidden")]
    Hidden,
}

impl FileName {
    /// The name as a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as the file system takes it.
    pub(super) fn as_os(&self) -> &OsStr {
        OsStr::new(&self.0)
    }
}

impl FromStr for FileName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        if name.is_empty() || name.len() > MAX_BYTES {
            Err(NameError::Length)
        } else if name.contains(['/', '\\']) {
            Err(NameError::Separator)
        } else if name.contains(is_invisible) || name.trim() != name {
            Err(NameError::Invisible)
        } else if name.starts_with('.') {
            Err(NameError::Hidden)
        } else {
            Ok(Self(name.to_owned()))
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a pipeline's folder: the pipeline's name if every file system can tell it from all others, else what can be
/// shown of it and a hash, behind a `~` that no other folder has.
pub(super) fn folder(pipeline: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if (1..=MAX_PLAIN).contains(&pipeline.len()) && !pipeline.starts_with('.') && pipeline.chars().all(is_plain) {
        return pipeline.to_owned();
    }
    let show = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    let shown: String = pipeline.chars().take(MAX_SHOWN).map(show).collect();
    format!("{shown}~{}", fingerprint(pipeline))
}

/// 32 hexadecimal digits that stand for a text.
pub(super) fn fingerprint(text: &str) -> String {
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_visible_part_of_a_path() {
        for name in ["a.csv", "täglich 1.csv.gz", "a..b", "~", "-rf", "日本.csv"] {
            assert_eq!(name.parse::<FileName>().map(|name| name.to_string()), Ok(name.to_owned()));
        }
        for (name, error) in [
            ("", NameError::Length),
            (&*"a".repeat(201), NameError::Length),
            ("..", NameError::Hidden),
            (".", NameError::Hidden),
            (".partial", NameError::Hidden),
            ("../a.csv", NameError::Separator),
            ("/etc/passwd", NameError::Separator),
            ("a\\b.csv", NameError::Separator),
            ("a\0.csv", NameError::Invisible),
            ("a\n.csv", NameError::Invisible),
            ("a.csv ", NameError::Invisible),
            ("a\u{202e}vsc.exe", NameError::Invisible),
        ] {
            assert_eq!(name.parse::<FileName>(), Err(error), "{name:?}");
        }
    }

    #[test]
    fn each_pipeline_has_a_folder_of_its_own_which_is_no_path() {
        assert_eq!(folder("orders-2026.v1"), "orders-2026.v1");
        let names = ["Orders", "orders", "ORDERS", "..", ".", "", "a/b", "a_b", "é", "e\u{301}", "a~b", ".partial"];
        let long = "x".repeat(200);
        let folders: Vec<String> = names.into_iter().chain([&*long]).map(folder).collect();
        for (index, name) in folders.iter().enumerate() {
            assert!(!name.is_empty() && !name.starts_with('.') && !name.contains('/') && name.len() <= 100, "{name}");
            let lower = name.to_lowercase();
            assert!(folders.iter().skip(index + 1).all(|other| other.to_lowercase() != lower), "{name}");
        }
    }
}
