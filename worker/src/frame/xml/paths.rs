//! The paths of a document's elements, for a message about a path that is not there and for the proposal of a config.

use std::collections::HashMap;

use super::scan::Span;

/// Most different paths that are noted.
const MAX_PATHS: usize = 1_000;
/// Most levels of a path that is noted.
const MAX_LEVELS: usize = 12;
/// Longest path that is noted, in bytes.
const MAX_BYTES: usize = 500;
/// Paths that a message names.
const NAMED: usize = 6;

/// An element's path and how often it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathCount {
    /// `/orders/order`.
    pub path: String,
    /// Number of its elements.
    pub count: u64,
    /// Number of elements and attributes in the first of them.
    pub fields: usize,
    /// Number of levels, 1 for the root.
    pub level: usize,
}

/// The paths of the elements that were entered so far.
#[derive(Debug, Default)]
pub(super) struct Paths {
    counts: Vec<PathCount>,
    by_path: HashMap<String, usize>,
    /// The path of the open element, and for each level the length of the path above it.
    open: String,
    lengths: Vec<usize>,
}

impl Paths {
    /// Enters an element. `attributes`: number of its attributes.
    pub(super) fn enter(&mut self, text: &[u8], name: Span, attributes: usize) {
        let above = self.open.len();
        self.lengths.push(above);
        if self.lengths.len() > MAX_LEVELS || above > MAX_BYTES {
            return;
        }
        if let Some(&parent) = self.by_path.get(&self.open)
            && self.counts[parent].count == 1
        {
            self.counts[parent].fields += 1;
        }
        self.open.push('/');
        self.open.push_str(&String::from_utf8_lossy(&text[name.0..name.1.min(name.0 + MAX_BYTES)]));
        match self.by_path.get(&self.open) {
            Some(&index) => self.counts[index].count += 1,
            None if self.counts.len() < MAX_PATHS => {
                self.by_path.insert(self.open.clone(), self.counts.len());
                let (path, level) = (self.open.clone(), self.lengths.len());
                self.counts.push(PathCount { path, count: 1, fields: attributes, level });
            }
            None => {}
        }
    }

    /// Leaves the element that was entered last.
    pub(super) fn leave(&mut self) {
        if let Some(length) = self.lengths.pop() {
            self.open.truncate(length);
        }
    }

    /// Every path, in the order in which they appeared.
    pub(super) fn all(&self) -> &[PathCount] {
        &self.counts
    }

    /// The paths that are most likely those of rows, best first: elements that are repeated and have fields, nearest to the root.
    pub(super) fn likely(&self) -> Vec<&PathCount> {
        let mut all: Vec<_> = self.counts.iter().collect();
        all.sort_by_key(|path| (path.fields == 0, path.count < 2, path.level, std::cmp::Reverse(path.count)));
        all
    }

    /// `/orders/order (3), /orders (1)`, for a message.
    pub(super) fn shown(&self) -> String {
        let shown = |path: &&PathCount| format!("{} ({})", path.path, path.count);
        self.likely().iter().take(NAMED).map(shown).collect::<Vec<_>>().join(", ")
    }
}
