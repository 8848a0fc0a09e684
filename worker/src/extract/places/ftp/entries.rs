//! The lines of a listing: those of MLSD, which are made for programs, and those of LIST, which each server writes in its own
//! way.

use std::collections::HashMap;
use std::sync::LazyLock;

use chrono::NaiveDateTime;
use regex::Regex;

use crate::input::Version;

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file. `None`: the server must be asked for its version.
    File(Option<Version>),
    /// A folder, and what the server calls it by, which is the same for all ways to it. `None`: it has no such name.
    Folder(Option<String>),
    /// A link.
    Link,
    /// The folder itself, the one above, or something that is neither file nor folder.
    Other,
}

/// A line of MLSD or MLST: `type=file;size=12;modify=20260102030405; name`. `None`: it cannot be understood.
pub(super) fn of_facts(line: &str) -> Option<Entry> {
    let (facts, name) = line.split_once(' ')?;
    let facts: HashMap<String, &str> = facts
        .split(';')
        .filter(|fact| !fact.is_empty())
        .map(|fact| fact.split_once('=').map(|(name, value)| (name.to_ascii_lowercase(), value)))
        .collect::<Option<_>>()?;
    let kind = match facts.get("type")?.to_ascii_lowercase().as_str() {
        "file" => Kind::File(Some(Version {
            size: facts.get("size").and_then(|size| size.parse().ok()),
            modified: facts.get("modify").and_then(|time| milliseconds(time)),
            tag: None,
        })),
        "dir" => Kind::Folder(facts.get("unique").map(|&name| name.to_owned())),
        link if link.starts_with("os.unix=slink") || link.starts_with("os.unix=symlink") => Kind::Link,
        _ => Kind::Other,
    };
    (!name.is_empty()).then(|| Entry { name: name.to_owned(), kind })
}

/// `20260102030405.678` in UTC, in milliseconds since the epoch.
pub(super) fn milliseconds(time: &str) -> Option<i64> {
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let seconds = NaiveDateTime::parse_from_str(seconds, "%Y%m%d%H%M%S").ok()?.and_utc().timestamp();
    Some(seconds.checked_mul(1000)? + thousandths)
}

/// The lines of LIST on Unix and of programs that write like it.
static UNIX: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let rights = r"([-dlbcps])[-rwxsStTlL]{9}[+.@]?";
    let date = r"(?:\S+ +\d{1,2}\.? +(?:\d{1,2}:\d{2}|\d{4})|\d{4}-\d{2}-\d{2} +\d{2}:\d{2})";
    Regex::new(&format!(r"^{rights} +(?:\S+ +){{1,8}}?\d+ +{date} (.+)$")).ok()
});

/// The lines of LIST on Windows.
static WINDOWS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^\d{2}-\d{2}-\d{2,4} +\d{1,2}:\d{2}(?:[AP]M)? +(<DIR>|<JUNCTION>|<SYMLINKD?>|\d+) +(.+)$").ok()
});

/// A line of LIST. `Some(None)`: it is about no entry. `None`: it cannot be understood.
pub(super) fn of_list(line: &str) -> Option<Option<Entry>> {
    if line.trim().is_empty() || line.starts_with("total ") {
        return Some(None);
    }
    if let Some(found) = UNIX.as_ref().and_then(|unix| unix.captures(line)) {
        let name = found[2].to_owned();
        return Some(Some(match &found[1] {
            "-" => Entry { name, kind: Kind::File(None) },
            "d" => Entry { name, kind: Kind::Folder(None) },
            "l" => Entry { name: name.split(" -> ").next().unwrap_or_default().to_owned(), kind: Kind::Link },
            _ => Entry { name, kind: Kind::Other },
        }));
    }
    let found = WINDOWS.as_ref().and_then(|windows| windows.captures(line))?;
    let kind = match &found[1] {
        "<DIR>" => Kind::Folder(None),
        size if size.starts_with('<') => Kind::Link,
        _ => Kind::File(None),
    };
    Some(Some(Entry { name: found[2].to_owned(), kind }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(size: u64, modified: i64) -> Kind {
        Kind::File(Some(Version { size: Some(size), modified: Some(modified), tag: None }))
    }

    #[test]
    fn facts_are_read_whatever_their_order_and_case() {
        let entry = |name: &str, kind| Some(Entry { name: name.into(), kind });
        let at = 1_767_323_045_000;
        assert_eq!(of_facts("type=file;size=12;modify=20260102030405; a b.csv"), entry("a b.csv", file(12, at)));
        assert_eq!(
            of_facts("Modify=20260102030405.5;Perm=adfr;Size=0;Type=FILE;UNIQUE=9U1; x"),
            entry("x", file(0, at + 500))
        );
        assert_eq!(of_facts("type=dir;unique=801g2;  leading"), entry(" leading", Kind::Folder(Some("801g2".into()))));
        assert_eq!(of_facts("type=OS.unix=slink:/a;size=3; l"), entry("l", Kind::Link));
        assert_eq!(of_facts("type=cdir; ."), entry(".", Kind::Other));
        for line in ["", "type=file", "size=1; x", "type=file;oops; x", "type=file; "] {
            assert_eq!(of_facts(line), None, "{line}");
        }
        let unknown = Version { size: None, modified: None, tag: None };
        assert_eq!(of_facts("type=file;size=-1;modify=20261302030405; x"), entry("x", Kind::File(Some(unknown))));
    }

    #[test]
    fn the_lists_of_many_servers_are_read() {
        let read = |line: &str| of_list(line).map(|entry| entry.map(|entry| (entry.name, entry.kind)));
        let some = |name: &str, kind| Some(Some((name.to_owned(), kind)));
        for (line, name, kind) in [
            ("-rw-r--r--    1 1000     1000           12 Nov 29 22:00 a.csv", "a.csv", Kind::File(None)),
            ("-rw-r--r--+ 1 ftp ftp 123456789012 Jan 01  2024  two  blanks ", " two  blanks ", Kind::File(None)),
            ("drwxr-xr-x  12 user group with space 4096 Feb  3 2025 out", "out", Kind::Folder(None)),
            ("lrwxrwxrwx 1 root root 7 Mar 10 10:10 now -> old/now", "now", Kind::Link),
            ("-rw-r--r-- 1 owner 12 Dez  1 09:30 kein Gruppe.csv", "kein Gruppe.csv", Kind::File(None)),
            ("-rw-rw-r-- 1 u g 12 2026-11-29 22:00 iso.csv", "iso.csv", Kind::File(None)),
            ("crw-rw-r-- 1 root tty 5 Nov 29 22:00 tty", "tty", Kind::Other),
            ("02-23-26  09:11AM       <DIR>          out", "out", Kind::Folder(None)),
            ("02-23-2026  21:11             1234 a b.csv", "a b.csv", Kind::File(None)),
        ] {
            assert_eq!(read(line), some(name, kind), "{line}");
        }
        assert_eq!((read("total 12"), read("")), (Some(None), Some(None)));
        for line in ["a.csv", "-rw-r--r-- a.csv", "<html>", "+i8388621.48594,m825718503,r,s280,\tdjb.html"] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
