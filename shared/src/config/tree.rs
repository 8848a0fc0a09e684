//! From text to a tree of nodes that know their place, within limits that make every bomb a small one.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

use super::error::ConfigProblem;
use super::node::{Entry, Node, Place, Scalar, Style, Value};

/// Longest text, in bytes.
pub(super) const MAX_BYTES: usize = 256 * 1024;
/// Deepest nesting.
const MAX_DEPTH: usize = 64;
/// Most values, those behind aliases counted each time they are used.
const MAX_NODES: usize = 50_000;
/// Most text in all values, counted in the same way.
const MAX_TEXT: usize = 1024 * 1024;

/// Reads one mapping.
pub(super) fn parse(text: &str) -> Result<Node, ConfigProblem> {
    if text.len() > MAX_BYTES {
        return Err(problem(format!("the text is {} bytes long, at most {MAX_BYTES} are allowed", text.len())));
    }
    if let Some(position) = text.find('\0') {
        return Err(at_byte(text, position, "NUL characters are not allowed"));
    }
    let root = Builder::new(text).build()?;
    match &root.value {
        Value::Map(_) => Ok(root),
        Value::Scalar(scalar) if scalar.is_null() => Err(problem("the document is empty")),
        _ => Err(at(root.place, format!("expected a mapping of keys to values, found {}", root.kind()))),
    }
}

/// Puts what `<<: *anchor` names into the mapping it stands in; the mapping's own keys win.
pub(super) fn apply_merges(node: &mut Node) {
    match &mut node.value {
        Value::Scalar(_) => {}
        Value::List(items) => items.iter_mut().for_each(apply_merges),
        Value::Map(entries) => {
            entries.iter_mut().for_each(|entry| apply_merges(&mut entry.value));
            let merges: Vec<Entry> = entries.extract_if(.., |entry| is_merge(entry)).collect();
            let mut known: HashSet<String> = entries.iter().map(|entry| entry.key.text.clone()).collect();
            for merged in merges.into_iter().flat_map(|entry| mappings(entry.value)).flatten() {
                if known.insert(merged.key.text.clone()) {
                    entries.push(merged);
                }
            }
        }
    }
}

fn is_merge(entry: &Entry) -> bool {
    let mergeable = |node: &Node| matches!(node.value, Value::Map(_));
    entry.key.style == Style::Plain
        && entry.key.text == "<<"
        && match &entry.value.value {
            Value::List(items) => items.iter().all(mergeable),
            _ => mergeable(&entry.value),
        }
}

fn mappings(node: Node) -> Vec<Vec<Entry>> {
    match node.value {
        Value::Map(entries) => vec![entries],
        Value::List(items) => items.into_iter().flat_map(mappings).collect(),
        Value::Scalar(_) => Vec::new(),
    }
}

struct Builder<'t> {
    text: &'t str,
    /// Byte offset of every character, and of the end.
    offsets: Vec<usize>,
    open: Vec<Open>,
    anchored: HashMap<usize, Anchored>,
    root: Option<Node>,
    nodes: usize,
    text_bytes: usize,
}

/// A list or mapping whose end was not seen yet.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<(Scalar, Place)>,
    keys: HashSet<String>,
    /// What the builder had counted when it began.
    nodes_before: usize,
    text_before: usize,
}

/// A finished value behind an anchor, and what one more use of it costs.
struct Anchored {
    node: Node,
    nodes: usize,
    text_bytes: usize,
    depth: usize,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        let offsets = text.char_indices().map(|(offset, _)| offset).chain([text.len()]).collect();
        Self { text, offsets, open: Vec::new(), anchored: HashMap::new(), root: None, nodes: 0, text_bytes: 0 }
    }

    fn build(mut self) -> Result<Node, ConfigProblem> {
        let mut parser = Parser::new_from_str(self.text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(scan_problem)?;
            self.take(event, span)?;
        }
        self.root.ok_or_else(|| problem("the document is empty"))
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), ConfigProblem> {
        let place = self.place(span);
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(at(place, "expected one document, found a second one"))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = scalar(text.into_owned(), style, tag.as_deref());
                if scalar.text.contains('\0') {
                    return Err(at(place, "NUL characters are not allowed"));
                }
                self.count(1, scalar.text.len(), place)?;
                let bytes = scalar.text.len();
                let node = Node { place, value: Value::Scalar(scalar) };
                self.keep_anchored(anchor, &node, 1, bytes);
                self.add(node)
            }
            Event::SequenceStart(anchor, _) => self.begin(Value::List(Vec::new()), anchor, place),
            Event::MappingStart(anchor, _) => self.begin(Value::Map(Vec::new()), anchor, place),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.repeat(anchor, place),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, value: Value, anchor: usize, place: Place) -> Result<(), ConfigProblem> {
        if self.open.len() >= MAX_DEPTH {
            return Err(at(place, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let (nodes_before, text_before) = (self.nodes, self.text_bytes);
        self.count(1, 0, place)?;
        let (node, keys) = (Node { place, value }, HashSet::new());
        self.open.push(Open { node, anchor, key: None, keys, nodes_before, text_before });
        Ok(())
    }

    fn end(&mut self) -> Result<(), ConfigProblem> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let (nodes, bytes) = (self.nodes - open.nodes_before, self.text_bytes - open.text_before);
        self.keep_anchored(open.anchor, &open.node, nodes, bytes);
        self.add(open.node)
    }

    fn repeat(&mut self, anchor: usize, place: Place) -> Result<(), ConfigProblem> {
        let Some(anchored) = self.anchored.get(&anchor) else {
            return Err(at(place, "the alias stands inside the value it repeats"));
        };
        if self.open.len() + anchored.depth > MAX_DEPTH {
            return Err(at(place, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let (nodes, bytes) = (anchored.nodes, anchored.text_bytes);
        self.count(nodes, bytes, place)?;
        // Counted before it is copied: a bomb is refused while it is still small.
        let copy = self.anchored[&anchor].node.clone();
        self.add(copy)
    }

    fn keep_anchored(&mut self, anchor: usize, node: &Node, nodes: usize, text_bytes: usize) {
        if anchor != 0 {
            let anchored = Anchored { node: node.clone(), nodes, text_bytes, depth: depth(node) };
            self.anchored.insert(anchor, anchored);
        }
    }

    /// Puts a finished value where it belongs: into the innermost open list or mapping.
    fn add(&mut self, node: Node) -> Result<(), ConfigProblem> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.node.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => match open.key.take() {
                None => open.key = Some(key(node, &mut open.keys)?),
                Some((key, key_place)) => entries.push(Entry { key, key_place, value: node }),
            },
            Value::Scalar(_) => {}
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, text_bytes: usize, place: Place) -> Result<(), ConfigProblem> {
        self.nodes += nodes;
        self.text_bytes += text_bytes;
        if self.nodes > MAX_NODES || self.text_bytes > MAX_TEXT {
            return Err(at(place, "too many values, those repeated by aliases included"));
        }
        Ok(())
    }

    fn place(&self, span: Span) -> Place {
        let byte = |marker: Marker| self.offsets[marker.index().min(self.offsets.len() - 1)];
        let (start, end) = (byte(span.start), byte(span.end));
        Place { line: span.start.line(), column: span.start.col() + 1, start, end: end.max(start) }
    }
}

/// A key is a text, and a mapping has it once.
fn key(node: Node, known: &mut HashSet<String>) -> Result<(Scalar, Place), ConfigProblem> {
    let place = node.place;
    let Value::Scalar(scalar) = node.value else {
        return Err(at(place, format!("expected a text as key, found {}", node.kind())));
    };
    if !known.insert(scalar.text.clone()) {
        return Err(at(place, format!("the key {:?} is written twice", scalar.text)));
    }
    Ok((scalar, place))
}

fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(_) => 0,
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|entry| depth(&entry.value)).max().unwrap_or(0),
    }
}

fn scalar(text: String, style: ScalarStyle, tag: Option<&Tag>) -> Scalar {
    let style = match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    };
    Scalar { text, style, tagged_text: tag.is_some_and(|tag| tag.suffix == "str" || tag.suffix == "!") }
}

fn scan_problem(error: ScanError) -> ConfigProblem {
    let marker = error.marker();
    ConfigProblem {
        path: String::new(),
        line: Some(marker.line()),
        column: Some(marker.col() + 1),
        message: error.info().to_owned(),
    }
}

fn problem(message: impl Into<String>) -> ConfigProblem {
    ConfigProblem { path: String::new(), line: None, column: None, message: message.into() }
}

fn at(place: Place, message: impl Into<String>) -> ConfigProblem {
    ConfigProblem { line: Some(place.line), column: Some(place.column), ..problem(message) }
}

fn at_byte(text: &str, position: usize, message: &str) -> ConfigProblem {
    let before = &text[..position];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    ConfigProblem { line: Some(line), column: Some(text[line_start..position].chars().count() + 1), ..problem(message) }
}
