//! How fast loads are, as ratios to `psql \copy` of the same file into a plain typed table in the same session,
//! and how much memory they take. Needs TEST_DATABASE_URL and `psql`.
//!
//! `cargo bench -p elt-tests --bench load -- [rounds] [millions of rows]`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

#[path = "../it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests use more of it")]
mod support;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use support::loader::Loader;

#[tokio::main]
async fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (rounds, millions) = (numbers.first().copied().unwrap_or(3), numbers.get(1).copied().unwrap_or(1));
    let rows = millions * 1_000_000;
    for round in 1..=rounds {
        let loader = Loader::start().await;
        let one_percent = rows / 100;
        loader.only("rows.csv", csv(0..rows));
        let copy = copy(&loader, &["rows.csv"]);
        report(round, "copy", copy, copy, 0);

        let (first, memory) = timed(&loader, rows as u64).await;
        report(round, "W1 first load", first, copy, memory);
        let (again, memory) = timed(&loader, 0).await;
        report(round, "W2 the same again", again, copy, memory);
        loader.only("rows.csv", csv(0..rows + one_percent));
        let (more, memory) = timed(&loader, one_percent as u64).await;
        report(round, "W3 one percent new", more, copy, memory);
        if millions == 1 {
            many_files(round).await;
        }
    }
}

/// W4: 500 files of 2,000 rows, against 500 `\copy` in one psql.
async fn many_files(round: usize) {
    let loader = Loader::start().await;
    let names: Vec<_> = (0..500).map(|file| format!("{file:03}.csv")).collect();
    for (file, name) in names.iter().enumerate() {
        loader.folder.write(name, csv(file * 2_000..(file + 1) * 2_000));
    }
    let copy = copy(&loader, &names.iter().map(String::as_str).collect::<Vec<_>>());
    report(round, "500 copies", copy, copy, 0);
    let (load, memory) = timed(&loader, 1_000_000).await;
    report(round, "W4 500 files", load, copy, memory);
}

/// Seconds and peak megabytes of a load.
async fn timed(loader: &Loader, expected: u64) -> (f64, u64) {
    // Forgets the peak so far.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let started = Instant::now();
    let report = loader.load("bench", "").await;
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(report.rows_inserted, expected, "the rows are right");
    println!("    {:?}", report.stages);
    (seconds, peak_megabytes())
}

/// Seconds of `\copy` into a plain typed table.
fn copy(loader: &Loader, names: &[&str]) -> f64 {
    let mut script = String::from(
        "drop table if exists plain; create table plain (id int, big bigint, ratio float8, price numeric, ok bool, day date,
         at timestamp, code text, note text, maybe int);\n",
    );
    for name in names {
        let path = loader.folder.path().join(name);
        let _ = writeln!(script, "\\copy plain from '{}' with (format csv, header)", path.display());
    }
    let path = loader.data.write("copy.sql", script.replace(",\n         ", ", "));
    let started = Instant::now();
    run_psql(&loader.databases().target_url(), &path);
    started.elapsed().as_secs_f64()
}

fn run_psql(url: &str, script: &Path) {
    let done = Command::new("psql").args(["-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(script).arg(url).status();
    assert!(done.expect("psql runs").success(), "psql copied the file");
}

fn report(round: usize, what: &str, seconds: f64, copy: f64, memory: u64) {
    println!("{round} {what:<20} {seconds:6.2} s  {:5.2}x  {memory} MB", seconds / copy);
}

fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1_024
}

/// Ten columns: int, bigint, float, decimal, bool, date, timestamp, short text, long text, a column 30 % NULL.
/// The long text holds quotes, line ends, commas and doubled quotes, each in 5 % of the rows.
fn csv(rows: std::ops::Range<usize>) -> String {
    let mut text = String::from("id,big,ratio,price,ok,day,at,code,note,maybe\n");
    for row in rows {
        let spread = (row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let note = match spread >> 32 & 0xff {
            0..=12 => "\"said \"\"hello\"\" and\r\nleft the room without a word\"",
            13..=25 => "\"a first line of some length\nand a second one\"",
            26..=38 => "\"one, two, three, four, five, six, seven\"",
            39..=51 => "\"the \"\"quick\"\" brown \"\"fox\"\" jumps\"",
            52..=64 => "größer als 12 °C, naïve café 東京",
            _ => "the quick brown fox jumps over the lazy dog",
        };
        let note = if note.starts_with("gr") { "\"größer als 12 °C, naïve café 東京\"" } else { note };
        let maybe = if spread % 10 < 3 { String::new() } else { (spread % 1_000).to_string() };
        let _ = writeln!(
            text,
            "{row},{},{}.{:03},{}.{:02},{},{:04}-{:02}-{:02},{:04}-{:02}-{:02} {:02}:{:02}:{:02},c{:05},{note},{maybe}",
            spread >> 2,
            spread % 100_000,
            spread >> 20 & 0x1ff,
            spread % 1_000_000,
            spread >> 8 & 0x3f,
            spread & 1 == 1,
            1990 + spread % 40,
            1 + spread % 12,
            1 + spread % 28,
            1990 + spread % 40,
            1 + spread % 12,
            1 + spread % 28,
            spread % 24,
            spread % 60,
            spread % 59,
            spread % 100_000,
        );
    }
    text
}
