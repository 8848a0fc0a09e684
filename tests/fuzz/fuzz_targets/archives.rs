//! Any bytes as an archive. Nothing panics.

#![no_main]

#[path = "../unpacking.rs"]
mod unpacking;

use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 4] = ["f.zip", "f.tar", "f.tar.gz", "f.tar.zst"];

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, bytes) = input;
    unpacking::archive(NAMES[usize::from(choice) % NAMES.len()], bytes);
});
