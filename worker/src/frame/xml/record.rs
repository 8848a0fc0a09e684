//! A record becomes the cells of a row: attributes, the elements in it, and its own text.

use std::collections::HashMap;

use elt_shared::explained::Code;

use super::columns::{Columns, Origin, Refused, TEXT};
use super::element::{Element, MAX_DEPTH, OwnText, Tree};
use super::scan::{Fault, Span, attributes, is_white};
use super::text::{Place, decode, is_plain, push_json_string};
use crate::frame::CellKind;
use crate::frame::record_batch::{Cell, RecordBatch};

/// The reason why a record is not a row: a code and a sentence.
pub(super) type Problem = (Code, String);

/// The row that a record becomes.
#[derive(Debug, Default)]
pub(super) struct Row {
    cells: Vec<Cell>,
    /// For each column of the row that is an element: index of its first and of its last element among the record's, and how
    /// many there are.
    found: Vec<(usize, usize, usize)>,
}

/// What a record cannot become.
pub(super) enum NoRow {
    /// The rest of the file cannot be read.
    Fault(Fault),
    /// The file's columns cannot be those of a table.
    Name(crate::frame::column_names::NameError),
    /// Only this record is not a row.
    Problem(Problem),
}

impl From<Fault> for NoRow {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A record in a text.
pub(super) struct Record<'a> {
    pub text: &'a [u8],
    pub tree: &'a Tree,
    pub start: usize,
    /// Whether white space around texts is left out.
    pub trim: bool,
}

impl Row {
    /// Builds the row. Returns whether the record has anything.
    pub(super) fn build(
        &mut self,
        record: &Record<'_>,
        columns: &mut Columns,
        extra: &mut Vec<u8>,
    ) -> Result<bool, NoRow> {
        if record.tree.is_too_deep {
            return Err(NoRow::Problem((Code::TooDeep, format!("it is nested deeper than {MAX_DEPTH} levels"))));
        }
        self.cells.clear();
        self.cells.resize(columns.names().as_slice().len(), Cell::NULL);
        let Record { text, tree, .. } = *record;
        let root = tree.record();
        let mut position = 0;
        let mut refused = None;
        attributes(text, root.attributes, |name, value| {
            if refused.is_none() && is_data(&text[name.0..name.1]) {
                match columns.of(Origin::Attribute, &text[name.0..name.1], position) {
                    Ok(column) => self.set(column, record.attribute(value, extra)?),
                    Err(error) => refused = Some(error),
                }
                position += 1;
            }
            Ok(())
        })?;
        if let Some(error) = refused {
            return Err(record.refuse(error));
        }
        let children = self.children(record, columns, position, extra)?;
        position += children;
        let own = root.text.bytes(text);
        if !is_white(own) {
            let column = columns.of(Origin::Text, TEXT.as_bytes(), position).map_err(|error| record.refuse(error))?;
            let cell = record.leaf(&root.text, extra);
            self.set(column, cell);
            position += 1;
        }
        Ok(position > 0)
    }

    /// Sets the cells of the elements in the record. Returns the number of these columns.
    fn children(
        &mut self,
        record: &Record<'_>,
        columns: &mut Columns,
        before: usize,
        extra: &mut Vec<u8>,
    ) -> Result<usize, NoRow> {
        let Record { text, tree, .. } = *record;
        let children: Vec<&Element> = tree.children(tree.record()).collect();
        // The columns in the order of their first elements, and the next element of the same column for each element.
        let (mut order, mut next) = (Vec::new(), vec![usize::MAX; children.len()]);
        self.found.clear();
        for (index, child) in children.iter().enumerate() {
            let name = &text[child.name.0..child.name.1];
            let column = columns.of(Origin::Element, name, before + index).map_err(|error| record.refuse(error))?;
            if self.found.len() <= column {
                self.found.resize(column + 1, (0, 0, 0));
            }
            let (first, last, count) = &mut self.found[column];
            if *count == 0 {
                order.push(column);
                *first = index;
            } else {
                next[*last] = index;
            }
            (*last, *count) = (index, *count + 1);
        }
        for &column in &order {
            let (first, _, count) = self.found[column];
            let child = children[first];
            let cell = if count == 1 && !columns.is_list(&text[child.name.0..child.name.1]) {
                record.cell(child, columns, extra)?
            } else {
                let start = extra.len();
                let same = std::iter::successors(Some(first), |&at| Some(next[at]).filter(|&next| next != usize::MAX));
                record.push_list(same.map(|at| children[at]), columns, extra)?;
                Cell::of_extra(CellKind::Nested, start, extra.len())
            };
            self.set(column, cell);
        }
        Ok(children.len())
    }

    fn set(&mut self, column: usize, cell: Cell) {
        if self.cells.len() <= column {
            self.cells.resize(column + 1, Cell::NULL);
        }
        self.cells[column] = cell;
    }

    /// Adds the row to a record batch, whose columns are at least those of the row.
    pub(super) fn push(&mut self, record_batch: &mut RecordBatch, width: usize, line: u64, span: Span) {
        if record_batch.width < width {
            record_batch.widen(width);
        }
        self.cells.resize(width, Cell::NULL);
        record_batch.cells.extend_from_slice(&self.cells);
        record_batch.lines.push(line);
        record_batch.spans.push((span.0 as u32, span.1 as u32));
    }
}

impl Record<'_> {
    fn refuse(&self, refused: Refused) -> NoRow {
        match refused {
            Refused::Name(error) => NoRow::Name(error),
            Refused::Same { what, next_step } => NoRow::Fault(Fault::SameColumn { at: self.start, what, next_step }),
        }
    }

    /// The cell of an attribute's value.
    fn attribute(&self, value: Span, extra: &mut Vec<u8>) -> Result<Cell, Fault> {
        let bytes = &self.text[value.0..value.1];
        if is_plain(bytes, Place::Attribute) {
            let (start, end) = self.trimmed(bytes);
            return Ok(Cell::of_text(kind_of(start == end), value.0 + start, value.0 + end));
        }
        let start = extra.len();
        decode(bytes, Place::Attribute, extra).map_err(|(at, what)| Fault::Broken { at: value.0 + at, what })?;
        Ok(self.in_extra(start, extra))
    }

    /// The cell of an element: its text, or JSON if it has attributes or elements.
    fn cell(&self, element: &Element, columns: &Columns, extra: &mut Vec<u8>) -> Result<Cell, NoRow> {
        if self.is_nil(element)? {
            return Ok(Cell::NULL);
        }
        if self.is_leaf(element)? {
            return Ok(self.leaf(&element.text, extra));
        }
        let start = extra.len();
        self.push_json(element, columns, extra)?;
        Ok(Cell::of_extra(CellKind::Nested, start, extra.len()))
    }

    /// The cell of a text.
    fn leaf(&self, own: &OwnText, extra: &mut Vec<u8>) -> Cell {
        match own {
            OwnText::Nothing => Cell::of_text(CellKind::Quoted, 0, 0),
            OwnText::Span(span) => {
                let (start, end) = self.trimmed(&self.text[span.0..span.1]);
                Cell::of_text(kind_of(start == end), span.0 + start, span.0 + end)
            }
            OwnText::Owned(bytes) => {
                let start = extra.len();
                extra.extend_from_slice(bytes);
                self.in_extra(start, extra)
            }
        }
    }

    /// The cell of the text that was added to `extra`.
    fn in_extra(&self, start: usize, extra: &[u8]) -> Cell {
        let (from, to) = self.trimmed(&extra[start..]);
        Cell::of_extra(kind_of(from == to), start + from, start + to)
    }

    /// The part of a text without the white space around it, if that is left out.
    fn trimmed(&self, bytes: &[u8]) -> (usize, usize) {
        if !self.trim {
            return (0, bytes.len());
        }
        let start = bytes.len() - bytes.trim_ascii_start().len();
        (start, start + bytes[start..].trim_ascii_end().len())
    }

    /// Whether an element has neither elements nor attributes that are data.
    fn is_leaf(&self, element: &Element) -> Result<bool, Fault> {
        let mut has_data = self.tree.children(element).next().is_some();
        attributes(self.text, element.attributes, |name, _| {
            has_data |= is_data(&self.text[name.0..name.1]);
            Ok(())
        })?;
        Ok(!has_data)
    }

    /// Whether an element says `xsi:nil="true"`.
    fn is_nil(&self, element: &Element) -> Result<bool, Fault> {
        let mut nil = false;
        attributes(self.text, element.attributes, |name, value| {
            nil |= &self.text[name.0..name.1] == b"xsi:nil" && matches!(&self.text[value.0..value.1], b"true" | b"1");
            Ok(())
        })?;
        Ok(nil)
    }

    /// Appends an element as JSON: a string, or an object with its attributes as `@name` and its own text as `#text`.
    fn push_json(&self, element: &Element, columns: &Columns, out: &mut Vec<u8>) -> Result<(), NoRow> {
        if self.is_nil(element)? {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        let text = element.text.bytes(self.text);
        let (start, end) = self.trimmed(text);
        if self.is_leaf(element)? {
            push_json_string(&text[start..end], out);
            return Ok(());
        }
        out.push(b'{');
        let open = out.len();
        attributes(self.text, element.attributes, |name, value| {
            let name = &self.text[name.0..name.1];
            if is_data(name) {
                let mut decoded = Vec::new();
                decode(&self.text[value.0..value.1], Place::Attribute, &mut decoded)
                    .map_err(|(at, what)| Fault::Broken { at: value.0 + at, what })?;
                let (from, to) = self.trimmed(&decoded);
                push_member(&[b"@", columns.name(name)].concat(), open, out);
                push_json_string(&decoded[from..to], out);
            }
            Ok(())
        })?;
        for (name, children) in self.by_name(element, columns)? {
            push_member(name, open, out);
            match children.as_slice() {
                [child] if !columns.is_list(name) => self.push_json(child, columns, out)?,
                _ => self.push_list(children.iter().copied(), columns, out)?,
            }
        }
        if !is_white(text) {
            push_member(TEXT.as_bytes(), open, out);
            push_json_string(&text[start..end], out);
        }
        out.push(b'}');
        Ok(())
    }

    fn push_list<'e>(
        &self,
        elements: impl Iterator<Item = &'e Element>,
        columns: &Columns,
        out: &mut Vec<u8>,
    ) -> Result<(), NoRow> {
        out.push(b'[');
        for (index, element) in elements.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.push_json(element, columns, out)?;
        }
        out.push(b']');
        Ok(())
    }

    /// The elements in an element by their names, in the order in which the names appear.
    fn by_name<'e>(&'e self, element: &'e Element, columns: &'e Columns) -> Result<Vec<Named<'e>>, NoRow> {
        let mut all: Vec<Named<'e>> = Vec::new();
        let mut index_of: HashMap<&[u8], (usize, &[u8])> = HashMap::new();
        for child in self.tree.children(element) {
            let written = &self.text[child.name.0..child.name.1];
            let name = columns.name(written);
            let (index, first) = *index_of.entry(name).or_insert((all.len(), written));
            if first != written {
                let shown = [first, written, name].map(String::from_utf8_lossy);
                let what = format!("the elements `{}` and `{}` would be one member {:?}", shown[0], shown[1], shown[2]);
                let next_step = "Write `prefixes: keep` in `xml:`, so that each name keeps its namespace prefix.";
                return Err(Fault::SameColumn { at: self.start, what, next_step }.into());
            }
            match all.get_mut(index) {
                Some((_, children)) => children.push(child),
                None => all.push((name, vec![child])),
            }
        }
        Ok(all)
    }
}

/// The elements of one name, in an element.
type Named<'e> = (&'e [u8], Vec<&'e Element>);

/// Appends the name of a member, after a comma unless the object that begins at `open` is empty.
fn push_member(name: &[u8], open: usize, out: &mut Vec<u8>) {
    if out.len() > open {
        out.push(b',');
    }
    push_json_string(name, out);
    out.push(b':');
}

/// Whether an attribute is data, and neither declares a namespace nor speaks about the document's schema.
fn is_data(name: &[u8]) -> bool {
    name != b"xmlns" && !name.starts_with(b"xmlns:") && !name.starts_with(b"xsi:")
}

/// An empty text is a text, and NULL in a column that is not text, as a quoted empty cell of a CSV file is.
fn kind_of(is_empty: bool) -> CellKind {
    if is_empty { CellKind::Quoted } else { CellKind::Bare }
}
