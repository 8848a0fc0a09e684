//! Puts the coverage report, if `make coverage` wrote one, where a release can include it.

use std::path::Path;
use std::{env, fs, io};

const FOLDER: &str = "../coverage";

fn main() -> io::Result<()> {
    // The folder and not the report in it, because cargo runs this again at every build while a watched file is missing.
    let watched = if Path::new(FOLDER).exists() { FOLDER } else { "build.rs" };
    println!("cargo:rerun-if-changed={watched}");
    let folder = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    let report = fs::read_to_string(Path::new(FOLDER).join("coverage.json")).unwrap_or_default();
    fs::write(Path::new(&folder).join("coverage.json"), report)
}
