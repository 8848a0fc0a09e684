//! Any bytes as an archive or an encrypted file. Nothing panics.

#![no_main]

#[path = "../unpacking.rs"]
mod unpacking;

use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 8] =
    ["f.zip", "f.tar", "f.tar.gz", "f.tar.zst", "f.csv.gpg", "f.zip.pgp", "f.tar.xz", "f.tar.bz2"];

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, bytes) = input;
    unpacking::archive(NAMES[usize::from(choice) % NAMES.len()], bytes);
});
