//! Paths on servers: joined, and numbered where a name is taken.

/// Number of names that are tried in the folder to which a file is moved.
pub(super) const TRIED_NAMES: u32 = 1000;

/// The path of an entry of a folder.
pub(super) fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder if folder.ends_with('/') => format!("{folder}{name}"),
        folder => format!("{folder}/{name}"),
    }
}

/// The name of a file with a number before its suffix: `a.csv`, `a-2.csv`, `a-3.csv`, …
pub(super) fn numbered(file: &str, number: u32) -> String {
    match (number, file.split_once('.')) {
        (1, _) => file.to_owned(),
        (_, Some((stem, suffixes))) => format!("{stem}-{number}.{suffixes}"),
        (_, None) => format!("{file}-{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_file_keeps_its_suffixes() {
        assert_eq!(numbered("a.csv.gz", 1), "a.csv.gz");
        assert_eq!(numbered("a.csv.gz", 2), "a-2.csv.gz");
        assert_eq!(numbered("a", 3), "a-3");
    }

    #[test]
    fn names_are_joined_with_one_slash() {
        let joined = [join("", "a"), join("/", "a"), join("/out", "a"), join("/out/", "a")];
        assert_eq!(joined, ["a", "/a", "/out/a", "/out/a"]);
    }
}
