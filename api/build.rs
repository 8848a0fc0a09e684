//! Puts the coverage report, if `make coverage` wrote one, where a release can include it.

use std::path::Path;
use std::{env, fs, io};

const REPORT: &str = "../coverage/coverage.json";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed={REPORT}");
    let folder = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    let report = fs::read_to_string(REPORT).unwrap_or_default();
    fs::write(Path::new(&folder).join("coverage.json"), report)
}
