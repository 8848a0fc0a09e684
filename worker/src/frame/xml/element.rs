//! The elements of one record, as a tree.

use super::scan::{Fault, Span, Tag, Token, attributes, is_white, token};
use super::text::{Place, decode, is_plain};

/// Most levels of elements below a record that become JSON.
pub(super) const MAX_DEPTH: usize = 100;
/// Most levels of elements in a document.
pub(super) const MAX_LEVELS: usize = 10_000;
/// Most elements of a record, because each of them is kept in memory.
const MAX_ELEMENTS: usize = 1_000_000;
/// In place of an index: there is no such element.
const NOTHING: u32 = u32::MAX;

/// An element of a record.
#[derive(Debug)]
pub(super) struct Element {
    /// Place of its name.
    pub name: Span,
    /// Place of its attributes.
    pub attributes: Span,
    /// Its own text, without that of the elements in it.
    pub text: OwnText,
    first: u32,
    last: u32,
    next: u32,
}

/// The text of an element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum OwnText {
    /// The element has no text of its own.
    #[default]
    Nothing,
    /// It is a part of the document.
    Span(Span),
    /// It differs from the document.
    Owned(Vec<u8>),
}

impl OwnText {
    /// Its bytes, where `text` is the document.
    pub(super) fn bytes<'a>(&'a self, text: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Nothing => &[],
            Self::Span(span) => &text[span.0..span.1],
            Self::Owned(bytes) => bytes,
        }
    }
}

/// The elements of a record. The first one is the record itself.
#[derive(Debug, Default)]
pub(super) struct Tree {
    elements: Vec<Element>,
    open: Vec<(u32, Span)>,
    /// Whether it has more levels than [`MAX_DEPTH`]. Then the tree is incomplete.
    pub is_too_deep: bool,
}

impl Tree {
    /// Reads the record whose start tag is at `start`. Returns the position of its end.
    pub(super) fn read(&mut self, text: &[u8], start: usize, ended: bool) -> Result<usize, Fault> {
        self.elements.clear();
        self.open.clear();
        self.is_too_deep = false;
        let mut at = start;
        loop {
            if at == text.len() {
                return Err(if ended { Fault::Cut { at: start, inside: "inside this element" } } else { Fault::More });
            }
            let (token, end) = token(text, at, ended)?;
            match token {
                Token::Start(tag) => self.start(text, start, at, tag)?,
                Token::End(name) => self.end(text, at, name)?,
                Token::Text(span) => self.text(text, span, Place::Content)?,
                Token::CData(span) => self.text(text, span, Place::CData)?,
                Token::Ignored => {}
            }
            at = end;
            if self.open.is_empty() {
                return Ok(at);
            }
        }
    }

    /// The record.
    pub(super) fn record(&self) -> &Element {
        &self.elements[0]
    }

    /// The elements in an element, in the order of the document.
    pub(super) fn children(&self, element: &Element) -> impl Iterator<Item = &Element> {
        let at = |index: u32| self.elements.get(index as usize);
        std::iter::successors(at(element.first), move |child| at(child.next))
    }

    fn start(&mut self, text: &[u8], record: usize, at: usize, tag: Tag) -> Result<(), Fault> {
        check_attributes(text, tag.attributes)?;
        if self.open.len() >= MAX_LEVELS {
            return Err(Fault::broken(at, format!("elements are nested deeper than {MAX_LEVELS} levels")));
        }
        let mut index = NOTHING;
        if self.open.len() > MAX_DEPTH {
            self.is_too_deep = true;
        } else {
            if self.elements.len() == MAX_ELEMENTS {
                return Err(Fault::TooMany { at: record });
            }
            index = self.elements.len() as u32;
            if let Some(&(parent, _)) = self.open.last() {
                self.add_child(text, parent as usize, index);
            }
            let (first, last, next) = (NOTHING, NOTHING, NOTHING);
            let Tag { name, attributes, .. } = tag;
            self.elements.push(Element { name, attributes, text: OwnText::Nothing, first, last, next });
        }
        if !tag.is_empty {
            self.open.push((index, tag.name));
        }
        Ok(())
    }

    fn add_child(&mut self, text: &[u8], parent: usize, index: u32) {
        let element = &mut self.elements[parent];
        // White space before the first element in it is there for the eye.
        if element.first == NOTHING {
            if is_white(element.text.bytes(text)) {
                element.text = OwnText::Nothing;
            }
            element.first = index;
        }
        let before = std::mem::replace(&mut element.last, index);
        if before != NOTHING {
            self.elements[before as usize].next = index;
        }
    }

    fn end(&mut self, text: &[u8], at: usize, name: Span) -> Result<(), Fault> {
        match self.open.pop() {
            Some((_, open)) if text[open.0..open.1] == text[name.0..name.1] => Ok(()),
            Some((_, open)) => Err(wrong_end(at, &text[name.0..name.1], &text[open.0..open.1])),
            None => Err(Fault::broken(at, "this end tag closes no element")),
        }
    }

    fn text(&mut self, text: &[u8], span: Span, place: Place) -> Result<(), Fault> {
        let Some(&(index, _)) = self.open.last() else { return Ok(()) };
        let Some(element) = self.elements.get_mut(index as usize) else { return Ok(()) };
        let bytes = &text[span.0..span.1];
        let is_between = place == Place::Content && element.first != NOTHING && element.text == OwnText::Nothing;
        if bytes.is_empty() || (is_between && is_white(bytes)) {
            return Ok(());
        }
        if element.text == OwnText::Nothing && is_plain(bytes, place) {
            element.text = OwnText::Span(span);
            return Ok(());
        }
        let mut owned = match std::mem::take(&mut element.text) {
            OwnText::Owned(bytes) => bytes,
            other => other.bytes(text).to_vec(),
        };
        let decoded = decode(bytes, place, &mut owned);
        element.text = OwnText::Owned(owned);
        decoded.map_err(|(at, what)| Fault::Broken { at: span.0 + at, what })
    }
}

/// The fault of an end tag that closes another element than the one that is open.
pub(super) fn wrong_end(at: usize, name: &[u8], open: &[u8]) -> Fault {
    let shown = |name: &[u8]| String::from_utf8_lossy(&name[..name.len().min(100)]).into_owned();
    Fault::broken(at, format!("`</{}>` does not close `<{}>`, which is open here", shown(name), shown(open)))
}

/// Checks that attributes are written as such, and that each is there once.
pub(super) fn check_attributes(text: &[u8], span: Span) -> Result<(), Fault> {
    let mut names: Vec<&[u8]> = Vec::new();
    let mut first = span.0;
    attributes(text, span, |name, _| {
        first = first.max(name.0);
        names.push(&text[name.0..name.1]);
        Ok(())
    })?;
    names.sort_unstable();
    match names.windows(2).any(|pair| pair[0] == pair[1]) {
        true => Err(Fault::broken(first, "a tag has the same attribute twice")),
        false => Ok(()),
    }
}
