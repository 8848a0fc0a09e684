//! Any bytes as a workbook, a Parquet file or an Arrow file. Nothing panics but what is known and caught, which must not end the
//! process here.

#![no_main]

#[path = "../reading.rs"]
mod reading;

use elt_shared::config::FileOptions;
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 6] = ["f.xlsx", "f.xls", "f.xlsb", "f.ods", "f.parquet", "f.arrow"];

fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |input: (u8, &[u8])| {
    let (choice, bytes) = input;
    reading::twice(NAMES[usize::from(choice) % NAMES.len()], FileOptions::default(), bytes);
});
