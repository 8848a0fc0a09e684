//! The sheets of a workbook that a config means.

use std::fs::File;
use std::sync::Arc;

use elt_shared::config::{ExcelOptions, SheetChoice};
use elt_shared::explained::Code;
use globset::GlobBuilder;

use super::problem::Problem;
use super::{SheetEntry, Workbook};
use crate::frame::read::FileError;
use crate::input::{Compression, InputFile};

/// Most names of sheets in one sentence.
const NAMES_SHOWN: usize = 20;

/// A sheet that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Its place among the sheets of the workbook, counted from 0.
    pub(crate) index: usize,
    /// Name of the sheet.
    pub(crate) name: String,
}

/// The sheets that are read, in the order of their tabs, and a sentence about others that have cells and are not.
///
/// # Errors
/// When the file is not a workbook that can be read, or has no such sheet.
pub(crate) fn chosen(input: &InputFile) -> Result<(Vec<Chosen>, Option<String>), FileError> {
    packed(input)?;
    let file = input.open().map_err(|error| Problem::from(error).of_file(&input.name))?;
    of_file(&Arc::new(file), &input.options.excel).map_err(|problem| problem.of_file(&input.name))
}

/// Refuses a workbook that was compressed once more, because its parts are not read in their order.
pub(super) fn packed(input: &InputFile) -> Result<(), FileError> {
    if input.compression == Compression::None {
        return Ok(());
    }
    let problem = Problem::new(Code::NotAWorkbook, "it is a workbook that was compressed once more");
    Err(problem.of_file(&input.name).hint("Unpack it: a workbook is compressed already."))
}

fn of_file(file: &Arc<File>, options: &ExcelOptions) -> Result<(Vec<Chosen>, Option<String>), Problem> {
    let workbook = Workbook::open(file)?;
    choose(&workbook.sheets(), &options.sheets, |index| workbook.has_values(index))
}

/// The one sheet that is read of a workbook whose sheets were not listed before.
pub(super) fn only(workbook: &Workbook, options: &ExcelOptions) -> Result<(Chosen, Option<String>), Problem> {
    let (chosen, doubt) = choose(&workbook.sheets(), &options.sheets, |index| workbook.has_values(index))?;
    let first = chosen.into_iter().next();
    Ok((first.ok_or_else(|| Problem::new(Code::NoSheet, "it has no sheets"))?, doubt))
}

fn choose(
    sheets: &[SheetEntry],
    wanted: &SheetChoice,
    has_values: impl Fn(usize) -> Result<bool, Problem>,
) -> Result<(Vec<Chosen>, Option<String>), Problem> {
    match wanted {
        SheetChoice::First => first_with_values(sheets, has_values),
        SheetChoice::One(wanted) => Ok((vec![one(sheets, wanted)?], None)),
        SheetChoice::Each(wanted) => Ok((each(sheets, wanted)?, None)),
    }
}

/// The first visible sheet that has values, and a sentence about the other ones.
fn first_with_values(
    sheets: &[SheetEntry],
    has_values: impl Fn(usize) -> Result<bool, Problem>,
) -> Result<(Vec<Chosen>, Option<String>), Problem> {
    let mut filled = Vec::new();
    for (index, sheet) in sheets.iter().enumerate().filter(|(_, sheet)| sheet.has_cells && !sheet.is_hidden) {
        if has_values(index)? {
            filled.push((index, sheet));
        }
    }
    let Some(((index, first), others)) = filled.split_first() else {
        // A workbook without any values is like an empty file.
        let empty = sheets.iter().enumerate().find(|(_, sheet)| sheet.has_cells && !sheet.is_hidden);
        return match empty {
            Some((index, sheet)) => Ok((vec![chosen_of(index, sheet)], None)),
            None => Err(Problem::new(Code::NoSheet, format!("it has no visible sheet with cells{}", listed(sheets)))),
        };
    };
    let doubt = (!others.is_empty()).then(|| {
        let names = shown(others.iter().map(|(_, sheet)| sheet.name.as_str()));
        format!(
            "only its sheet {:?} is read, and {names} {} cells, too; write `excel: {{sheet: NAME}}` for another one or \
             `excel: {{sheets: \"*\"}}` for all",
            first.name,
            if others.len() == 1 { "has" } else { "have" }
        )
    });
    Ok((vec![chosen_of(*index, first)], doubt))
}

/// The sheet of this name, at this place, or whose name matches this pattern: the first of these that there is.
fn one(sheets: &[SheetEntry], wanted: &str) -> Result<Chosen, Problem> {
    let named = named(sheets, wanted).or_else(|| {
        let place = wanted.trim().parse::<usize>().ok()?.checked_sub(1)?;
        sheets.get(place).map(|_| place)
    });
    let index = match named {
        Some(index) => index,
        None => match &matching(sheets, wanted)?[..] {
            [index] => *index,
            [] => return Err(missing(sheets, wanted)),
            several => {
                let names = shown(several.iter().map(|&index| sheets[index].name.as_str()));
                let what = format!("{wanted:?} matches {} of its sheets: {names}", several.len());
                return Err(Problem::new(Code::NoSheet, what));
            }
        },
    };
    with_cells(sheets, index)?;
    Ok(chosen_of(index, &sheets[index]))
}

/// Every sheet with one of the names, or whose name matches a pattern.
fn each(sheets: &[SheetEntry], wanted: &[String]) -> Result<Vec<Chosen>, Problem> {
    let mut indexes = Vec::new();
    for wanted in wanted {
        match named(sheets, wanted) {
            Some(index) => {
                with_cells(sheets, index)?;
                indexes.push(index);
            }
            None => match &matching(sheets, wanted)?[..] {
                [] => return Err(missing(sheets, wanted)),
                several => indexes.extend(several),
            },
        }
    }
    indexes.sort_unstable();
    indexes.dedup();
    Ok(indexes.into_iter().map(|index| chosen_of(index, &sheets[index])).collect())
}

/// The sheet of this name: exactly, else in any case, because a workbook has no two names that differ only by it.
fn named(sheets: &[SheetEntry], wanted: &str) -> Option<usize> {
    let lower = wanted.to_lowercase();
    let exact = sheets.iter().position(|sheet| sheet.name == wanted);
    exact.or_else(|| sheets.iter().position(|sheet| sheet.name.to_lowercase() == lower))
}

/// The visible sheets with cells whose names match a pattern.
fn matching(sheets: &[SheetEntry], pattern: &str) -> Result<Vec<usize>, Problem> {
    let glob = GlobBuilder::new(pattern).case_insensitive(true).backslash_escape(true).build();
    let glob =
        glob.map_err(|error| Problem::new(Code::NoSheet, format!("the pattern {pattern:?} is invalid: {error}")))?;
    let glob = glob.compile_matcher();
    let matches = |sheet: &SheetEntry| sheet.has_cells && !sheet.is_hidden && glob.is_match(&sheet.name);
    Ok(sheets.iter().enumerate().filter(|(_, sheet)| matches(sheet)).map(|(index, _)| index).collect())
}

fn with_cells(sheets: &[SheetEntry], index: usize) -> Result<(), Problem> {
    if sheets[index].has_cells {
        return Ok(());
    }
    Err(Problem::new(Code::NoSheet, format!("its sheet {:?} is a chart or macro and has no cells", sheets[index].name)))
}

fn chosen_of(index: usize, sheet: &SheetEntry) -> Chosen {
    Chosen { index, name: sheet.name.clone() }
}

fn missing(sheets: &[SheetEntry], wanted: &str) -> Problem {
    Problem::new(Code::NoSheet, format!("no sheet of it is called {wanted:?}{}", listed(sheets)))
}

/// `; it has "Orders" and "Customers"`.
fn listed(sheets: &[SheetEntry]) -> String {
    if sheets.is_empty() {
        return String::new();
    }
    format!("; it has {}", shown(sheets.iter().map(|sheet| sheet.name.as_str())))
}

/// `"Orders", "Customers" and "Stock"`.
fn shown<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    if names.len() > NAMES_SHOWN {
        let more = names.len() - NAMES_SHOWN;
        names.truncate(NAMES_SHOWN);
        names.push(format!("{more} more"));
    }
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheets(names: &[&str]) -> Vec<SheetEntry> {
        let entry = |name: &&str| SheetEntry {
            name: name.trim_start_matches(['-', '#']).to_owned(),
            is_hidden: name.starts_with('-'),
            has_cells: !name.starts_with('#'),
        };
        names.iter().map(entry).collect()
    }

    fn names(sheets: &[SheetEntry], choice: &SheetChoice) -> Result<String, String> {
        match choose(sheets, choice, |index| Ok(!sheets[index].name.starts_with("Empty"))) {
            Ok((chosen, doubt)) => {
                let names: Vec<_> = chosen.into_iter().map(|chosen| chosen.name).collect();
                Ok(format!("{}{}", names.join(","), doubt.map_or(String::new(), |doubt| format!(" ({doubt})"))))
            }
            Err(problem) => Err(problem.of_file("a.xlsx").message),
        }
    }

    #[test]
    fn the_first_visible_sheet_with_values_is_read_and_the_others_are_named() {
        let first = |list: &[&str]| names(&sheets(list), &SheetChoice::First);
        assert_eq!(first(&["-Hidden", "#Chart", "Empty", "Data"]), Ok("Data".into()));
        let doubt = first(&["A", "Empty", "B", "C"]).expect("a sheet");
        assert!(doubt.starts_with("A (only its sheet \"A\" is read, and \"B\" and \"C\" have cells, too;"), "{doubt}");
        assert_eq!(first(&["Empty"]), Ok("Empty".into()));
        assert!(first(&["-Hidden"]).expect_err("hidden").contains("no visible sheet"));
        assert!(first(&[]).is_err());
    }

    #[test]
    fn one_sheet_is_named_counted_or_matched() {
        let list = sheets(&["2024", "Orders", "-Secret", "Orders old", "#Chart"]);
        let one = |wanted: &str| names(&list, &SheetChoice::One(wanted.to_owned()));
        assert_eq!(one("orders"), Ok("Orders".into()));
        assert_eq!(one("2"), Ok("Orders".into()));
        // A name counts before a place.
        assert_eq!(one("2024"), Ok("2024".into()));
        assert_eq!(one("*old"), Ok("Orders old".into()));
        assert_eq!(one("Secret"), Ok("Secret".into()));
        assert!(one("Secre*").expect_err("hidden").contains("no sheet of it is called \"Secre*\"; it has \"2024\", "));
        assert!(one("Ord*").expect_err("two").contains("matches 2 of its sheets: \"Orders\" and \"Orders old\""));
        assert!(one("9").is_err() && one("0").is_err());
        assert!(one("Chart").expect_err("a chart").contains("has no cells"));
    }

    #[test]
    fn several_sheets_are_read_in_the_order_of_their_tabs() {
        let list = sheets(&["Jan", "Feb", "-Secret", "Total", "#Chart"]);
        let each = |wanted: &[&str]| {
            names(&list, &SheetChoice::Each(wanted.iter().map(|&wanted| wanted.to_owned()).collect()))
        };
        assert_eq!(each(&["*"]), Ok("Jan,Feb,Total".into()));
        assert_eq!(each(&["feb", "J*", "Jan"]), Ok("Jan,Feb".into()));
        assert_eq!(each(&["Secret", "Jan"]), Ok("Jan,Secret".into()));
        assert!(each(&["Jan", "Mar"]).expect_err("missing").contains("\"Mar\""));
    }
}
