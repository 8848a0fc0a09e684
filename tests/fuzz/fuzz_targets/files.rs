//! Any bytes as a file of a format that its suffix names. Nothing panics.

#![no_main]

#[path = "../reading.rs"]
mod reading;

use elt_shared::config::FileOptions;
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 8] = ["f.csv", "f.txt", "f.json", "f.ndjson", "f.csv.gz", "f.json.zst", "f.csv.bz2", "f.csv.xz"];

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, bytes) = input;
    reading::twice(NAMES[usize::from(choice) % NAMES.len()], FileOptions::default(), bytes);
});
