//! The order of this crate's rooms, checked against its own source: a room uses only rooms before it, so that there are no
//! circles and each can be understood by what it stands on.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules at the top of the crate. Each may use those before it.
const ORDER: [&str; 27] = [
    "damaged_files",
    "health",
    "settings",
    "error",
    "humanize",
    "thread",
    "roots",
    "progress",
    "input",
    "frame",
    "shape",
    "extract",
    "metrics",
    "contract",
    "paths",
    "run_context",
    "load",
    "pipeline",
    "data_retention",
    "housekeeper",
    "config_cache",
    "worker_context",
    "data_folder",
    "jobs",
    "folder_watch",
    "worker",
    "lib",
];

/// Position of a room in the order.
fn rank(room: &str) -> Option<usize> {
    ORDER.iter().position(|known| *known == room)
}

/// The source files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a source folder").map(|entry| entry.expect("an entry").path());
    let below = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    entries.flat_map(below).filter(|path| path.extension().is_some_and(|suffix| suffix == "rs")).collect()
}

/// The rooms that a source text names by `crate::`, outside comments.
fn used_rooms(text: &str) -> Vec<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
    let mut rooms = Vec::new();
    for named in code.split("crate::").skip(1) {
        match named.strip_prefix('{') {
            Some(list) => rooms.extend(first_names(list)),
            None => rooms.push(identifier(named)),
        }
    }
    rooms
}

/// The identifier that a text begins with.
fn identifier(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first identifier of each member of a list in braces, up to the brace that closes it: `a::b, c::{d, e}}` has `a` and
/// `c`.
fn first_names(list: &str) -> Vec<String> {
    let (mut names, mut depth) = (vec![identifier(list)], 0_u32);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(identifier(&list[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn a_room_uses_only_rooms_before_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for path in sources(&root) {
        let shown = path.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
        let room = shown.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        if room == "room_order" {
            continue;
        }
        let Some(own) = rank(room) else {
            wrong.push(format!("{shown}: the room {room} has no place in the order"));
            continue;
        };
        for used in used_rooms(&fs::read_to_string(&path).expect("a source file")) {
            match rank(&used) {
                Some(other) if other <= own => {}
                Some(_) => wrong.push(format!("{shown} uses {used}, which comes after {room}")),
                None => wrong.push(format!("{shown} uses {used}, which is not a room")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rooms_are_found_in_every_way_of_naming_them() {
    let text = "use crate::{load::{self, Halt}, frame, extract::http};\nlet x: crate::report::RunReport; // crate::jobs\n\
                pub(crate) use crate::roots::Roots;";
    assert_eq!(used_rooms(text), ["load", "frame", "extract", "report", "roots"]);
    assert_eq!(used_rooms("/// [`x`](crate::load)\nuse super::crate_name;"), [""; 0]);
}
