//! The values that are hidden, and finding them in a text.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Finder;
use crate::secret::PLACEHOLDER;

/// A text stays hidden for at least this long after its last use, because log lines and spans are sent later.
const GRACE: Duration = Duration::from_secs(60);

/// The texts that are hidden.
pub(super) struct Hidden {
    /// Bytes of texts that stay hidden although nothing uses them any more. The ones that were used last stay.
    most_unused_bytes: usize,
    /// Bytes of forgotten texts that may stay in the layers.
    most_forgotten_bytes: usize,
    texts: HashMap<Arc<str>, Use>,
    /// Texts that nothing uses any more, by their place in the order of their last uses, and when that was.
    unused: BTreeMap<u64, (Arc<str>, Instant)>,
    unused_bytes: usize,
    /// Places given in `unused`.
    places: u64,
    /// What is looked for. Each layer is at least twice as long as the next one: a new text is then put together with few
    /// others, and there are few layers to search.
    layers: Vec<Layer>,
    /// Bytes of texts that are in a layer, but not hidden any more.
    forgotten_bytes: usize,
    /// Bytes for which layers were built.
    #[cfg(test)]
    built_bytes: usize,
}

/// How a text is used.
enum Use {
    /// By the process, for as long as it runs.
    Always,
    /// By this many holders.
    By(usize),
    /// By nothing any more: its place in `unused`.
    Unused(u64),
}

struct Layer {
    texts: Vec<Arc<str>>,
    bytes: usize,
    finder: Finder,
}

impl Default for Hidden {
    fn default() -> Self {
        Self::with_bounds(1 << 20, 64 << 10)
    }
}

impl Hidden {
    fn with_bounds(most_unused_bytes: usize, most_forgotten_bytes: usize) -> Self {
        Self {
            most_unused_bytes,
            most_forgotten_bytes,
            texts: HashMap::new(),
            unused: BTreeMap::new(),
            unused_bytes: 0,
            places: 0,
            layers: Vec::new(),
            forgotten_bytes: 0,
            #[cfg(test)]
            built_bytes: 0,
        }
    }

    /// Hides texts until as many calls of [`Self::release`] have named them.
    pub fn hold(&mut self, texts: &[Arc<str>], now: Instant) {
        self.add(texts, |used| match used {
            Some(Use::Always) => Use::Always,
            Some(Use::By(holders)) => Use::By(holders + 1),
            Some(Use::Unused(_)) | None => Use::By(1),
        });
        self.forget(now);
    }

    /// Hides texts for as long as the process runs.
    pub fn keep(&mut self, texts: &[Arc<str>]) {
        self.add(texts, |_| Use::Always);
    }

    fn add(&mut self, texts: &[Arc<str>], becomes: impl Fn(Option<&Use>) -> Use) {
        let mut new = Vec::new();
        for text in texts {
            let before = self.texts.get(text);
            let after = becomes(before);
            match before {
                Some(Use::Unused(place)) => {
                    self.unused.remove(place);
                    self.unused_bytes -= text.len();
                }
                Some(_) => {}
                None => new.push(Arc::clone(text)),
            }
            self.texts.insert(Arc::clone(text), after);
        }
        if !new.is_empty() {
            self.add_layer(new);
        }
    }

    /// Takes one use of each text back.
    pub fn release(&mut self, texts: &[Arc<str>], now: Instant) {
        for text in texts {
            match self.texts.get_mut(text) {
                Some(Use::By(holders)) if *holders > 1 => *holders -= 1,
                Some(used @ Use::By(_)) => {
                    self.places += 1;
                    *used = Use::Unused(self.places);
                    self.unused.insert(self.places, (Arc::clone(text), now));
                    self.unused_bytes += text.len();
                }
                Some(Use::Always | Use::Unused(_)) | None => {}
            }
        }
        self.forget(now);
    }

    /// Forgets texts that nothing uses, the ones used longest ago first, while there are too many of them.
    fn forget(&mut self, now: Instant) {
        while self.unused_bytes > self.most_unused_bytes
            && let Some(first) = self.unused.first_entry()
            && now.saturating_duration_since(first.get().1) > GRACE
        {
            let (text, _) = first.remove();
            self.texts.remove(&text);
            self.unused_bytes -= text.len();
            self.forgotten_bytes += text.len();
        }
        let searched: usize = self.layers.iter().map(|layer| layer.bytes).sum();
        // Building the layers anew costs as much as what was forgotten, so that it is rare.
        if self.forgotten_bytes > self.most_forgotten_bytes.max(searched / 2) {
            self.layers.clear();
            self.forgotten_bytes = 0;
            self.add_layer(self.texts.keys().cloned().collect());
        }
    }

    fn add_layer(&mut self, mut texts: Vec<Arc<str>>) {
        let mut bytes: usize = texts.iter().map(|text| text.len()).sum();
        while let Some(last) = self.layers.pop_if(|last| last.bytes < 2 * bytes) {
            bytes += last.bytes;
            texts.extend(last.texts);
        }
        #[cfg(test)]
        {
            self.built_bytes += bytes;
        }
        let finder = Finder::of(texts.iter().map(|text| &**text));
        self.layers.push(Layer { texts, bytes, finder });
    }

    /// The text with `***` in place of every hidden one.
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let found = self.find(text);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut shown = String::with_capacity(text.len());
        let mut position = 0;
        for secret in found {
            shown.push_str(&text[position..secret.start]);
            shown.push_str(PLACEHOLDER);
            position = secret.end;
        }
        Cow::Owned(shown + &text[position..])
    }

    /// The byte ranges that hidden texts cover, as they are or as URLs write them, in order and without overlaps.
    fn find(&self, text: &str) -> Vec<Range<usize>> {
        if self.layers.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<Range<usize>> = self.layers.iter().flat_map(|layer| layer.finder.find(text)).collect();
        if text.contains(['%', '+']) {
            // A value can have several percent-encodings, so the text is decoded. In a query, `+` stands for a space.
            for space in [b'+', b' '] {
                let bytes = decoded(text, space);
                for layer in &self.layers {
                    let hits = layer.finder.find_in(bytes.iter().map(|(byte, _)| *byte));
                    found.extend(hits.into_iter().map(|hit| bytes[hit.start].1.start..bytes[hit.end - 1].1.end));
                }
            }
        }
        joined(found)
    }
}

/// The bytes that a percent-encoded text stands for, each with the range it is written in. `+` stands for `plus`.
fn decoded(text: &str, plus: u8) -> Vec<(u8, Range<usize>)> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut position = 0;
    while let Some(byte) = text.as_bytes().get(position) {
        let escaped = (*byte == b'%').then(|| text.get(position + 1..position + 3)).flatten();
        let escaped = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (byte, length) = match escaped {
            Some(escaped) => (escaped, 3),
            None => (if *byte == b'+' { plus } else { *byte }, 1),
        };
        bytes.push((byte, position..position + length));
        position += length;
    }
    bytes
}

/// The same ranges in order, overlapping ones joined.
fn joined(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::super::forms;
    use super::*;

    fn texts(values: &[&str]) -> Vec<Arc<str>> {
        values.iter().flat_map(|value| forms::forms(value)).map(Arc::from).collect()
    }

    fn hiding(values: &[&str]) -> Hidden {
        let mut hidden = Hidden::default();
        hidden.hold(&texts(values), Instant::now());
        hidden
    }

    #[test]
    fn a_value_is_hidden_as_it_is_and_as_urls_and_json_write_it() {
        let hidden = hiding(&["p\"w:d/1 é"]);
        for shown in
            ["p\"w:d/1 é", "p\\\"w:d/1 é", "p%22w%3Ad%2F1%20%C3%A9", "p%22w:d/1%20%c3%a9", "p%22w%3Ad%2F1+%C3%A9"]
        {
            assert_eq!(hidden.hide(&format!("login {shown} refused")), "login *** refused", "{shown}");
        }
        assert_eq!(hidden.hide("100 % of a+b, %zz %"), "100 % of a+b, %zz %");
        assert_eq!(hiding(&["Host.Example"]).hide("http://host.example/"), "http://***/");
    }

    #[test]
    fn each_line_of_a_key_is_hidden_and_its_borders_stay() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\nab==\n-----END PRIVATE KEY-----\n";
        let shown = hiding(&[key]).hide(&format!("the key\n{key}is wrong")).into_owned();
        assert_eq!(shown, "the key\n-----BEGIN PRIVATE KEY-----\n***\n***\nab==\n-----END PRIVATE KEY-----\nis wrong");
    }

    #[test]
    fn values_that_overlap_are_hidden_together_also_when_they_were_added_apart() {
        let mut hidden = Hidden::default();
        for value in ["abcdef", "defghi", "xyz-long-enough-for-a-layer-of-its-own"] {
            hidden.hold(&texts(&[value]), Instant::now());
        }
        assert_eq!(hidden.hide("1 abcdefghi 2 abcdef 3"), "1 *** 2 *** 3");
        assert_eq!(hiding(&["abc", "\n"]).hide("abc"), "abc", "too short");
    }

    const SMALL: usize = 1 << 10;

    /// 40 texts, together many times as long as what may stay unused.
    fn much() -> Vec<Vec<Arc<str>>> {
        (0..40).map(|number| texts(&[&format!("{number:02}").repeat(SMALL / 8)])).collect()
    }

    #[test]
    fn a_value_in_use_stays_hidden_whatever_is_added_after_it() {
        let start = Instant::now();
        let mut hidden = Hidden::with_bounds(SMALL, SMALL);
        let (used, unused) = (texts(&["a value in use"]), texts(&["a value that was used"]));
        let kept = texts(&["a variable of the process"]);
        hidden.hold(&kept, start);
        hidden.keep(&kept);
        hidden.release(&kept, start);
        hidden.hold(&used, start);
        hidden.hold(&used, start);
        hidden.hold(&unused, start);
        hidden.release(&used, start);
        hidden.release(&unused, start);
        for text in &much() {
            hidden.hold(text, start);
            hidden.release(text, start + GRACE);
        }
        assert_eq!(hidden.hide("a value in use, a value that was used"), "***, ***", "not even a minute has passed");

        let later = start + 3 * GRACE;
        hidden.hold(&[], later);
        assert!(!hidden.texts.contains_key("a value that was used"));
        assert!(hidden.unused_bytes <= SMALL, "{}", hidden.unused_bytes);
        assert!(hidden.texts.contains_key(&much()[39][0]), "what was used last stays");
        for shown in ["a value in use", "a variable of the process"] {
            assert_eq!(hidden.hide(shown), "***", "it still has a holder");
        }

        hidden.release(&used, later);
        hidden.hold(&used, later);
        for text in &much() {
            hidden.hold(text, later);
            hidden.release(text, later);
        }
        hidden.hold(&[], later + 3 * GRACE);
        assert_eq!(hidden.hide("a value in use"), "***", "a holder came back");
    }

    #[test]
    fn what_is_forgotten_leaves_the_search_and_the_memory() {
        let mut now = Instant::now();
        let mut hidden = Hidden::with_bounds(SMALL, SMALL);
        for _ in 0..5 {
            for text in &much() {
                hidden.hold(text, now);
                hidden.release(text, now);
                now += 2 * GRACE;
            }
        }
        let searched: usize = hidden.layers.iter().map(|layer| layer.bytes).sum();
        assert!(searched <= 4 * SMALL, "{searched}");
        assert_eq!(hidden.texts.len(), hidden.unused.len());
        assert!(hidden.unused_bytes <= 2 * SMALL, "{}", hidden.unused_bytes);
    }

    #[test]
    fn adding_values_one_by_one_builds_little_more_than_adding_them_together() {
        const VALUES: usize = 1_000;
        let mut hidden = Hidden::default();
        let now = Instant::now();
        let mut bytes = 0;
        for number in 0..VALUES {
            let text = texts(&[&format!("value-{number:06}-with-some-length")]);
            bytes += text.iter().map(|text| text.len()).sum::<usize>();
            hidden.hold(&text, now);
            // Known ones cost nothing.
            hidden.hold(&text, now);
        }
        // Each doubling builds everything once.
        assert!(hidden.built_bytes < 12 * bytes, "{} for {bytes}", hidden.built_bytes);
        assert!(hidden.layers.len() < 12, "{}", hidden.layers.len());
        assert_eq!(
            hidden.hide("see value-000000-with-some-length and value-000999-with-some-length"),
            "see *** and ***"
        );
    }
}
