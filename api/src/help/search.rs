//! Sections of the help that hold the words of a question.

use std::fmt::Write;
use std::sync::OnceLock;

use pulldown_cmark::{Event, Tag, TagEnd};
use serde::Serialize;

use super::documents::Document;
use super::layout::escaped;
use super::render::{Names, events, text_until};

/// Most results of a question.
const MOST_RESULTS: usize = 40;
/// Most words of a question that count.
const MOST_WORDS: usize = 8;
/// Characters of a section's text around the first word that was found.
const EXCERPT: usize = 180;

/// A heading and the text below it.
struct Section {
    /// The title of its page.
    page: String,
    heading: String,
    /// With the name of the heading.
    address: String,
    text: String,
    /// Page, heading and text in lower case.
    folded: String,
}

/// A section that was found, for programs.
#[derive(Serialize)]
pub struct Hit {
    /// The title of its page.
    page: &'static str,
    heading: &'static str,
    /// Address of the page below `/ui/help/`.
    address: &'static str,
}

/// The first results of a question.
pub fn hits(question: &str, most: usize) -> Vec<Hit> {
    let (found, _) = found(question);
    let hit =
        |section: &'static Section| Hit { page: &section.page, heading: &section.heading, address: &section.address };
    found.into_iter().take(most).map(hit).collect()
}

/// The sections that hold all words of a question, first those whose heading has all of them, and the first word.
fn found(question: &str) -> (Vec<&'static Section>, String) {
    let lower = question.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().take(MOST_WORDS).collect();
    let mut found: Vec<&Section> =
        sections().iter().filter(|section| words.iter().all(|word| section.folded.contains(word))).collect();
    found.sort_by_key(|section| {
        let heading = section.heading.to_lowercase();
        !words.iter().all(|word| heading.contains(word))
    });
    (found, words.first().copied().unwrap_or_default().to_owned())
}

/// The results of a question, in HTML: first the sections whose heading has all of its words.
pub fn results(question: &str) -> String {
    let (found, word) = found(question);
    let count = found.len();
    let mut html = format!("<h1>Search</h1><p class=\"muted\">{}</p>", heading(count, question));
    for Section { page, heading, address, text, .. } in found.into_iter().take(MOST_RESULTS) {
        let excerpt = escaped(excerpt(text, &word));
        let (page, heading) = (escaped(page), escaped(heading));
        let _ = write!(
            html,
            "<article class=\"result\"><h2><a href=\"/ui/help/{address}\">{heading}</a></h2><p class=\"muted\">{page}</p>\
             <p>{excerpt}</p></article>"
        );
    }
    html
}

fn heading(count: usize, question: &str) -> String {
    let question = escaped(question);
    match count {
        0 => format!("No section of the help has all words of “{question}”. Try fewer words, or an error's code."),
        1 => format!("1 section has all words of “{question}”."),
        2..=MOST_RESULTS => format!("{count} sections have all words of “{question}”."),
        _ => format!("{count} sections have all words of “{question}”; the first {MOST_RESULTS} are shown."),
    }
}

/// The part of a text around a word, in whole words.
fn excerpt<'a>(text: &'a str, word: &str) -> &'a str {
    let at = text.to_lowercase().find(word).unwrap_or(0).min(text.len());
    let start = text.floor_char_boundary(at.saturating_sub(EXCERPT / 3));
    let end = text.floor_char_boundary((start + EXCERPT).min(text.len()));
    let part = &text[start..end];
    let part = if start == 0 { part } else { part.split_once(' ').map_or(part, |(_, rest)| rest) };
    if end == text.len() { part } else { part.rsplit_once(' ').map_or(part, |(rest, _)| rest) }
}

/// Every section of every page, made at the first question.
fn sections() -> &'static [Section] {
    static SECTIONS: OnceLock<Vec<Section>> = OnceLock::new();
    SECTIONS
        .get_or_init(|| Document::pages().chain(Document::open("README.md")).flat_map(|page| of_page(&page)).collect())
}

fn of_page(document: &Document) -> Vec<Section> {
    let events: Vec<_> = events(&document.text).collect();
    let is_heading = |event: &Event<'_>| matches!(event, Event::Start(Tag::Heading { .. }));
    let mut names = Names::default();
    let mut title = String::new();
    let mut sections = Vec::new();
    for at in (0..events.len()).filter(|at| is_heading(&events[*at])) {
        let end = |event: &Event<'_>| matches!(event, Event::End(TagEnd::Heading(_)));
        let heading = text_until(&events[at..], end);
        let after = at + events[at..].iter().take_while(|event| !end(event)).count();
        let spaced = with_spaces(&events[after..], is_heading);
        if title.is_empty() {
            title.clone_from(&heading);
        }
        let address = format!("{}#{}", document.address(), names.of(&heading));
        let folded = format!("{title}\n{heading}\n{spaced}").to_lowercase();
        sections.push(Section { page: title.clone(), heading, address, text: spaced, folded });
    }
    sections
}

/// The words of a section, with a space between its paragraphs and cells.
fn with_spaces(events: &[Event<'_>], is_end: impl Fn(&Event<'_>) -> bool) -> String {
    let mut text = String::new();
    for event in events.iter().take_while(|event| !is_end(event)) {
        match event {
            Event::Text(part) | Event::Code(part) => text.push_str(part),
            Event::SoftBreak | Event::HardBreak | Event::End(_) if !text.ends_with(' ') => text.push(' '),
            _ => {}
        }
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{MOST_RESULTS, excerpt, hits, results};

    #[test]
    fn a_code_is_found_first_and_words_anywhere_in_a_section() {
        let html = results("target_locked");
        let first = html.split("href=\"").nth(1).unwrap_or_default();
        assert!(first.starts_with("/ui/help/errors#target_locked\""), "{html}");
        assert!(results("jump host").contains("/ui/help/sources/sftp#"));
        assert!(results("nobodyeverwrotethis").contains("No section"));
    }

    #[test]
    fn programs_get_the_first_sections_and_their_addresses() {
        let found = hits("target_locked", 8);
        assert_eq!((found[0].address, found[0].page), ("errors#target_locked", "Error codes"));
        assert_eq!(hits("the", 8).len(), 8);
        assert!(hits("nobodyeverwrotethis", 8).is_empty());
    }

    #[test]
    fn results_are_bounded_and_hold_no_html_of_the_question() {
        assert_eq!(results("the").matches("<article").count(), MOST_RESULTS);
        assert!(!results("<script>").contains("<script>"));
    }

    #[test]
    fn an_excerpt_is_cut_between_words_and_never_within_a_letter() {
        let text = "größer ".repeat(100);
        for at in ["g", "ö", "zzz", ""] {
            assert!(excerpt(&text, at).split(' ').all(|word| matches!(word, "größer" | "")), "{at}");
        }
        assert_eq!(excerpt("", "x"), "");
    }
}
