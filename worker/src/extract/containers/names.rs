//! Names of the files inside archives. They may be any bytes, are shown with what is invisible in them written out, and are
//! never used as paths.

use std::borrow::Cow;

use elt_shared::explained::Code;
use elt_shared::invisible::is_invisible;

use super::problem::Problem;

/// Most bytes of a name, which is what a path may have on Linux.
const LONGEST: usize = 4096;

/// The name of a file inside an archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryName {
    /// The name as people see it.
    pub(super) shown: String,
    /// The folders and the file, with `/` between them and without `.`, for suffixes and globs.
    pub(super) path: String,
    /// What is wrong with it. `None`: the file may be read.
    trick: Option<&'static str>,
}

impl EntryName {
    /// The name that an archive gives to a file.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let parts: Vec<&str> = text.split(['/', '\\']).filter(|part| !matches!(*part, "" | ".")).collect();
        Self { shown: shown(bytes), path: parts.join("/"), trick: trick(bytes, &text, &parts) }
    }

    /// The reason why a file of this name is not read, however harmless its contents are: other programs would write it to a
    /// place outside the folder that they unpack the archive into.
    pub(super) fn problem(&self) -> Option<Problem> {
        let what = self.trick?;
        Some(Problem::new(
            Code::ArchiveName,
            format!("its name {what}, as in an archive that is made to harm"),
            "Find out who made the archive. To load the file, pack it again with a name below the archive.",
        ))
    }

    /// The reason why a file of this name is passed over.
    pub(super) fn hidden(&self) -> Option<&'static str> {
        let mut parts = self.path.split('/');
        if parts.clone().any(|part| part == "__MACOSX") {
            return Some("macOS put it into the archive beside the file that it belongs to");
        }
        parts
            .any(|part| part.starts_with('.'))
            .then_some("it is hidden: its name, or that of its folder, starts with a dot")
    }
}

fn trick(bytes: &[u8], text: &str, parts: &[&str]) -> Option<&'static str> {
    let mut start = text.chars();
    let has_drive = start.next().is_some_and(|letter| letter.is_ascii_alphabetic()) && start.next() == Some(':');
    if bytes.contains(&0) {
        Some("has a NUL byte")
    } else if bytes.len() > LONGEST {
        Some("is longer than a path can be")
    } else if parts.contains(&"..") {
        Some("leads out of the archive by `..`")
    } else if text.starts_with(['/', '\\']) || has_drive {
        Some("is an absolute path")
    } else if parts.is_empty() {
        Some("is empty")
    } else {
        None
    }
}

/// A name with its invisible characters and the bytes that are no UTF-8 written out.
pub(super) fn shown(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len().min(LONGEST));
    for chunk in bytes[..bytes.len().min(LONGEST)].utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_invisible(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

/// The name of a file inside an archive, after that of the archive.
pub(super) fn inside(archive: &str, entry: &str) -> String {
    format!("{archive}!{entry}")
}

/// A name for the end of a sentence, cut when it is long.
pub(super) fn short(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(120) {
        Some((end, _)) => Cow::Owned(format!("{}…", &name[..end])),
        None => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_the_archive_are_told_from_odd_ones() {
        for (name, path, is_trick) in [
            (&b"dir/x.csv"[..], "dir/x.csv", false),
            (b"./dir//x.csv", "dir/x.csv", false),
            (b"dir\\x.csv", "dir/x.csv", false),
            (b"a..b/x.csv", "a..b/x.csv", false),
            (b"caf\xe9.csv", "caf\u{fffd}.csv", false),
            (b"a:b.csv", "a:b.csv", true),
            (b"../x.csv", "../x.csv", true),
            (b"dir/../../x.csv", "dir/../../x.csv", true),
            (b"dir\\..\\x.csv", "dir/../x.csv", true),
            (b"/etc/x.csv", "etc/x.csv", true),
            (b"\\\\server\\x.csv", "server/x.csv", true),
            (b"C:\\x.csv", "C:/x.csv", true),
            (b"x.csv\0.txt", "x.csv\0.txt", true),
            (b"", "", true),
            (b"./", "", true),
        ] {
            let named = EntryName::of(name);
            assert_eq!((named.path.as_str(), named.problem().is_some()), (path, is_trick), "{:?}", named.shown);
        }
        assert!(EntryName::of(&[b'a'; 5000]).problem().is_some());
    }

    #[test]
    fn nothing_invisible_is_shown_as_it_is() {
        for (name, expected) in [
            (&b"a\nb\x1b[2J.csv"[..], "a\\u{a}b\\u{1b}[2J.csv"),
            ("a\u{202e}vsc.csv".as_bytes(), "a\\u{202e}vsc.csv"),
            (b"caf\xe9.csv", "caf\\xe9.csv"),
            (b"a\0b", "a\\u{0}b"),
            ("Gr\u{f6}\u{df}e \u{1f600}.csv".as_bytes(), "Gr\u{f6}\u{df}e \u{1f600}.csv"),
        ] {
            assert_eq!(shown(name), expected);
        }
        assert!(EntryName::of(b"__MACOSX/a/._x.csv").hidden().is_some());
        assert!(EntryName::of(b".git/x.csv").hidden().is_some());
        assert!(EntryName::of(b"a.b/x.csv").hidden().is_none());
    }
}
