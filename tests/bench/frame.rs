//! How fast files are read, on one core and nothing else: both passes over a CSV and a JSON file, and the memory it takes.
//!
//! `cargo bench -p elt-tests --bench frame`

use std::path::Path;
use std::time::Instant;

use elt_shared::config::FileOptions;
use elt_worker::frame::{Piece, profile, read};
use elt_worker::input::{InputFile, format_of};
use tokio_util::sync::CancellationToken;

mod work;

const ROUNDS: usize = 5;

type Anything = Box<dyn std::error::Error>;

fn main() -> Result<(), Anything> {
    let folder = tempfile::tempdir()?;
    let (csv, json) = (folder.path().join("work.csv"), folder.path().join("work.json"));
    work::csv(&csv, 1, 1_000_000)?;
    work::json(&json, 1, 200_000)?;
    for path in [csv, json] {
        measure(&path)?;
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    eprintln!("{peak}");
    Ok(())
}

fn measure(path: &Path) -> Result<(), Anything> {
    let name = path.display().to_string();
    let (format, compression) = format_of(&name, &FileOptions::default()).ok_or("a format")?;
    let file = InputFile::at(name, path.to_owned(), format, compression)?;
    let (format, stamp) = (file.format, file.stamp);
    for (what, pass) in [("types", first_pass as fn(&InputFile) -> Result<u64, Anything>), ("rows", second_pass)] {
        let mut speeds = Vec::new();
        let mut rows = 0;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            rows = pass(&file)?;
            speeds.push(stamp.size as f64 / 1e6 / start.elapsed().as_secs_f64());
        }
        speeds.sort_by(f64::total_cmp);
        let (least, median, most) = (speeds[0], speeds[ROUNDS / 2], speeds[ROUNDS - 1]);
        eprintln!("{format:?} {what}: {rows} rows, {median:.0} MB/s ({least:.0} to {most:.0})");
    }
    Ok(())
}

/// Every cell is looked at.
fn first_pass(file: &InputFile) -> Result<u64, Anything> {
    let found = profile::profile(std::slice::from_ref(file), &[], &CancellationToken::new())?;
    Ok(found.files[0].rows)
}

/// Every cell is handed out.
fn second_pass(file: &InputFile) -> Result<u64, Anything> {
    let mut reader = read::open(0, file)?;
    let mut rows = 0;
    while let Some(piece) = reader.next()? {
        if let Piece::Rows(batch) = piece {
            rows += batch.rows() as u64;
            reader.recycle(batch);
        }
    }
    Ok(rows)
}
