//! `.ods`: one XML part with all sheets, in which repeated rows and cells are written once.

use std::collections::HashSet;

use elt_shared::explained::Code;

use super::number::decimal;
use super::package::Package;
use super::problem::Problem;
use super::row::{Defect, SheetRow};
use super::xml::{TOO_LARGE, Tag, Token, Xml, unescaped};
use super::{MAX_COLUMNS, MAX_ROWS, MAX_SHEETS, NameRoom, SheetEntry, SheetRows};
use crate::frame::CellKind;
use crate::frame::window::MAX_RECORD_BYTES;

const CONTENT: &str = "content.xml";

/// A workbook of LibreOffice.
pub(super) struct Ods {
    package: Package,
    sheets: Vec<SheetEntry>,
    /// Whether each sheet has a cell with a value.
    filled: Vec<bool>,
}

impl Ods {
    /// Reads the list of the sheets.
    pub(super) fn open(package: Package) -> Result<Self, Problem> {
        if package.has("META-INF/manifest.xml") && has_tag(&package, "META-INF/manifest.xml", "encryption-data")? {
            return Err(Problem::new(Code::WorkbookEncrypted, "it is encrypted with a password"));
        }
        let mut workbook = Self { package, sheets: Vec::new(), filled: Vec::new() };
        let mut xml = workbook.xml()?;
        let (mut is_spreadsheet, mut style, mut hidden) = (false, String::new(), HashSet::new());
        let mut room = NameRoom::new();
        loop {
            match xml.next()? {
                Token::Start(tag) if tag.is("style") => style = tag.attribute("name")?.unwrap_or_default(),
                Token::Start(tag)
                    if tag.is("table-properties")
                        && tag.attribute("display")?.is_some_and(|shown| shown == "false") =>
                {
                    let style = std::mem::take(&mut style);
                    room.take(&style)?;
                    hidden.insert(style);
                }
                Token::Start(tag) if tag.is("spreadsheet") => is_spreadsheet = true,
                Token::Start(tag) if is_spreadsheet && tag.is("table") => {
                    let is_hidden = tag.attribute("style-name")?.is_some_and(|style| hidden.contains(&style));
                    let name = tag.attribute("name")?.unwrap_or_default();
                    room.take(&name)?;
                    workbook.sheets.push(SheetEntry { name, is_hidden, has_cells: true });
                    workbook.filled.push(false);
                    if workbook.sheets.len() > MAX_SHEETS {
                        return Err(Problem::too_large(format!("it has more than {MAX_SHEETS} sheets")));
                    }
                }
                Token::Start(tag) if tag.is("table-cell") => {
                    let mut has_value = false;
                    tag.each_attribute(|name, _| has_value |= name == "office:value-type" || name == "table:formula")?;
                    if let (true, Some(filled)) = (has_value, workbook.filled.last_mut()) {
                        *filled = true;
                    }
                }
                Token::Finished => break,
                _ => {}
            }
        }
        if !is_spreadsheet {
            return Err(Problem::new(Code::NotAWorkbook, "it is not a workbook but another kind of document"));
        }
        Ok(workbook)
    }

    fn xml(&self) -> Result<Xml, Problem> {
        Ok(Xml::new(self.package.part(CONTENT)?))
    }

    pub(super) fn sheets(&self) -> &[SheetEntry] {
        &self.sheets
    }

    pub(super) fn has_values(&self, index: usize) -> Result<bool, Problem> {
        Ok(self.filled[index])
    }

    pub(super) fn rows(&self, index: usize) -> Result<Box<dyn SheetRows>, Problem> {
        Ok(Box::new(self.sheet(index)?))
    }

    pub(super) fn merged_in_row(&self, index: usize, row: u32) -> Result<Vec<(u32, u32)>, Problem> {
        let mut sheet = self.sheet(index)?;
        let mut read = SheetRow::default();
        while sheet.next(&mut read)? && read.number <= row {
            if read.number == row {
                return Ok(std::mem::take(&mut sheet.merged));
            }
        }
        Ok(Vec::new())
    }

    /// A sheet, whose XML is read up to its rows.
    fn sheet(&self, index: usize) -> Result<OdsSheet, Problem> {
        let mut xml = self.xml()?;
        let (mut is_spreadsheet, mut seen) = (false, 0);
        loop {
            match xml.next()? {
                Token::Start(tag) if tag.is("spreadsheet") => is_spreadsheet = true,
                Token::Start(tag) if is_spreadsheet && tag.is("table") => {
                    if seen == index {
                        break;
                    }
                    seen += 1;
                }
                Token::Finished => return Err(Problem::cut_off()),
                _ => {}
            }
        }
        Ok(OdsSheet { xml: Some(xml), row: 0, repeats: 0, last: SheetRow::default(), merged: Vec::new() })
    }
}

fn has_tag(package: &Package, part: &str, name: &str) -> Result<bool, Problem> {
    let mut xml = Xml::new(package.part(part)?);
    loop {
        match xml.next()? {
            Token::Start(tag) if tag.is(name) => return Ok(true),
            Token::Finished => return Ok(false),
            _ => {}
        }
    }
}

/// The rows of a sheet.
struct OdsSheet {
    /// `None`: the sheet was read to its end.
    xml: Option<Xml>,
    /// Number of the last row.
    row: u32,
    /// Number of times that the last row is returned again.
    repeats: u32,
    last: SheetRow,
    /// First and last column of each merged cell that begins in the last row.
    merged: Vec<(u32, u32)>,
}

/// The attributes of a cell.
#[derive(Default)]
struct Attributes {
    kind: Option<String>,
    value: Option<String>,
    is_error: bool,
    has_formula: bool,
    repeats: u32,
    spans: u32,
}

impl Attributes {
    fn of(tag: &Tag<'_>) -> Result<Self, Problem> {
        let mut found = Self { repeats: 1, spans: 1, ..Self::default() };
        let mut wrong = None;
        let mut text = |value: &str| match unescaped(value) {
            Ok(text) => Some(text),
            Err(problem) => {
                wrong = Some(problem);
                None
            }
        };
        tag.each_attribute(|name, value| match name {
            "office:value-type" => found.kind = text(value),
            "calcext:value-type" => found.is_error = value == "error",
            "office:value"
            | "office:date-value"
            | "office:time-value"
            | "office:boolean-value"
            | "office:string-value" => {
                found.value = text(value);
            }
            "table:formula" => found.has_formula = true,
            "table:number-columns-repeated" => {
                // No program writes 0, and a number that is too large is one of the last columns.
                found.repeats = value.parse().unwrap_or(MAX_COLUMNS).max(1);
            }
            "table:number-columns-spanned" => found.spans = value.parse().unwrap_or(1),
            _ => {}
        })?;
        wrong.map_or(Ok(found), Err)
    }
}

impl OdsSheet {
    fn read_row(&mut self) -> Result<(), Problem> {
        self.merged.clear();
        let mut column = 1;
        loop {
            let Some(xml) = &mut self.xml else { return Ok(()) };
            match xml.next()? {
                Token::Start(tag) if tag.is("table-cell") || tag.is("covered-table-cell") => {
                    let cell = Attributes::of(&tag)?;
                    if cell.spans > 1 && column <= MAX_COLUMNS {
                        self.merged.push((column, column.saturating_add(cell.spans - 1)));
                    }
                    let start = self.last.text.len();
                    let has_text = text_of_cell(xml, &mut self.last.text)?;
                    let next = column.saturating_add(cell.repeats);
                    if cell.kind.is_some() || cell.has_formula || has_text {
                        self.add(&cell, column, start, has_text)?;
                    }
                    column = next;
                }
                Token::End(name) if name.is("table-row") => return Ok(()),
                Token::Finished => return Err(Problem::cut_off()),
                _ => {}
            }
        }
    }

    /// Adds a cell, and the same cell in each column in which it is repeated. `start`: where its text begins in the row's.
    fn add(&mut self, cell: &Attributes, column: u32, start: usize, has_text: bool) -> Result<(), Problem> {
        let last = column.saturating_add(cell.repeats - 1);
        if last > MAX_COLUMNS {
            return Err(Problem::broken("a cell of it is beyond the last column of a sheet"));
        }
        let shown = self.last.text.split_off(start);
        for column in column..=last {
            self.add_once(cell, column, &shown, has_text)?;
            if self.last.text.len() > MAX_RECORD_BYTES {
                return Err(Problem::new(Code::RecordTooLarge, TOO_LARGE));
            }
        }
        Ok(())
    }

    fn add_once(&mut self, cell: &Attributes, column: u32, shown: &[u8], has_text: bool) -> Result<(), Problem> {
        let row = &mut self.last;
        let start = row.text.len();
        let stored = cell.value.as_deref();
        if cell.is_error {
            row.text.extend_from_slice(shown);
            return row.add_defect(column, Defect::Error, start);
        }
        if cell.has_formula && cell.kind.is_none() && !has_text {
            return row.add_defect(column, Defect::NotCalculated, start);
        }
        let (kind, text) = match cell.kind.as_deref() {
            Some("float" | "percentage" | "currency") => {
                (CellKind::Number, stored.and_then(decimal).map(std::borrow::Cow::into_owned))
            }
            Some("date") => (CellKind::String, stored.map(without_zeros)),
            Some("time") => (CellKind::String, stored.and_then(time)),
            Some("boolean") => {
                (CellKind::Bool, stored.filter(|truth| matches!(*truth, "true" | "false")).map(str::to_owned))
            }
            _ => match stored {
                Some(stored) => (CellKind::Quoted, Some(stored.to_owned())),
                None => {
                    row.text.extend_from_slice(shown);
                    return row.add(column, CellKind::Quoted, start);
                }
            },
        };
        match text {
            Some(text) => {
                row.text.extend_from_slice(text.as_bytes());
                row.add(column, kind, start)
            }
            None => {
                row.text.extend_from_slice(shown);
                row.add_defect(column, Defect::NotANumber, start)
            }
        }
    }
}

impl SheetRows for OdsSheet {
    fn next(&mut self, row: &mut SheetRow) -> Result<bool, Problem> {
        if self.repeats > 0 {
            self.repeats -= 1;
            self.row += 1;
            self.last.number = self.row;
            row.clone_from(&self.last);
            return Ok(true);
        }
        loop {
            let Some(xml) = &mut self.xml else { return Ok(false) };
            match xml.next()? {
                Token::Start(tag) if tag.is("table-row") => {
                    let repeats = tag.attribute("number-rows-repeated")?;
                    let repeats = repeats.map_or(1, |repeats| repeats.parse().unwrap_or(u32::MAX)).max(1);
                    let number = self.row.saturating_add(1);
                    self.last.restart(number);
                    self.read_row().map_err(|problem| problem.in_row(number))?;
                    if self.last.cells.is_empty() {
                        self.row = self.row.saturating_add(repeats);
                        continue;
                    }
                    if self.row.saturating_add(repeats) > MAX_ROWS {
                        return Err(Problem::broken("it has more rows than a sheet can have"));
                    }
                    self.row = number;
                    self.repeats = repeats - 1;
                    row.clone_from(&self.last);
                    return Ok(true);
                }
                Token::End(name) if name.is("table") => {
                    self.xml = None;
                    return Ok(false);
                }
                Token::Finished => return Err(Problem::cut_off()),
                _ => {}
            }
        }
    }
}

/// Adds the text of the cell that began last, whose paragraphs are its lines. Returns whether it has any paragraph.
fn text_of_cell(xml: &mut Xml, out: &mut Vec<u8>) -> Result<bool, Problem> {
    let (mut depth, mut paragraphs, mut in_paragraph) = (1, 0, 0);
    while depth > 0 {
        match xml.next()? {
            // Comments and drawings have paragraphs of their own.
            Token::Start(tag) if tag.is("annotation") || tag.is("shapes") || tag.is("frame") => xml.skip_tag()?,
            Token::Start(tag) => {
                depth += 1;
                if tag.is("p") {
                    if paragraphs > 0 {
                        out.push(b'\n');
                    }
                    paragraphs += 1;
                    in_paragraph += 1;
                } else if tag.is("s") {
                    let count = tag.attribute("c")?.and_then(|count| count.parse::<usize>().ok()).unwrap_or(1);
                    out.resize(out.len() + count.min(1 << 16), b' ');
                } else if tag.is("tab") {
                    out.push(b'\t');
                } else if tag.is("line-break") {
                    out.push(b'\n');
                }
            }
            Token::End(name) => {
                depth -= 1;
                in_paragraph -= i32::from(name.is("p"));
            }
            Token::Text(text) if in_paragraph > 0 => out.extend_from_slice(text.as_bytes()),
            Token::Finished => return Err(Problem::cut_off()),
            Token::Text(_) | Token::Other => {}
        }
        if out.len() > MAX_RECORD_BYTES {
            return Err(Problem::new(Code::RecordTooLarge, TOO_LARGE));
        }
    }
    Ok(paragraphs > 0)
}

/// A timestamp without the zeros at the end of its fraction: LibreOffice writes nine digits.
fn without_zeros(stamp: &str) -> String {
    match stamp.split_once('.') {
        Some((whole, fraction)) => match fraction.trim_end_matches('0') {
            "" => whole.to_owned(),
            fraction => format!("{whole}.{fraction}"),
        },
        None => stamp.to_owned(),
    }
}

/// `12:30:00` for `PT12H30M00S`, which can have more than 24 hours. `None`: it is not a duration.
fn time(text: &str) -> Option<String> {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (hours, rest) = rest.strip_prefix("PT")?.split_once('H')?;
    let (minutes, rest) = rest.split_once('M')?;
    let seconds = without_zeros(&rest.strip_suffix('S')?.replace(',', "."));
    let (whole, fraction) = seconds.split_once('.').map_or((seconds.as_str(), None), |(w, f)| (w, Some(f)));
    let numbers: [u64; 3] = [hours.parse().ok()?, minutes.parse().ok()?, whole.parse().ok()?];
    let fraction = fraction.filter(|fraction| fraction.bytes().all(|byte| byte.is_ascii_digit()));
    let fraction = fraction.map_or(String::new(), |fraction| format!(".{fraction}"));
    Some(format!("{sign}{:02}:{:02}:{:02}{fraction}", numbers[0], numbers[1], numbers[2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_times() {
        for (written, expected) in [
            ("PT12H30M00S", Some("12:30:00")),
            ("PT36H00M05.250000000S", Some("36:00:05.25")),
            ("-PT00H30M00S", Some("-00:30:00")),
            ("PT1H2M3S", Some("01:02:03")),
            ("12:30", None),
            ("PT12H", None),
        ] {
            assert_eq!(time(written).as_deref(), expected, "{written}");
        }
        assert_eq!(without_zeros("2023-03-15T12:30:00.250000000"), "2023-03-15T12:30:00.25");
        assert_eq!(without_zeros("2023-03-15T12:30:00.000000000"), "2023-03-15T12:30:00");
    }
}
