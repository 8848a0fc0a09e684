//! Tables for people: aligned columns, nothing else.

use std::fmt::Write;

/// Rows of texts under a header.
#[derive(Debug)]
pub struct Table {
    header: Vec<String>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns; those that start with `>` are numbers and stand to the right.
    pub fn new(header: &[&str]) -> Self {
        Self {
            right: header.iter().map(|name| name.starts_with('>')).collect(),
            header: header.iter().map(|name| name.trim_start_matches('>').to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        // A newline in a cell would break the table, and a control character the terminal.
        let shown = |cell: String| cell.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        self.rows.push(cells.into_iter().map(shown).collect());
    }

    /// The table, indented, without a line break at its end.
    pub fn render(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([self.header[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let lines = std::iter::once(&self.header).chain(&self.rows).map(|row| self.line(row, &widths));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let mut line = String::from(" ");
        for ((cell, width), right) in row.iter().zip(widths).zip(&self.right) {
            // Writing to a String cannot fail.
            let _ = if *right { write!(line, " {cell:>width$} ") } else { write!(line, " {cell:<width$} ") };
        }
        line.trim_end().to_owned()
    }
}

/// `1234567` as `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1536` as `1.5 kB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (number as f64, 0);
    while value >= 999.5 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1_000.0, unit + 1);
    }
    if unit == 0 { format!("{number} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `73.25` as `1 min 13 s`.
pub fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{seconds:.2} s")
    } else {
        format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_easily() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 999, 1_500, 999_600, 5_000_000_000].map(bytes), ["0 B", "999 B", "1.5 kB", "1.0 MB", "5.0 GB"]);
        assert_eq!([0.128, 73.0].map(seconds), ["0.13 s", "1 min 13 s"]);
    }

    #[test]
    fn columns_are_aligned_and_a_cell_stays_on_its_line() {
        let mut table = Table::new(&["file", ">rows"]);
        table.row(["a\nb.csv".into(), "7".into()]);
        table.row(["orders.csv".into(), "1,000".into()]);
        insta::assert_snapshot!(table.render(), @r"
          file         rows
          a�b.csv         7
          orders.csv  1,000
        ");
    }
}
