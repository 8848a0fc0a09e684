//! The path of a config: the name of a file or folder, or a glob.

use globset::{GlobBuilder, GlobMatcher};

use super::error::{Result, StoreError};

/// Most levels of folders below the start of a glob that are listed.
const MAX_DEPTH: usize = 32;

/// The characters that a glob has, and other paths seldom.
const SPECIAL: [char; 4] = ['*', '?', '[', '{'];

/// Whether a path is a glob, unless something is there under that very name.
pub(in crate::extract) fn is_pattern(path: &str) -> bool {
    path.contains(SPECIAL)
}

/// What a path asks for.
#[derive(Debug, Clone)]
pub(in crate::extract) enum Wanted {
    /// One file, or the files of one folder.
    Named(String),
    /// The files that a glob matches. A file may have a star in its name: what exists under the very name is meant first.
    Glob {
        /// The beginning that all matches have: up to the last `/` before the first special character.
        start: String,
        /// The literal characters before the first special one, which all matches begin with.
        prefix: String,
        /// Levels of folders below `start` that matches may be in.
        depth: usize,
        /// The pattern, for whole paths.
        matcher: GlobMatcher,
    },
}

impl Wanted {
    /// `name`: the path as people see it.
    ///
    /// # Errors
    /// When the pattern cannot be understood.
    pub(in crate::extract) fn parse(path: &str, name: &str) -> Result<Self> {
        let Some(special) = path.find(SPECIAL) else { return Ok(Self::Named(path.to_owned())) };
        let refuse =
            |error: globset::Error| StoreError::BadGlob { name: name.to_owned(), reason: error.kind().to_string() };
        let start = path[..special].rfind('/').map_or("", |slash| &path[..=slash]);
        Ok(Self::Glob {
            start: start.to_owned(),
            prefix: path[..special].to_owned(),
            depth: if path.contains("**") { MAX_DEPTH } else { path[start.len()..].matches('/').count() },
            matcher: GlobBuilder::new(path).literal_separator(true).build().map_err(refuse)?.compile_matcher(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(path: &str) -> Option<(String, String, usize)> {
        match Wanted::parse(path, path).expect(path) {
            Wanted::Named(_) => None,
            Wanted::Glob { start, prefix, depth, .. } => Some((start, prefix, depth)),
        }
    }

    #[test]
    fn a_glob_has_a_start_and_a_prefix_that_all_its_matches_have() {
        let parts = |start: &str, prefix: &str, depth| Some((start.to_owned(), prefix.to_owned(), depth));
        assert_eq!(glob("out/sales-*.csv"), parts("out/", "out/sales-", 0));
        assert_eq!(glob("/out/2026-*/x.csv"), parts("/out/", "/out/2026-", 1));
        assert_eq!(glob("*.csv"), parts("", "", 0));
        assert_eq!(glob("a/**/b.csv"), parts("a/", "a/", MAX_DEPTH));
        assert_eq!(glob("a/b.csv"), None);
        assert_eq!(glob("a//b.csv"), None);
    }

    #[test]
    fn a_pattern_that_is_none_is_refused_with_its_name() {
        let error = Wanted::parse("a/[", "s3://b/a/[").expect_err("no glob").to_string();
        assert!(error.starts_with("s3://b/a/[ is not a valid glob pattern"), "{error}");
    }
}
