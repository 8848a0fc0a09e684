//! The styles of a workbook, as far as they say how numbers are shown.

use std::collections::HashMap;

use crate::frame::excel::number_format::{self, Shown};
use crate::frame::excel::problem::Problem;
use crate::frame::excel::xml::{Token, Xml};

/// Most styles of a workbook. Excel has at most 65,490.
const MAX_STYLES: usize = 1 << 17;

/// What each style shows, in the order in which cells refer to them.
pub(super) fn read(mut xml: Xml) -> Result<Vec<Shown>, Problem> {
    let mut formats: HashMap<u32, Shown> = HashMap::new();
    let mut styles = Vec::new();
    let mut in_cell_styles = false;
    loop {
        match xml.next()? {
            Token::Start(tag) if tag.is("numFmt") => {
                let id = tag.attribute("numFmtId")?.and_then(|id| id.parse().ok());
                let code = tag.attribute("formatCode")?;
                if let (Some(id), Some(code)) = (id, code) {
                    formats.insert(id, number_format::custom(&code));
                }
            }
            // Other lists of the part have entries of the same name.
            Token::Start(tag) if tag.is("cellXfs") => in_cell_styles = true,
            Token::End(name) if name.is("cellXfs") => in_cell_styles = false,
            Token::Start(tag) if in_cell_styles && tag.is("xf") => {
                let id = tag.attribute("numFmtId")?.and_then(|id| id.parse().ok()).unwrap_or(0);
                styles.push(formats.get(&id).copied().unwrap_or_else(|| number_format::built_in(id)));
            }
            Token::Finished => return Ok(styles),
            _ => {}
        }
        if styles.len() > MAX_STYLES || formats.len() > MAX_STYLES {
            return Err(Problem::too_large("it has too many styles"));
        }
    }
}
