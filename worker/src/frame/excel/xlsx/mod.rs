//! `.xlsx` and `.xlsm`: XML parts in a zip container.
//!
//! # Layout
//! - this file: the workbook: its sheets, its texts, its calendar
//! - [`styles`]: the number formats of its cells
//! - [`sheet`]: the rows of one sheet

mod sheet;
mod styles;

use super::package::Package;
use super::problem::Problem;
use super::serial::Calendar;
use super::shared_strings::SharedStrings;
use super::xml::{Token, Xml};
use super::{MAX_SHEETS, NameRoom, SheetEntry, SheetRows};
use crate::input::SpoolFolder;
use sheet::XmlSheet;

/// The end of the type of a relation to the workbook's main part.
const OFFICE_DOCUMENT: &str = "/officeDocument";

/// A workbook whose parts are XML.
pub(super) struct Xlsx {
    package: Package,
    sheets: Vec<(SheetEntry, String)>,
    calendar: Calendar,
    strings: Option<String>,
    styles: Option<String>,
}

/// A relation from one part to another.
struct Relation {
    id: String,
    kind: String,
    target: String,
}

impl Xlsx {
    /// Reads the list of the sheets.
    pub(super) fn open(package: Package) -> Result<Self, Problem> {
        let main = relations(&package, "")?
            .into_iter()
            .find(|relation| relation.kind.ends_with(OFFICE_DOCUMENT))
            .map(|relation| relation.target)
            .ok_or_else(|| Problem::broken("it has no workbook in it"))?;
        let relations = relations(&package, &main)?;
        let part = |kind: &str| {
            let found = relations.iter().find(|relation| relation.kind.ends_with(kind));
            found.map(|relation| relation.target.clone()).filter(|target| package.has(target))
        };
        let (strings, styles) = (part("/sharedStrings"), part("/styles"));
        let mut workbook = Self { package, sheets: Vec::new(), calendar: Calendar::default(), strings, styles };
        workbook.read_sheets(&main, &relations)?;
        Ok(workbook)
    }

    fn read_sheets(&mut self, main: &str, relations: &[Relation]) -> Result<(), Problem> {
        let mut xml = self.xml(main)?;
        let mut room = NameRoom::new();
        loop {
            match xml.next()? {
                Token::Start(tag) if tag.is("workbookPr") => {
                    let is_1904 = tag.attribute("date1904")?.is_some_and(|flag| matches!(flag.as_str(), "1" | "true"));
                    self.calendar = if is_1904 { Calendar::From1904 } else { Calendar::From1900 };
                }
                Token::Start(tag) if tag.is("sheet") => {
                    let name = tag.attribute("name")?.unwrap_or_default();
                    room.take(&name)?;
                    let id = tag.attribute("id")?.unwrap_or_default();
                    let is_hidden = tag.attribute("state")?.is_some_and(|state| state != "visible");
                    let relation = relations.iter().find(|relation| relation.id == id);
                    let relation = relation.filter(|relation| relation.kind.ends_with("/worksheet"));
                    // Sheets of charts and macros have no cells; they keep their place among the sheets.
                    let (target, has_cells) = relation.map_or((String::new(), false), |r| (r.target.clone(), true));
                    room.take(&target)?;
                    self.sheets.push((SheetEntry { name, is_hidden, has_cells }, target));
                    if self.sheets.len() > MAX_SHEETS {
                        return Err(Problem::too_large(format!("it has more than {MAX_SHEETS} sheets")));
                    }
                }
                Token::Finished => return Ok(()),
                _ => {}
            }
        }
    }

    fn xml(&self, part: &str) -> Result<Xml, Problem> {
        Ok(Xml::new(self.package.part(part)?))
    }

    /// The sheets in the order of their tabs.
    pub(super) fn sheets(&self) -> impl Iterator<Item = &SheetEntry> {
        self.sheets.iter().map(|(entry, _)| entry)
    }

    /// Whether a sheet has a cell with a value.
    pub(super) fn has_values(&self, index: usize) -> Result<bool, Problem> {
        sheet::has_values(self.xml(&self.sheets[index].1)?)
    }

    /// The rows of a sheet. `spool`: where its texts are written when they are too large for the memory.
    pub(super) fn rows(&self, index: usize, spool: &SpoolFolder) -> Result<Box<dyn SheetRows>, Problem> {
        let strings = match &self.strings {
            Some(part) => SharedStrings::read(self.xml(part)?, spool)?,
            None => SharedStrings::default(),
        };
        let formats = match &self.styles {
            Some(part) => styles::read(self.xml(part)?)?,
            None => Vec::new(),
        };
        let xml = self.xml(&self.sheets[index].1)?;
        Ok(Box::new(XmlSheet::new(xml, strings, formats, self.calendar)))
    }

    /// The merged cells that touch a row of a sheet: for each the first and the last column.
    pub(super) fn merged_in_row(&self, index: usize, row: u32) -> Result<Vec<(u32, u32)>, Problem> {
        sheet::merged_in_row(self.xml(&self.sheets[index].1)?, row)
    }
}

/// The relations of a part, which are in a part of their own beside it. The empty name is that of the package.
fn relations(package: &Package, part: &str) -> Result<Vec<Relation>, Problem> {
    let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
    let slash = if folder.is_empty() { "" } else { "/" };
    let mut xml = Xml::new(package.part(&format!("{folder}{slash}_rels/{name}.rels"))?);
    let (mut relations, mut room) = (Vec::new(), NameRoom::new());
    loop {
        match xml.next()? {
            Token::Start(tag) if tag.is("Relationship") => {
                let target = tag.attribute("Target")?.unwrap_or_default();
                let relation = Relation {
                    id: tag.attribute("Id")?.unwrap_or_default(),
                    kind: tag.attribute("Type")?.unwrap_or_default(),
                    target: resolved(folder, &target),
                };
                for text in [&relation.id, &relation.kind, &relation.target] {
                    room.take(text)?;
                }
                relations.push(relation);
                if relations.len() > 2 * MAX_SHEETS {
                    return Err(Problem::too_large("its parts have too many relations"));
                }
            }
            Token::Finished => return Ok(relations),
            _ => {}
        }
    }
}

/// The name of a part that is written relative to a folder.
fn resolved(folder: &str, target: &str) -> String {
    let absolute = target.starts_with('/');
    let mut names: Vec<&str> = if absolute { Vec::new() } else { folder.split('/').collect() };
    for name in target.split(['/', '\\']) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.retain(|name| !name.is_empty());
    names.join("/")
}

#[cfg(test)]
mod tests {
    use super::resolved;

    #[test]
    fn parts_are_named_relative_to_a_folder() {
        assert_eq!(resolved("", "xl/workbook.xml"), "xl/workbook.xml");
        assert_eq!(resolved("xl", "worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolved("xl", "/xl/worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolved("xl/x", "../../a\\b.xml"), "a/b.xml");
        assert_eq!(resolved("", "../../../etc"), "etc");
    }
}
