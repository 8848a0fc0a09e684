//! Finds a table below a first line that has as many cells as its rows, or more: a title with commas, a title in a line that a
//! spreadsheet fills up with separators, or pairs such as `Created,2026-01-01` above the header.
//!
//! Such a line could be a header, so it is refused only when the lines below cannot be its rows. A less certain case is
//! a warning.

use super::preamble::{Found, MAX_ABOVE, Sampled, has_only_values, is_value, is_year, sample};
use super::split::Dialect;
use crate::frame::UNIT_CHARS;

/// Searches for the header of a table below the first line. `above`: number of lines of the file above the text. Returns
/// a sentence for the report when the first line may be a title but can also be the header.
///
/// # Errors
/// When the first line is certain not to be the header.
pub(super) fn check(text: &[u8], ended: bool, dialect: Dialect, above: u64) -> Result<Option<String>, Found> {
    let records = sample(text, ended, dialect, above);
    let Some((first, rest)) = records.split_first() else { return Ok(None) };
    let mut doubt = None;
    for index in 0..rest.len().min(MAX_ABOVE) {
        let candidate = &rest[index];
        let Some(table) = Table::of(first, candidate, &rest[index + 1..]) else { continue };
        let found = || Found::below(first.line, first.cells.len(), candidate.line, candidate.width());
        if table.is_certain(first, &rest[..index]) {
            return Err(found());
        }
        if doubt.is_none() && table.is_likely(first, &rest[..index]) {
            doubt = Some(found().doubt());
        }
    }
    Ok(doubt)
}

/// The lines below a line that can be their header.
struct Table<'a> {
    below: &'a [Sampled],
    width: usize,
    /// For each column, whether a name that is not a value stands above values only.
    typed: Vec<bool>,
    /// Whether the first line has more cells than the table.
    is_wider: bool,
    /// Whether the first line has fewer names than the table, and separators in place of the others.
    is_filled_up: bool,
    /// Whether the names may be the units of the names above them.
    are_units: bool,
}

impl<'a> Table<'a> {
    /// `None`: the candidate is not the header of the lines below it, or the first line repeated.
    fn of(first: &Sampled, candidate: &Sampled, below: &'a [Sampled]) -> Option<Self> {
        let (width, cells) = (candidate.width(), candidate.cells.len());
        let fits = |record: &Sampled| record.cells.len() == cells && record.width() <= width;
        let is_header = width <= first.cells.len() && candidate.can_be_a_header() && candidate.cells != first.cells;
        if !is_header || below.is_empty() || !below.iter().all(fits) {
            return None;
        }
        let typed = |column| !is_value(candidate.cell(column)) && has_only_values(below, column);
        let is_wider = first.cells.len() > cells;
        let typed = (0..width).map(typed).collect();
        let (is_filled_up, are_units) = (width > first.width(), may_be_units(candidate));
        Some(Self { below, width, typed, is_wider, is_filled_up, are_units })
    }

    /// Whether enough columns hold values to prove that the candidate is a header and not a row.
    fn is_typed(&self) -> bool {
        self.typed.iter().filter(|&&typed| typed).count() * 2 >= self.width
    }

    /// Whether the first line cannot be the header. `between`: the lines between it and the candidate.
    fn is_certain(&self, first: &Sampled, between: &[Sampled]) -> bool {
        let all_typed = self.typed.iter().all(|&typed| typed);
        if self.is_filled_up || !self.is_typed() {
            // A column without a name is more likely than a title, unless names stand above values only in all columns.
            return self.is_filled_up && all_typed && self.below.len() >= 2;
        }
        // Dates name columns, too, but these hold values.
        let has_date = (0..first.width()).any(|column| {
            let cell = first.cell(column);
            is_value(cell) && !is_year(cell) && (all_typed || self.is_wider || !has_only_values(self.below, column))
        });
        let is_titled = self.is_wider && (first.cell(0).contains(':') || first.cell(0).starts_with('#'));
        // Pairs of a name and a value, and then a table that holds values only.
        let is_pair = |record: &Sampled| !record.cell(0).is_empty() && !is_value(record.cell(0));
        let are_pairs = all_typed
            && self.below.len() >= 2
            && is_pair(first)
            && between.iter().all(is_pair)
            && between.iter().any(|record| (1..record.width()).any(|column| is_value(record.cell(column))));
        has_date || is_titled || are_pairs
    }

    /// Whether the first line may be a title. `between`: the lines between it and the candidate.
    fn is_likely(&self, first: &Sampled, between: &[Sampled]) -> bool {
        if self.is_filled_up || !self.is_typed() {
            return false;
        }
        let is_odd = |column| is_value(first.cell(column)) && !has_only_values(self.below, column);
        // Names above values only are a second header below the first line, unless units stand below names.
        let has_units = self.are_units || between.iter().any(may_be_units);
        let is_second = self.below.len() >= 2 && !has_units && self.typed.iter().all(|&typed| typed);
        self.is_wider || is_second || (0..first.width()).any(is_odd)
    }
}

/// Whether all cells are short enough for units, such as `kg` and `°C`.
fn may_be_units(record: &Sampled) -> bool {
    record.cells.iter().all(|cell| cell.chars().count() <= UNIT_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(text: &str) -> Dialect {
        let delimiter = if text.contains(';') { b';' } else { b',' };
        Dialect { delimiter, quote: Some(b'"'), ..Dialect::default() }
    }

    #[test]
    fn a_first_line_above_a_table_that_is_not_wider_is_refused() {
        for (text, line) in [
            ("Notes: a, b, c, d, e\nid,name,amount\n1,x,5\n2,y,6\n", 2),
            ("Kontoauszug;vom;01.01.2026;bis;31.01.2026\nid;name;betrag\n1;x;5\n2;y;6\n", 2),
            ("Station,Bern\nPeriod,2020\ndate,temp\n2020-01-01,1\n2020-01-02,2\n", 3),
            ("Created,2026-01-01\nid,name\n1,x\n2,y\n", 2),
            ("Created,2026-01-01\nid,amount\n1,5\n2,6\n", 2),
            ("Created,2026-01-01\nBy,Ann\n\nid,name\n1,x\n2,y\n", 4),
            ("Konto;Bern\nvom;01.01.2026\nid;betrag\n1;5,5\n2;6,1\n", 3),
            ("Report,\n,\nyear,north\n1951,1892.6\n1952,1654\n", 3),
            ("Account: 123,\nFrom: 2026-01-01,\nyear,north\n1951,5\n1952,6\n", 3),
            ("# Export, made by, a program\nid,size\n1,5\n", 2),
        ] {
            let found = check(text.as_bytes(), true, dialect(text), 0).expect_err(text);
            let hint = found.error("a.csv").next_step;
            assert!(hint.contains(&format!("skip_rows: {}", line - 1)), "{text}: {hint}");
        }
    }

    #[test]
    fn a_first_line_that_may_be_a_title_is_doubted() {
        for text in [
            "Prepared for Acme,Berlin,Germany,Europe\nid,name,amount\n1,x,5\n2,y,6\n",
            "Report,2026\nid,name\n1,x\n2,y\n",
            "Report, made 2026\nyear,north\n1951,1892.6\n1952,1654.0\n",
            "Umsatz,Konto 12,EUR\ndatum,betrag,saldo\n2026-01-01,5,6\n2026-01-02,7,8\n",
        ] {
            let doubt = check(text.as_bytes(), true, dialect(text), 0).expect("a warning").expect(text);
            assert!(doubt.contains("line 2 looks like the header") && doubt.contains("skip_rows: 1"), "{doubt}");
        }
    }

    #[test]
    fn a_header_is_believed() {
        for text in [
            "",
            "a,b\n",
            "a,b\n1,2\n",
            "country,2019,2020\nAruba,1,2\nBenin,3,4\n",
            "country,2019,2020\nAruba,none,n.k.\nBenin,3,4\n",
            "country,2020-01-22,2020-01-23\nAruba,0,0\nBenin,3,4\n",
            "country,2020-01-22\nGermany,unknown\nFrance,5\nItaly,6\n",
            "region,0-14,15-64\nnorth,5,6\nsouth,7,8\n",
            // Units below the names.
            "time,temp\ns,C\n0,1\n1,2\n",
            "time,temp\ns,C\nstart,mean\n0,1\n1,2\n2,3\n",
            // A column without a name.
            "name,\nAnn,unknown\nBob,12\nCid,15\n",
            "id,\n1,5\n2,6\n",
            // Empty cells at the end are left out of each row.
            "name,city,age,note,more\nAnn,Berlin,unknown\nBob,Rome,12\nCid,Bern,15\n",
            "id,name,amount,note\n1,x,5\n2,y,6\n",
            "a,b\n1,2\na,b\n3,4\n",
            // Text only.
            "Created,2026-01-01\nname,city\nAnn,Berlin\nBob,Rome\n",
            "name,city\nAnn,Berlin\nBob,Rome\n",
            "key,value\nversion,3\nname,bob\nage,5\n",
        ] {
            assert_eq!(check(text.as_bytes(), true, dialect(text), 0), Ok(None), "{text}");
        }
    }
}
