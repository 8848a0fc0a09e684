//! Secrets in comments: lines that were switched off, and passwords that YAML takes for comments.

use std::ops::Range;

use super::Cut;
use super::finder::Finder;
use super::found::Found;
use crate::config::secret_detection::{is_reference, is_secret_name, is_secret_text, looks_random, secret_parts};

impl Found<'_> {
    /// A comment may be a config line that was switched off.
    pub fn comments(&mut self, secrets: &Finder) {
        self.scalars.sort_by_key(|range| range.start);
        let ends = self.scalars.iter().map(|range| range.end);
        let starts = self.scalars.iter().map(|range| range.start).chain([self.text.len()]);
        let gaps: Vec<Range<usize>> = [0].into_iter().chain(ends).zip(starts).map(|(end, start)| end..start).collect();
        let mut reached = 0;
        for gap in gaps {
            reached = gap.start.max(reached);
            if reached < gap.end {
                self.comments_between(reached..gap.end, secrets);
            }
        }
    }

    fn comments_between(&mut self, gap: Range<usize>, secrets: &Finder) {
        let mut position = gap.start;
        for line in self.text[gap].split_inclusive('\n') {
            if let Some(hash) = line.find('#') {
                self.comment(position + hash, &line[hash..], secrets);
            }
            position += line.len();
        }
    }

    fn comment(&mut self, start: usize, comment: &str, secrets: &Finder) {
        let mut ranges = secret_parts(comment);
        // Whatever follows `password:` up to the end of the line.
        ranges.extend(assigned_secret(comment));
        // `password: #hunter2` and `password: hunter #2` were meant to be passwords: YAML reads comments.
        let tight = comment.chars().nth(1).is_some_and(|c| !c.is_whitespace());
        if self.doubtful.get(&self.lines.start(start)).is_some_and(|missing| *missing || tight) {
            ranges.push(1..comment.trim_end().len());
        }
        let mut position = 0;
        for word in comment.split_inclusive(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',')) {
            let bare = word.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ','));
            if looks_random(bare) || is_secret_text(bare) {
                ranges.push(position..position + bare.len());
            }
            position += word.len();
        }
        // A secret that is named above the line it was moved from.
        ranges.extend(secrets.find(comment));
        let cut = |range: Range<usize>| Cut { range: start + range.start..start + range.end, quote: false };
        self.cuts.extend(ranges.into_iter().map(cut));
    }
}

fn assigned_secret(comment: &str) -> Option<Range<usize>> {
    comment.match_indices([':', '=']).find_map(|(position, _)| {
        let name = comment[..position].trim_end_matches([' ', '\t', '"', '\'']);
        let name = name.rsplit(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).next()?;
        let value = &comment[position + 1..];
        let start = position + 1 + value.len() - value.trim_start().len();
        let end = comment.trim_end().len();
        (is_secret_name(name) && start < end && !is_reference(&comment[start..end])).then_some(start..end)
    })
}
