//! Paths on servers: joined, and numbered where a name is taken.

use super::byte_names;

/// Number of names that are tried in the folder to which a file is moved.
const TRIED_NAMES: u32 = 1000;

/// The path of an entry of a folder.
pub(super) fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder if folder.ends_with('/') => format!("{folder}{name}"),
        folder => format!("{folder}/{name}"),
    }
}

/// The name of a file with a number before its suffix: `a.csv`, `a-2.csv`, `a-3.csv`, …
fn numbered(file: &str, number: u32) -> String {
    match (number, file.split_once('.')) {
        (1, _) => file.to_owned(),
        (_, Some((stem, suffixes))) => format!("{stem}-{number}.{suffixes}"),
        (_, None) => format!("{file}-{number}"),
    }
}

/// The first path of a moved file at which there is nothing yet, because moving must not overwrite a file.
///
/// `path_of` makes the path of a file name in the folder, `is_taken` asks the server about a path, and `unreadable` makes the
/// error of a folder in which all names are taken.
pub(super) async fn free_path<E, F: Future<Output = Result<bool, E>>>(
    loaded: &str,
    path_of: impl Fn(&str) -> String,
    is_taken: impl Fn(String) -> F,
    unreadable: impl FnOnce(String) -> E,
) -> Result<String, E> {
    let file = loaded.rsplit('/').next().unwrap_or(loaded);
    for number in 1..=TRIED_NAMES {
        let path = path_of(&numbered(file, number));
        if !is_taken(path.clone()).await? {
            return Ok(path);
        }
    }
    Err(unreadable(format!("it has {TRIED_NAMES} files named like {}", byte_names::shown(file))))
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
