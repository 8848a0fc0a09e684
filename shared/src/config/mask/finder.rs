//! Finds every occurrence of many secrets in one pass over a text (Aho and Corasick's algorithm).
//!
//! Building and searching take time in proportion to the texts, because a state keeps only the length of the longest
//! secret that ends there. A list of all secrets that end there would let a caller, who chooses the secrets, slow the
//! search down with secrets that overlap.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

/// The state before any byte was read.
const START: u32 = 0;

/// A set of secrets to look for.
#[derive(Clone)]
pub(crate) struct Finder {
    /// The next state, by state and byte. An entry is missing where no secret continues with that byte.
    next: HashMap<(u32, u8), u32>,
    states: Vec<State>,
}

/// A beginning of at least one secret.
#[derive(Clone, Copy, Default)]
struct State {
    /// The longest other beginning of a secret that this one ends with.
    fallback: u32,
    /// Length in bytes of the longest secret that this beginning ends with; 0 when it ends with no secret.
    longest: usize,
}

impl Finder {
    /// Prepares the search. Empty secrets are never found.
    pub fn of<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let mut finder = Self { next: HashMap::new(), states: vec![State::default()] };
        for secret in secrets {
            finder.add(secret);
        }
        finder.link();
        finder
    }

    fn add(&mut self, secret: &str) {
        let mut state = START;
        for byte in secret.bytes() {
            let new = self.states.len() as u32;
            state = *self.next.entry((state, byte)).or_insert(new);
            if state == new {
                self.states.push(State::default());
            }
        }
        self.states[state as usize].longest = secret.len();
    }

    /// Sets every fallback, those of short beginnings first because longer ones build on them.
    fn link(&mut self) {
        let mut children: Vec<Vec<(u8, u32)>> = vec![Vec::new(); self.states.len()];
        for ((state, byte), child) in &self.next {
            children[*state as usize].push((*byte, *child));
        }
        let mut waiting = VecDeque::from([START]);
        while let Some(state) = waiting.pop_front() {
            for (byte, child) in &children[state as usize] {
                let fallback = match state {
                    START => START,
                    _ => self.step(self.states[state as usize].fallback, *byte),
                };
                let inherited = self.states[fallback as usize].longest;
                let entry = &mut self.states[*child as usize];
                entry.fallback = fallback;
                entry.longest = entry.longest.max(inherited);
                waiting.push_back(*child);
            }
        }
    }

    /// The state after one more byte.
    fn step(&self, mut state: u32, byte: u8) -> u32 {
        loop {
            match self.next.get(&(state, byte)) {
                Some(next) => return *next,
                None if state == START => return START,
                None => state = self.states[state as usize].fallback,
            }
        }
    }

    /// The byte ranges of a text that secrets cover, in order. Overlapping ranges are joined.
    pub fn find(&self, text: &str) -> Vec<Range<usize>> {
        self.find_in(text.bytes())
    }

    /// Like [`Self::find`], in bytes that may be no text.
    pub fn find_in(&self, bytes: impl Iterator<Item = u8>) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        let mut state = START;
        for (position, byte) in bytes.enumerate() {
            state = self.step(state, byte);
            let longest = self.states[state as usize].longest;
            if longest == 0 {
                continue;
            }
            let mut hit = position + 1 - longest..position + 1;
            while let Some(last) = found.pop_if(|last| hit.start < last.end) {
                hit.start = hit.start.min(last.start);
            }
            found.push(hit);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(secrets: &[&str], text: &str) -> Vec<(usize, usize)> {
        let found = Finder::of(secrets.iter().copied()).find(text);
        found.into_iter().map(|range| (range.start, range.end)).collect()
    }

    #[test]
    fn every_occurrence_is_found_and_overlapping_ones_are_joined() {
        assert_eq!(found(&["abcd"], "abcabcd abcd"), [(3, 7), (8, 12)]);
        assert_eq!(found(&["a1a1"], "xa1a1a1y"), [(1, 7)]);
        assert_eq!(found(&["bc", "abcde"], "abcd abcde bc"), [(1, 3), (5, 10), (11, 13)]);
        assert_eq!(found(&["abcx", "bc"], "abcabcx"), [(1, 3), (3, 7)]);
        assert_eq!(found(&["é1", ""], "né1é"), [(1, 4)]);
        assert!(found(&[], "abc").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn it_finds_what_looking_at_every_position_finds(
            secrets in proptest::collection::vec("[ab]{1,4}", 0..6),
            text in "[abc]{0,40}",
        ) {
            let mut covered = vec![false; text.len()];
            for secret in &secrets {
                for start in (0..text.len()).filter(|start| text[*start..].starts_with(secret)) {
                    covered[start..start + secret.len()].fill(true);
                }
            }
            let mut marked = vec![false; text.len()];
            for range in Finder::of(secrets.iter().map(String::as_str)).find(&text) {
                marked[range].fill(true);
            }
            proptest::prop_assert_eq!(marked, covered);
        }
    }
}
