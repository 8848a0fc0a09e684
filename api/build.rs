//! Puts the coverage report, if `make coverage` wrote one, where a release can include it, and makes the folder of the
//! dashboard's files.

use std::path::Path;
use std::{env, fs, io};

const FOLDER: &str = "../coverage";
/// Where the dashboard is built to. A development build reads its files at run time, and finds none of them if the folder
/// was missing when the crate was compiled; scripts build both at the same time.
const DASHBOARD: &str = "../dashboard/dist/browser";

fn main() -> io::Result<()> {
    fs::create_dir_all(DASHBOARD)?;
    // The folder and not the report in it, because cargo runs this again at every build while a watched file is missing.
    let watched = if Path::new(FOLDER).exists() { FOLDER } else { "build.rs" };
    println!("cargo:rerun-if-changed={watched}");
    let folder = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    let report = fs::read_to_string(Path::new(FOLDER).join("coverage.json")).unwrap_or_default();
    fs::write(Path::new(&folder).join("coverage.json"), report)
}
