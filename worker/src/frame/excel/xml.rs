//! The XML of a workbook's parts as a stream of tags and texts, in bounded memory.
//!
//! A DOCTYPE is refused, because entities that it declares could stand for any amount of text, and workbooks have none.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};

use elt_shared::explained::Code;
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};

use super::package::PartBytes;
use super::problem::Problem;
use crate::frame::window::MAX_RECORD_BYTES;

/// Most bytes of one tag or of one text without a tag in it.
const MAX_TOKEN_BYTES: usize = 16 << 20;
/// Deepest nesting of tags.
const MAX_DEPTH: usize = 256;
/// The sentence about a row that does not fit into memory.
pub(super) const TOO_LARGE: &str = "a row is larger than 64 MiB";

/// The XML of one part.
pub(super) struct Xml {
    reader: Reader<Bounded>,
    buffer: Vec<u8>,
    depth: usize,
}

/// The next tag or text.
pub(super) enum Token<'a> {
    /// A tag begins. A tag that is empty begins and ends.
    Start(Tag<'a>),
    /// A tag ends.
    End(Name<'a>),
    /// Text as it is meant, without entities. A text with entities in it comes in several pieces.
    Text(Cow<'a, str>),
    /// A comment or something else without a meaning for the workbook.
    Other,
    /// The document has ended.
    Finished,
}

/// The name of a tag that ends.
pub(super) struct Name<'a>(quick_xml::events::BytesEnd<'a>);

impl Name<'_> {
    /// Whether this is the tag's name, whatever its namespace.
    pub(super) fn is(&self, name: &str) -> bool {
        self.0.local_name().as_ref() == name
    }
}

/// A tag that begins.
pub(super) struct Tag<'a>(BytesStart<'a>);

impl Tag<'_> {
    /// Whether this is the tag's name, whatever its namespace.
    pub(super) fn is(&self, name: &str) -> bool {
        self.0.local_name().as_ref() == name
    }

    /// The value of an attribute, by its name without a namespace.
    pub(super) fn attribute(&self, name: &str) -> Result<Option<String>, Problem> {
        let mut found = None;
        self.each_attribute(|key, value| {
            if local(key) == name && found.is_none() {
                found = Some(unescaped(value));
            }
        })?;
        found.transpose()
    }

    /// Calls `take` with the name as it is written and the raw value of each attribute.
    pub(super) fn each_attribute(&self, mut take: impl FnMut(&str, &str)) -> Result<(), Problem> {
        for attribute in self.0.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| Problem::broken(format!("its XML is invalid: {error}")))?;
            take(attribute.key.as_ref(), &attribute.value);
        }
        Ok(())
    }
}

/// A name without its namespace.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// The value of an attribute without entities.
pub(super) fn unescaped(value: &str) -> Result<String, Problem> {
    quick_xml::escape::unescape(value)
        .map(Cow::into_owned)
        .map_err(|error| Problem::broken(format!("its XML is invalid: {error}")))
}

impl Xml {
    pub(super) fn new(bytes: PartBytes) -> Self {
        let mut reader = Reader::from_reader(Bounded { inner: BufReader::with_capacity(64 << 10, bytes), left: 0 });
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.trim_text(false);
        Self { reader, buffer: Vec::new(), depth: 0 }
    }

    /// The next tag or text.
    pub(super) fn next(&mut self) -> Result<Token<'_>, Problem> {
        self.buffer.clear();
        self.reader.get_mut().left = MAX_TOKEN_BYTES;
        match self.reader.read_event_into(&mut self.buffer).map_err(problem)? {
            Event::Start(tag) => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(Problem::broken(format!("its XML is nested deeper than {MAX_DEPTH} tags")));
                }
                Ok(Token::Start(Tag(tag)))
            }
            Event::End(tag) => {
                self.depth = self.depth.saturating_sub(1);
                Ok(Token::End(Name(tag)))
            }
            Event::Text(text) => Ok(Token::Text(text.xml10_content())),
            Event::CData(text) => Ok(Token::Text(text.xml10_content())),
            Event::GeneralRef(reference) => {
                if let Some(text) = resolve_xml_entity(&reference) {
                    return Ok(Token::Text(text.into()));
                }
                match reference.resolve_char_ref() {
                    Ok(Some(character)) => Ok(Token::Text(character.to_string().into())),
                    _ => Err(Problem::broken("its XML has an entity that is not defined")),
                }
            }
            Event::DocType(_) => Err(Problem::broken("its XML declares entities of its own, which no workbook does")),
            Event::Eof => Ok(Token::Finished),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Empty(_) => Ok(Token::Other),
        }
    }

    /// Passes over the rest of the tag that began last.
    pub(super) fn skip_tag(&mut self) -> Result<(), Problem> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if matches!(self.next()?, Token::Finished) {
                return Err(Problem::cut_off());
            }
        }
        Ok(())
    }

    /// Adds the text of the tag that began last, without that of tags in it.
    pub(super) fn text_into(&mut self, out: &mut Vec<u8>) -> Result<(), Problem> {
        let outside = self.depth.saturating_sub(1);
        let inside = self.depth;
        while self.depth > outside {
            let depth = self.depth;
            match self.next()? {
                Token::Text(text) if depth == inside => out.extend_from_slice(text.as_bytes()),
                Token::Finished => return Err(Problem::cut_off()),
                _ => {}
            }
            if out.len() > MAX_RECORD_BYTES {
                return Err(Problem::new(Code::RecordTooLarge, TOO_LARGE));
            }
        }
        Ok(())
    }

    /// Reads on until the part ends, so that its checksum is checked.
    pub(super) fn finish(mut self) -> Result<(), Problem> {
        io::copy(&mut self.reader.get_mut().inner, &mut io::sink())?;
        Ok(())
    }
}

fn problem(error: quick_xml::Error) -> Problem {
    match error {
        quick_xml::Error::Io(error) => error.into(),
        quick_xml::Error::Syntax(_) => Problem::cut_off(),
        error => Problem::broken(format!("its XML is invalid: {error}")),
    }
}

/// Bytes of which only a number can be taken until it is set anew.
struct Bounded {
    inner: BufReader<PartBytes>,
    left: usize,
}

impl Read for Bounded {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.inner.read(out)
    }
}

impl BufRead for Bounded {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            let what = format!("one tag or text of its XML has more than {} MiB", MAX_TOKEN_BYTES >> 20);
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, what));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count);
        self.inner.consume(count);
    }
}
