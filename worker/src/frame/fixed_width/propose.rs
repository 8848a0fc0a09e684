//! The columns of a fixed-width file, by a ruler of dashes below its header or by the places that are blank in all lines.

use elt_shared::config::FixedColumn;

use super::is_ruler;
use crate::frame::decode::Text;
use crate::frame::read::FileError;
use crate::input::InputFile;

/// Bytes of a file that are looked at.
const HEAD_BYTES: usize = 256 << 10;
/// Lines that are looked at.
const LINES: usize = 2_000;
/// Lines among which a ruler is searched.
const RULER_WITHIN: usize = 30;
/// Fewest lines by which single blank places are taken for gaps between columns.
const ENOUGH_LINES: usize = 5;
/// Longest line that can have columns.
const MAX_LINE: usize = 5_000;

/// What is proposed for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The columns.
    pub columns: Vec<FixedColumn>,
    /// Whether a line names them.
    pub header: bool,
    /// Lines above that line.
    pub skip_rows: usize,
    /// Sentences about why, for the person who reads the config.
    pub reasons: Vec<String>,
}

/// Looks at the beginning of a file. `None`: it shows no columns. It blocks its thread.
///
/// # Errors
/// When the file cannot be read.
pub fn propose(input: &InputFile) -> Result<Option<Proposal>, FileError> {
    let mut source = Text::open(input)?;
    let mut head = vec![0; HEAD_BYTES];
    let length = source.fill(&mut head)?;
    let text = String::from_utf8_lossy(&head[..length]);
    let mut lines: Vec<Vec<char>> = text.lines().take(LINES + 1).map(|line| line.chars().collect()).collect();
    if length == HEAD_BYTES || lines.len() > LINES {
        lines.pop();
    }
    let odd = |line: &Vec<char>| line.len() > MAX_LINE || line.iter().any(|c| c.is_control());
    if lines.iter().any(odd) {
        return Ok(None);
    }
    Ok(by_ruler(&lines).or_else(|| by_blanks(&lines)))
}

/// Columns below a line of dashes, each with a group of them.
fn by_ruler(lines: &[Vec<char>]) -> Option<Proposal> {
    let is_ruler_at = |index: &usize| {
        let line: String = lines[*index].iter().collect();
        is_ruler(line.as_bytes()) && *index > 0 && !is_blank(&lines[index - 1])
    };
    let at = (0..lines.len().min(RULER_WITHIN)).find(is_ruler_at)?;
    let groups = runs(&lines[at].iter().map(|c| matches!(c, '-' | '=')).collect::<Vec<_>>());
    let below: Vec<&Vec<char>> = lines[at + 1..].iter().filter(|line| !is_blank(line)).collect();
    let between = groups.windows(2).flat_map(|pair| pair[0].1..pair[1].0);
    let is_free = |place: usize| below.iter().all(|line| line.get(place).is_none_or(|c| *c == ' '));
    if groups.len() < 2 || !between.into_iter().all(is_free) {
        return None;
    }
    let starts: Vec<usize> = groups.iter().map(|group| group.0).collect();
    let end = below.iter().map(|line| line.len()).max().unwrap_or(0).max(lines[at].len());
    let reasons = vec![format!("Line {} is a ruler of {} groups of dashes.", at + 1, groups.len())];
    Some(Proposal { columns: columns(&starts, end, Some(&lines[at - 1])), header: true, skip_rows: at - 1, reasons })
}

/// Columns between the places that are blank in all lines.
fn by_blanks(lines: &[Vec<char>]) -> Option<Proposal> {
    let lines: Vec<&Vec<char>> = lines.iter().filter(|line| !is_blank(line)).collect();
    let end = lines.iter().map(|line| line.len()).max()?;
    let is_used = |place: usize| lines.iter().any(|line| line.get(place).is_some_and(|c| *c != ' '));
    let groups = runs(&(0..end).map(is_used).collect::<Vec<_>>());
    let is_wide = groups.windows(2).all(|pair| pair[1].0 - pair[0].1 > 1);
    let is_filled = |&(from, to): &(usize, usize)| {
        let filled = |line: &&&Vec<char>| line.iter().skip(from).take(to - from).any(|c| *c != ' ');
        lines.iter().filter(filled).count() * 2 > lines.len()
    };
    if groups.len() < 2 || lines.len() < 3 || (lines.len() < ENOUGH_LINES && !is_wide) || !groups.iter().all(is_filled)
    {
        return None;
    }
    let has_digits = |line: &Vec<char>| line.iter().any(char::is_ascii_digit);
    let header = !has_digits(lines[0]) && lines[1..].iter().any(|line| has_digits(line));
    let starts: Vec<usize> = groups.iter().map(|group| group.0).collect();
    let gaps: Vec<_> = groups.windows(2).map(|pair| shown(pair[0].1 + 1, pair[1].0)).collect();
    let mut reasons =
        vec![format!("In all {} lines that were looked at these places are blank: {}.", lines.len(), gaps.join(", "))];
    if header {
        reasons.push("The first line has no digits, and others do, so it names the columns.".to_owned());
    }
    Some(Proposal { columns: columns(&starts, end, header.then_some(lines[0])), header, skip_rows: 0, reasons })
}

/// Columns that begin at these places, counted from 0, each up to the next one.
fn columns(starts: &[usize], end: usize, header: Option<&Vec<char>>) -> Vec<FixedColumn> {
    let mut columns = Vec::new();
    for (index, &start) in starts.iter().enumerate() {
        // What stands before the first group belongs to the first column.
        let start = if index == 0 { 0 } else { start };
        let end = starts.get(index + 1).copied().unwrap_or(end);
        let name: String = header.into_iter().flatten().skip(start).take(end - start).collect();
        let name = match name.trim() {
            "" => format!("column_{}", index + 1),
            name => name.to_owned(),
        };
        columns.push(FixedColumn { name: Some(name), start: start as u32, width: (end - start) as u32 });
    }
    columns
}

/// Start and end of each run of `true`.
fn runs(flags: &[bool]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (place, _) in flags.iter().enumerate().filter(|(_, flag)| **flag) {
        match runs.last_mut() {
            Some(run) if run.1 == place => run.1 += 1,
            _ => runs.push((place, place + 1)),
        }
    }
    runs
}

fn is_blank(line: &[char]) -> bool {
    line.iter().all(|c| c.is_whitespace())
}

fn shown(from: usize, to: usize) -> String {
    if from == to { from.to_string() } else { format!("{from} to {to}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Vec<char>> {
        text.lines().map(|line| line.chars().collect()).collect()
    }

    fn shown_columns(proposal: &Proposal) -> Vec<String> {
        let shown = |column: &FixedColumn| {
            format!("{} {} {}", column.name.as_deref().unwrap_or_default(), column.start + 1, column.width)
        };
        proposal.columns.iter().map(shown).collect()
    }

    #[test]
    fn a_ruler_shows_the_columns() {
        let text = "Report of stock\n\nid   name       amount\n---- ---------- ------\n1    Ann Lee the 2nd  3\n22   Bob          12\n";
        assert_eq!(by_ruler(&lines(text)), None, "a value stands in the gap, so the ruler is another one");
        let text = "Report of stock\n\nid   name       amount\n---- ---------- ------\n1    Ann Lee      3.50\n22   Bob            12\n";
        let found = by_ruler(&lines(text)).expect("columns");
        assert_eq!(shown_columns(&found), ["id 1 5", "name 6 11", "amount 17 6"]);
        assert_eq!((found.header, found.skip_rows), (true, 2));
    }

    #[test]
    fn places_that_are_always_blank_are_gaps() {
        let text = "id  name    town\n1   Ann     Berlin\n2   Bob     New York\n30  Cid     Rome\n";
        let found = by_blanks(&lines(text)).expect("columns");
        assert_eq!(shown_columns(&found), ["id 1 4", "name 5 8", "town 13 8"]);
        assert!(found.header);
        let text = "1 x\n2 y\n3 z\n4 x\n5 y\n";
        assert_eq!(shown_columns(&by_blanks(&lines(text)).expect("columns")), ["column_1 1 2", "column_2 3 1"]);
    }

    #[test]
    fn prose_and_a_few_words_show_no_columns() {
        for text in
            ["one\ntwo\nthree\n", "a b\nc d\n", "The quick brown fox\njumps over the lazy dog\nand is gone again\n", ""]
        {
            assert_eq!(by_blanks(&lines(text)), None, "{text}");
            assert_eq!(by_ruler(&lines(text)), None, "{text}");
        }
    }
}
