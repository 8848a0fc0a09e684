//! From text to a tree of nodes that know their place, within limits that make every bomb a small one.

use std::collections::{HashMap, HashSet};

use libyaml_safer::{Event, EventData, Mark, Parser, ScalarStyle};

use super::error::{ConfigProblem, shortened};
use super::node::{Entry, Node, Place, Scalar, Style, Value};
use super::second_parser;
use super::time_limit::TimeLimit;
use super::yaml_rules::Rules;

/// Longest text, in bytes.
pub(super) const MAX_BYTES: usize = 256 * 1024;
/// Deepest nesting.
const MAX_DEPTH: usize = 64;
/// Most values, those behind aliases counted each time they are used.
const MAX_NODES: usize = 50_000;
/// Most text in all values, counted in the same way.
const MAX_TEXT: usize = 1024 * 1024;

/// Reads one mapping, unless the time is up before its end.
pub(super) fn parse(text: &str, time_limit: &TimeLimit) -> Result<Node, ConfigProblem> {
    if text.len() > MAX_BYTES {
        return Err(problem(format!("the text is {} bytes long, at most {MAX_BYTES} are allowed", text.len())));
    }
    if let Some(position) = text.find('\0') {
        return Err(at_byte(text, position, "NUL characters are not allowed"));
    }
    // The parser does not count a byte order mark, and it stumbles over a block without an end of line.
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The parser does not count such a mark either, so every place after it would be wrong.
    let breaks = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
    let mut marks = body.match_indices('\u{feff}');
    if let Some((position, _)) = marks.find(|(position, _)| *position == 0 || body[..*position].ends_with(breaks)) {
        let position = text.len() - body.len() + position;
        return Err(at_byte(text, position, "a byte order mark may only be the first character of the text"));
    }
    // They are refused because thousands of them take the parsers seconds, and a config can be written without them.
    if body.split(['\n', '\r']).any(|line| line.starts_with("%TAG")) {
        return Err(problem("%TAG directives are not allowed"));
    }
    let line = format!("{body}\n");
    let root = root(&line, text.len() - body.len(), time_limit)?;
    second_parser::agrees(&line, &root)?;
    match &root.value {
        Value::Map(_) => Ok(root),
        Value::Scalar(scalar) if scalar.is_null() => Err(problem("the document is empty")),
        _ => Err(at(root.place, format!("expected a mapping of keys to values, found {}", root.kind()))),
    }
}

fn root(text: &str, start: usize, time_limit: &TimeLimit) -> Result<Node, ConfigProblem> {
    let builder = Builder::new(start, start + text.len() - 1);
    // libyaml-safer panics on a tag in front of a comma, as in `[!tag ,]`: elt reports it as a syntax error.
    std::panic::catch_unwind(|| builder.build(text, time_limit))
        .unwrap_or_else(|_| Err(problem("a tag needs a value behind it")))
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

struct Builder {
    /// Where the parser's first byte stands in the text, and where the text ends.
    start: usize,
    end: usize,
    open: Vec<Open>,
    anchored: HashMap<String, Anchored>,
    root: Option<Node>,
    /// Number and bytes of all values that were built so far.
    spent: Cost,
    /// Copies of values behind anchors.
    kept: Cost,
}

/// How much values take, those behind aliases counted each time they are used.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    nodes: usize,
    text_bytes: usize,
}

impl Cost {
    fn plus(self, other: Self) -> Self {
        Self { nodes: self.nodes + other.nodes, text_bytes: self.text_bytes + other.text_bytes }
    }

    fn since(self, before: Self) -> Self {
        Self { nodes: self.nodes - before.nodes, text_bytes: self.text_bytes - before.text_bytes }
    }
}

fn within_limits(cost: Cost, place: Place) -> Result<(), ConfigProblem> {
    match cost.nodes > MAX_NODES || cost.text_bytes > MAX_TEXT {
        true => Err(at(place, "too many values, those repeated by aliases included")),
        false => Ok(()),
    }
}

/// A list or mapping whose end was not seen yet.
struct Open {
    node: Node,
    anchor: Option<String>,
    key: Option<(Scalar, Place)>,
    keys: HashSet<String>,
    /// What was spent when it began.
    before: Cost,
}

/// A finished value behind an anchor, and what one more use of it costs.
struct Anchored {
    node: Node,
    cost: Cost,
    depth: usize,
}

impl Builder {
    fn new(start: usize, end: usize) -> Self {
        let (spent, kept) = (Cost::default(), Cost::default());
        Self { start, end, open: Vec::new(), anchored: HashMap::new(), root: None, spent, kept }
    }

    fn build(mut self, text: &str, time_limit: &TimeLimit) -> Result<Node, ConfigProblem> {
        let mut bytes = text.as_bytes();
        let mut parser = Parser::new();
        parser.set_input_string(&mut bytes);
        let mut rules = Rules::new(text);
        for event in parser {
            if time_limit.is_over() {
                return Err(stopped());
            }
            let event = event.map_err(|error| syntax(&error))?;
            rules.check(&event).map_err(|violation| at_byte(text, violation.at, &violation.message))?;
            self.take(event)?;
        }
        self.root.ok_or_else(|| problem("the document is empty"))
    }

    fn take(&mut self, event: Event) -> Result<(), ConfigProblem> {
        let place = self.place(event.start_mark, event.end_mark);
        match event.data {
            EventData::DocumentStart { .. } if self.root.is_some() => {
                Err(at(place, "expected one document, found a second one"))
            }
            EventData::Scalar { anchor, tag, value, style, .. } => {
                let scalar = scalar(value, style, tag.as_deref());
                if scalar.text.contains('\0') {
                    return Err(at(place, "NUL characters are not allowed"));
                }
                let cost = Cost { nodes: 1, text_bytes: scalar.text.len() };
                self.spend(cost, place)?;
                let node = Node { place, value: Value::Scalar(scalar) };
                self.keep_anchored(anchor, &node, cost)?;
                self.add(node)
            }
            EventData::SequenceStart { anchor, .. } => self.begin(Value::List(Vec::new()), anchor, place),
            EventData::MappingStart { anchor, .. } => self.begin(Value::Map(Vec::new()), anchor, place),
            EventData::SequenceEnd | EventData::MappingEnd => self.end(),
            EventData::Alias { anchor } => self.repeat(&anchor, place),
            EventData::StreamStart { .. }
            | EventData::StreamEnd
            | EventData::DocumentStart { .. }
            | EventData::DocumentEnd { .. } => Ok(()),
        }
    }

    fn begin(&mut self, value: Value, anchor: Option<String>, place: Place) -> Result<(), ConfigProblem> {
        if self.open.len() >= MAX_DEPTH {
            return Err(at(place, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let before = self.spent;
        self.spend(Cost { nodes: 1, text_bytes: 0 }, place)?;
        self.open.push(Open { node: Node { place, value }, anchor, key: None, keys: HashSet::new(), before });
        Ok(())
    }

    fn end(&mut self) -> Result<(), ConfigProblem> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let cost = self.spent.since(open.before);
        self.keep_anchored(open.anchor, &open.node, cost)?;
        self.add(open.node)
    }

    fn repeat(&mut self, anchor: &str, place: Place) -> Result<(), ConfigProblem> {
        if self.open.iter().any(|open| open.anchor.as_deref() == Some(anchor)) {
            return Err(at(place, "the alias stands inside the value it repeats"));
        }
        let Some(anchored) = self.anchored.get(anchor) else {
            // Its name stays untold: it may be a password that begins with an asterisk.
            return Err(at(place, "the alias repeats an anchor that is not defined before it"));
        };
        if self.open.len() + anchored.depth > MAX_DEPTH {
            return Err(at(place, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let cost = anchored.cost;
        self.spend(cost, place)?;
        // Paid for before it is copied: a bomb is refused while it is still small.
        let copy = self.anchored[anchor].node.clone();
        self.add(copy)
    }

    fn keep_anchored(&mut self, anchor: Option<String>, node: &Node, cost: Cost) -> Result<(), ConfigProblem> {
        let Some(anchor) = anchor else { return Ok(()) };
        // The copies kept are bounded, too: anchors around anchors keep the same values many times.
        self.kept = self.kept.plus(cost);
        within_limits(self.kept, node.place)?;
        self.anchored.insert(anchor, Anchored { node: node.clone(), cost, depth: depth(node) });
        Ok(())
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

    fn spend(&mut self, cost: Cost, place: Place) -> Result<(), ConfigProblem> {
        self.spent = self.spent.plus(cost);
        within_limits(self.spent, place)
    }

    fn place(&self, start: Mark, end: Mark) -> Place {
        let byte =
            |mark: Mark| usize::try_from(mark.index).map_or(self.end, |index| (self.start + index).min(self.end));
        let (line, column) = line_and_column(start);
        Place { line, column, start: byte(start), end: byte(end).max(byte(start)) }
    }
}

/// Marks count from zero.
fn line_and_column(mark: Mark) -> (usize, usize) {
    let one_based = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).saturating_add(1);
    (one_based(mark.line), one_based(mark.column))
}

/// A key is a text, and a mapping has it once.
fn key(node: Node, known: &mut HashSet<String>) -> Result<(Scalar, Place), ConfigProblem> {
    let place = node.place;
    let Value::Scalar(scalar) = node.value else {
        return Err(at(place, format!("expected a text as key, found {}", node.kind())));
    };
    if !known.insert(scalar.text.clone()) {
        return Err(at(place, format!("the key {:?} is written twice", shortened(&scalar.text))));
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

fn scalar(text: String, style: ScalarStyle, tag: Option<&str>) -> Scalar {
    let style = match style {
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        _ => Style::Plain,
    };
    Scalar { text, style, tagged_text: matches!(tag, Some("tag:yaml.org,2002:str" | "!")) }
}

fn syntax(error: &libyaml_safer::Error) -> ConfigProblem {
    let context = error.context().map(|context| format!("{context}, ")).unwrap_or_default();
    let place = error.problem_mark().map(line_and_column);
    ConfigProblem {
        path: String::new(),
        line: place.map(|(line, _)| line),
        column: place.map(|(_, column)| column),
        message: format!("{context}{}", error.problem()),
    }
}

/// The problem of a text whose check was stopped.
pub(super) fn stopped() -> ConfigProblem {
    problem("the check took too long and was stopped")
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
