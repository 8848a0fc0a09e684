//! The config that an XML file needs, by a look at all of its elements.

use elt_shared::config::{NamePrefixes, XmlOptions};
use elt_shared::explained::Code;

use super::cursor::Cursor;
use super::encoding;
use super::paths::Paths;
use super::scan::{Token, attributes, token};
use crate::frame::read::{self, FileError, window_size};
use crate::frame::window::Window;
use crate::input::{Format, InputFile};

/// Paths that are named beside the proposed one.
const OTHERS: usize = 4;

/// What is proposed for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The options.
    pub options: XmlOptions,
    /// Sentences about why, for the person who reads the config.
    pub reasons: Vec<String>,
}

impl Proposal {
    /// The path of the records.
    pub fn records(&self) -> String {
        format!("/{}", self.options.records.join("/"))
    }
}

/// Reads a file as XML and proposes the path of its rows. `None`: it has no elements. It blocks its thread.
///
/// # Errors
/// When the file cannot be read, or is not XML.
pub fn propose(input: &InputFile) -> Result<Option<Proposal>, FileError> {
    let paths = paths_of(input)?;
    let likely = paths.likely();
    let Some(best) = likely.first() else { return Ok(None) };
    let mut reasons = vec![match best.count {
        1 => format!("{} is the only element that can be a row.", best.path),
        count => format!("{} is there {count} times, and has elements or attributes.", best.path),
    }];
    let others: Vec<_> = likely[1..].iter().filter(|path| path.count > 1 && path.fields > 0).take(OTHERS).collect();
    if !others.is_empty() {
        let others: Vec<_> = others.iter().map(|path| format!("{} ({})", path.path, path.count)).collect();
        reasons.push(format!("Other paths that could be the rows: {}.", others.join(", ")));
    }
    let mut options = XmlOptions {
        records: best.path.split('/').skip(1).map(|name| local_name(name).to_owned()).collect(),
        ..XmlOptions::default()
    };
    // Each conflict of names is answered by one more key, until the file can be read.
    while let Some(error) = names_in_conflict(input, &options) {
        if error.next_step.contains("attribute_prefix") && options.attribute_prefix.is_empty() {
            options.attribute_prefix = "_".to_owned();
        } else if options.prefixes == NamePrefixes::Drop {
            options.prefixes = NamePrefixes::Keep;
            options.records = best.path.split('/').skip(1).map(str::to_owned).collect();
        } else {
            break;
        }
        reasons.push(format!("In {}.", error.reason));
    }
    Ok(Some(Proposal { options, reasons }))
}

fn local_name(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// The paths of all elements of a file.
fn paths_of(input: &InputFile) -> Result<Paths, FileError> {
    let mut cursor = Cursor::new(Window::new(encoding::open(input)?, window_size(input)));
    let mut paths = Paths::default();
    loop {
        if cursor.is_at_end() {
            return Ok(paths);
        }
        let (text, at) = (cursor.window.text(), cursor.at);
        if at == text.len() {
            cursor.read_on()?;
            continue;
        }
        if text[at] != b'<' {
            cursor.at = memchr::memchr(b'<', &text[at..]).map_or(text.len(), |length| at + length);
            continue;
        }
        match token(text, at, cursor.window.ended()) {
            Ok((Token::Start(tag), end)) => {
                let mut count = 0;
                let counted = attributes(text, tag.attributes, |_, _| {
                    count += 1;
                    Ok(())
                });
                if let Err(fault) = counted {
                    return Err(cursor.error(fault));
                }
                paths.enter(text, tag.name, count);
                if tag.is_empty {
                    paths.leave();
                }
                cursor.at = end;
            }
            Ok((Token::End(_), end)) => {
                paths.leave();
                cursor.at = end;
            }
            Ok((_, end)) => cursor.at = end,
            Err(super::scan::Fault::More) => cursor.read_on()?,
            Err(fault) => return Err(cursor.error(fault)),
        }
    }
}

/// The error about two names that would be one column, if the file has such names.
fn names_in_conflict(input: &InputFile, options: &XmlOptions) -> Option<FileError> {
    let mut input = InputFile { format: Format::Xml, ..input.clone() };
    std::sync::Arc::make_mut(&mut input.options).xml = Some(options.clone());
    let reading = || {
        let mut reader = read::open(0, &input)?;
        while reader.next()?.is_some() {}
        Ok(())
    };
    reading().err().filter(|error: &FileError| error.code == Code::XmlNames)
}
