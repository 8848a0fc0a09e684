//! The rows the benches work on: the same ones for the same number, ten columns of every kind and its oddities.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

const WORDS: [&str; 12] =
    ["lorem", "ipsum", "dolor", "sit", "amet", "elit", "größe", "naïve", "東京", "straße", "tempor", "magna"];

/// Names of the columns.
pub const COLUMNS: [&str; 10] = ["id", "big", "ratio", "amount", "active", "day", "seen_at", "short", "long", "maybe"];

/// Small numbers that look random (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len() as u64) as usize]
    }
}

/// The cells of a row; `None` is NULL.
pub fn row(id: u64) -> [Option<String>; 10] {
    let mut dice = Dice(id.wrapping_mul(0x1234_5678_9ABC_DEF1));
    let day = format!("20{:02}-{:02}-{:02}", dice.below(16) + 10, dice.below(12) + 1, dice.below(28) + 1);
    let time = format!("{:02}:{:02}:{:02}", dice.below(24), dice.below(60), dice.below(60));
    let count = dice.below(6) + 4;
    let words: Vec<_> = (0..count).map(|_| dice.word()).collect();
    let long = match dice.below(20) {
        0 => words.join("\"\r\n\""),
        1 => words.join("\n"),
        2 => words.join(", "),
        3 => format!("\"{}\"", words.join(" ")),
        _ => words.join(" "),
    };
    [
        Some(id.to_string()),
        Some((dice.roll() >> 4).to_string()),
        Some(format!("{}.{:06}", dice.below(1_000), dice.below(1_000_000))),
        Some(format!("{}.{:02}", dice.below(1_000_000), dice.below(100))),
        Some((dice.below(2) == 0).to_string()),
        Some(day.clone()),
        Some(format!("{day} {time}")),
        Some(format!("{}{}", dice.word(), dice.below(100))),
        Some(long),
        (dice.below(10) >= 3).then(|| dice.below(1_000_000).to_string()),
    ]
}

/// Writes rows `first..first + count` as CSV.
pub fn csv(path: &Path, first: u64, count: u64) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    writeln!(out, "{}", COLUMNS.join(","))?;
    for id in first..first + count {
        let cells = row(id).map(|cell| {
            let cell = cell.unwrap_or_default();
            if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
        });
        writeln!(out, "{}", cells.join(","))?;
    }
    out.flush()
}

/// Writes rows `first..first + count` as a JSON array of objects.
pub fn json(path: &Path, first: u64, count: u64) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    json_to(&mut out, first, count)?;
    out.flush()
}

/// [`json`] into any output.
pub fn json_to(out: &mut impl Write, first: u64, count: u64) -> io::Result<()> {
    for id in first..first + count {
        let members: Vec<_> = COLUMNS.iter().zip(row(id)).map(|(name, cell)| member(name, cell)).collect();
        write!(out, "{}{{{}}}", if id == first { '[' } else { ',' }, members.join(","))?;
    }
    out.write_all(b"]")
}

fn member(name: &str, cell: Option<String>) -> String {
    let text = matches!(name, "day" | "seen_at" | "short" | "long");
    let value = match cell {
        None => "null".to_owned(),
        Some(cell) if text => serde_json::Value::from(cell).to_string(),
        Some(cell) => cell,
    };
    format!("\"{name}\":{value}")
}
