//! The memory that the sheets of an `.xls` need when calamine reads them, found in the records of its stream.
//!
//! calamine holds a sheet as a rectangle of all cells between the first and the last one, and each cell has its text. So two
//! cells far apart, or many cells with one long text, need far more memory than the file has bytes.

use super::problem::Problem;

/// Most columns of a sheet of an `.xls`, and most cells.
const MAX_COLUMNS: u32 = 256;
const MAX_CELLS: u64 = 65_536 * 256;
/// Bytes of a cell and of its formula in memory.
const CELL_BYTES: u64 = 32;
const FORMULA_BYTES: u64 = 24;
/// Most bytes of UTF-8 for a character of UTF-16.
const CHARACTER_BYTES: u64 = 3;
/// Bytes of a part of a formula that stands for a name, and bytes of text for a part that does not.
const NAME_PART_BYTES: u64 = 5;
const PART_TEXT_BYTES: u64 = 8;
/// Bytes of the record of a formula in front of its parts: cell, format, value, flags and length.
const FORMULA_HEAD_BYTES: usize = 22;
/// Most bytes of the text that calamine puts in place of a formula it cannot read.
const UNREAD_FORMULA_BYTES: u64 = 128;

/// The kinds of records that are looked at.
mod kind {
    pub(super) const FORMULA: u16 = 0x0006;
    pub(super) const END: u16 = 0x000A;
    pub(super) const NAME: u16 = 0x0018;
    pub(super) const CONTINUE: u16 = 0x003C;
    pub(super) const SHEET: u16 = 0x0085;
    pub(super) const NUMBERS: u16 = 0x00BD;
    pub(super) const RICH_TEXT: u16 = 0x00D6;
    pub(super) const TEXTS: u16 = 0x00FC;
    pub(super) const SHARED_TEXT: u16 = 0x00FD;
    pub(super) const DIMENSIONS: u16 = 0x0200;
    pub(super) const NUMBER: u16 = 0x0203;
    pub(super) const TEXT: u16 = 0x0204;
    pub(super) const TRUTH: u16 = 0x0205;
    pub(super) const FORMULA_TEXT: u16 = 0x0207;
    pub(super) const SHORT_NUMBER: u16 = 0x027E;
    pub(super) const BEGIN: u16 = 0x0809;
}

/// Bytes of memory that the sheets in the stream of a workbook need.
///
/// # Errors
/// When a record is cut off or a cell is where no sheet has one.
pub(super) fn needed_bytes(stream: &[u8]) -> Result<u64, Problem> {
    let (mut sheets, mut texts, mut longest_name) = (Vec::new(), Vec::new(), 0);
    let mut records = Records { stream, at: 0 };
    while let Some((kind, data)) = records.next()? {
        match kind {
            kind::SHEET => {
                sheets.push(read(data, 0, 4)? as usize);
                longest_name = longest_name.max(read(data, 6, 1)?);
            }
            kind::NAME => longest_name = longest_name.max(read(data, 3, 1)?),
            kind::TEXTS => texts = text_lengths(&records.with_continued(data)),
            kind::END => break,
            _ => {}
        }
    }
    let part_text = longest_name * CHARACTER_BYTES / NAME_PART_BYTES + PART_TEXT_BYTES;
    let mut needed = 0_u64;
    for at in sheets {
        needed = needed.saturating_add(sheet(stream, at, &texts, part_text)?);
    }
    Ok(needed)
}

/// The rectangle of some cells.
#[derive(Default)]
struct Rectangle {
    /// First and last row and column. `None`: the sheet has no cell.
    corners: Option<[u32; 4]>,
}

impl Rectangle {
    fn add(&mut self, row: u32, column: u32) -> Result<(), Problem> {
        if column >= MAX_COLUMNS {
            return Err(Problem::broken("a cell of it is beyond the last column of a sheet"));
        }
        let [top, bottom, left, right] = self.corners.unwrap_or([row, row, column, column]);
        self.corners = Some([top.min(row), bottom.max(row), left.min(column), right.max(column)]);
        Ok(())
    }

    fn cells(&self) -> u64 {
        let Some([top, bottom, left, right]) = self.corners else { return 0 };
        u64::from(bottom - top + 1) * u64::from(right - left + 1)
    }
}

/// Bytes of the sheet whose records begin at a place.
fn sheet(stream: &[u8], at: usize, texts: &[u64], part_text: u64) -> Result<u64, Problem> {
    let mut records = Records { stream, at };
    let (mut cells, mut formulas, mut bytes) = (Rectangle::default(), Rectangle::default(), 0_u64);
    let (mut has_begun, mut inside) = (false, 0_usize);
    while let Some((kind, data)) = records.next()? {
        // A chart in a sheet has records of its own.
        match kind {
            kind::BEGIN if has_begun => inside += 1,
            kind::BEGIN => has_begun = true,
            kind::END if inside == 0 => break,
            kind::END => inside -= 1,
            _ if inside > 0 => {}
            kind::DIMENSIONS => check_dimensions(data)?,
            kind::NUMBERS => {
                let (row, column) = place(data)?;
                let count = data.len().saturating_sub(6) as u32 / 6;
                cells.add(row, column)?;
                cells.add(row, column + count.saturating_sub(1))?;
            }
            kind::NUMBER | kind::TEXT | kind::RICH_TEXT | kind::TRUTH | kind::SHORT_NUMBER => {
                let (row, column) = place(data)?;
                cells.add(row, column)?;
            }
            kind::SHARED_TEXT => {
                let (row, column) = place(data)?;
                cells.add(row, column)?;
                let text = texts.get(read(data, 6, 4)? as usize).copied().unwrap_or(0);
                bytes = bytes.saturating_add(text);
            }
            kind::FORMULA => {
                let (row, column) = place(data)?;
                cells.add(row, column)?;
                formulas.add(row, column)?;
                let parts = data.len().saturating_sub(FORMULA_HEAD_BYTES) as u64;
                bytes = bytes.saturating_add((parts * part_text).max(UNREAD_FORMULA_BYTES));
            }
            kind::FORMULA_TEXT => bytes = bytes.saturating_add(data.len() as u64 * CHARACTER_BYTES),
            _ => {}
        }
    }
    Ok(bytes + cells.cells() * CELL_BYTES + formulas.cells() * FORMULA_BYTES)
}

/// calamine reserves memory for the rectangle that a sheet says it has.
fn check_dimensions(data: &[u8]) -> Result<(), Problem> {
    let [top, bottom, left, right] = match data.len() {
        10 => [read(data, 0, 2)?, read(data, 2, 2)?, read(data, 4, 2)?, read(data, 6, 2)?],
        14 | 16 => [read(data, 0, 4)?, read(data, 4, 4)?, read(data, 8, 2)?, read(data, 10, 2)?],
        _ => return Ok(()),
    };
    let left = if left > 0xFF || right < left { 0 } else { left };
    if bottom == 0 || right == 0 {
        return Ok(());
    }
    let cells = bottom.checked_sub(top).and_then(|rows| rows.checked_mul(right.checked_sub(left)?));
    match cells {
        Some(cells) if cells <= MAX_CELLS => Ok(()),
        _ => Err(Problem::broken("a sheet of it says that it has more cells than a sheet can have")),
    }
}

/// Bytes of each shared text. Where the texts make no sense the list ends.
fn text_lengths(parts: &[&[u8]]) -> Vec<u64> {
    let mut reader = Texts { parts, part: 0, at: 8 };
    let mut lengths = Vec::new();
    while let Some(length) = reader.next() {
        lengths.push(length);
    }
    lengths
}

/// The shared texts in a record and those that continue it.
struct Texts<'a> {
    parts: &'a [&'a [u8]],
    part: usize,
    at: usize,
}

impl Texts<'_> {
    fn left(&self) -> usize {
        self.parts.get(self.part).map_or(0, |part| part.len().saturating_sub(self.at))
    }

    /// A number of some bytes, which never goes on in the next part.
    fn number(&mut self, length: usize) -> Option<u64> {
        if self.left() == 0 {
            (self.part, self.at) = (self.part + 1, 0);
        }
        let number = read(self.parts.get(self.part)?, self.at, length).ok()?;
        self.at += length;
        Some(number)
    }

    fn skip(&mut self, mut bytes: u64) -> Option<()> {
        while bytes > 0 {
            let step = bytes.min(self.left() as u64);
            (self.at, bytes) = (self.at + step as usize, bytes - step);
            if bytes > 0 {
                (self.part, self.at) = (self.part + 1, 0);
                self.parts.get(self.part)?;
            }
        }
        Some(())
    }

    /// Bytes of the next text in UTF-8, at most.
    fn next(&mut self) -> Option<u64> {
        let characters = self.number(2)?;
        let mut flags = self.number(1)?;
        let runs = if flags & 8 != 0 { self.number(2)? } else { 0 };
        let extension = if flags & 4 != 0 { self.number(4)? } else { 0 };
        let mut left = characters;
        while left > 0 {
            if self.left() == 0 {
                // The part that continues a text says anew how wide its characters are.
                flags = self.number(1)?;
            }
            let width = 1 + (flags & 1);
            let here = left.min(self.left() as u64 / width);
            if here == 0 {
                return None;
            }
            (self.at, left) = (self.at + (here * width) as usize, left - here);
        }
        self.skip(4 * runs + extension)?;
        Some(characters * CHARACTER_BYTES)
    }
}

/// The records of a stream.
struct Records<'a> {
    stream: &'a [u8],
    at: usize,
}

impl<'a> Records<'a> {
    /// Kind and bytes of the next record. `None`: the stream has ended.
    fn next(&mut self) -> Result<Option<(u16, &'a [u8])>, Problem> {
        let rest = self.stream.get(self.at..).ok_or_else(Problem::cut_off)?;
        if rest.is_empty() {
            return Ok(None);
        }
        let length = read(rest, 2, 2)? as usize;
        let data = rest.get(4..4 + length).ok_or_else(Problem::cut_off)?;
        self.at += 4 + length;
        Ok(Some((read(rest, 0, 2)? as u16, data)))
    }

    /// A record and those that continue it.
    fn with_continued(&self, data: &'a [u8]) -> Vec<&'a [u8]> {
        let (mut parts, mut ahead) = (vec![data], Records { stream: self.stream, at: self.at });
        while let Ok(Some((kind::CONTINUE, data))) = ahead.next() {
            parts.push(data);
        }
        parts
    }
}

/// Row and column of a cell, counted from 0.
fn place(data: &[u8]) -> Result<(u32, u32), Problem> {
    Ok((read(data, 0, 2)? as u32, read(data, 2, 2)? as u32))
}

/// A number of at most 8 bytes, the lowest first.
fn read(data: &[u8], at: usize, length: usize) -> Result<u64, Problem> {
    let bytes = data.get(at..at + length).ok_or_else(Problem::cut_off)?;
    Ok(bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u16, data: &[u8]) -> Vec<u8> {
        [&kind.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat()
    }

    fn number_at(row: u16, column: u16) -> Vec<u8> {
        record(kind::NUMBER, &[&row.to_le_bytes()[..], &column.to_le_bytes(), &[0; 10]].concat())
    }

    fn shared_text(row: u16, text: u32) -> Vec<u8> {
        record(kind::SHARED_TEXT, &[&row.to_le_bytes()[..], &[0; 4], &text.to_le_bytes()].concat())
    }

    /// A stream with these records of the workbook, and one sheet with those.
    fn stream(workbook: &[Vec<u8>], sheet: &[Vec<u8>]) -> Vec<u8> {
        let begin = record(kind::BEGIN, &[0; 16]);
        let place = |at: u32| record(kind::SHEET, &[&at.to_le_bytes()[..], &[0, 0, 1, 0, b'S']].concat());
        let head = |at| [&begin[..], &place(at), &workbook.concat(), &record(kind::END, &[])].concat();
        let at = head(0).len() as u32;
        [head(at), begin.clone(), sheet.concat(), record(kind::END, &[])].concat()
    }

    #[test]
    fn cells_far_apart_need_all_the_cells_between_them() {
        let needed = |sheet: &[Vec<u8>]| needed_bytes(&stream(&[], sheet)).expect("whole");
        assert_eq!(needed(&[]), 0);
        assert_eq!(needed(&[number_at(3, 3)]), CELL_BYTES);
        assert_eq!(needed(&[number_at(0, 0), number_at(65_535, 255)]), MAX_CELLS * CELL_BYTES);
        assert!(needed_bytes(&stream(&[], &[number_at(0, 256)])).is_err());
        // A chart in the sheet.
        let inside = [record(kind::BEGIN, &[0; 16]), number_at(65_535, 0), record(kind::END, &[]), number_at(0, 0)];
        assert_eq!(needed(&inside), CELL_BYTES);
    }

    #[test]
    fn a_sheet_cannot_say_that_it_has_more_cells_than_there_can_be() {
        let dimensions = |top: u32, bottom: u32, right: u16| {
            let data = [&top.to_le_bytes()[..], &bottom.to_le_bytes(), &[0, 0], &right.to_le_bytes(), &[0, 0]].concat();
            needed_bytes(&stream(&[], &[record(kind::DIMENSIONS, &data)])).is_ok()
        };
        assert!(dimensions(0, 65_536, 256) && dimensions(0, 0, 0));
        assert!(!dimensions(0, u32::MAX, 256) && !dimensions(0, 65_536, 257) && !dimensions(9, 5, 3));
    }

    #[test]
    fn a_shared_text_counts_in_every_cell() {
        // Two texts, of which the second goes on in another record.
        let texts = record(kind::TEXTS, &[&[0; 8][..], &[2, 0, 0], b"ab", &[4, 0, 0], b"cd"].concat());
        let more = record(kind::CONTINUE, &[1, b'e', 0, b'f', 0]);
        let sheet: Vec<_> = [0, 1, 1, 1].iter().enumerate().map(|(row, &text)| shared_text(row as u16, text)).collect();
        let needed = needed_bytes(&stream(&[texts, more], &sheet)).expect("whole");
        assert_eq!(needed, 4 * CELL_BYTES + (2 + 3 * 4) * CHARACTER_BYTES);
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        let whole = stream(&[], &[number_at(0, 0)]);
        // The last record has four bytes, and the one before it is a number.
        assert!(needed_bytes(&whole[..whole.len() - 7]).is_err());
        for end in 0..whole.len() {
            let _ = needed_bytes(&whole[..end]);
        }
        assert!(needed_bytes(&[0xFF; 100]).is_err());
    }
}
