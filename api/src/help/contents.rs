//! The list of pages, as `docs/README.md` has it: a heading for each group, and a list of links below it.

use std::fmt::Write;

use pulldown_cmark::{Event, HeadingLevel, Tag, TagEnd};

use super::documents::{CONTENTS, Document};
use super::render::{events, text_until};

/// Pages about one matter.
pub struct Group {
    pub title: String,
    pub entries: Vec<Entry>,
}

/// A page of the list.
pub struct Entry {
    pub title: String,
    /// Address of the page below `/ui/help/`.
    pub address: String,
    /// What the page tells, in a few words.
    pub about: String,
}

/// All groups, in their order.
pub fn groups() -> Vec<Group> {
    let Some(contents) = Document::open(CONTENTS) else { return Vec::new() };
    let events: Vec<_> = events(&contents.text).collect();
    let mut groups: Vec<Group> = Vec::new();
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H2, .. }) => {
                let title = text_until(&events[at..], |event| matches!(event, Event::End(TagEnd::Heading(_))));
                groups.push(Group { title, entries: Vec::new() });
            }
            Event::Start(Tag::Item) => {
                if let (Some(group), Some(entry)) = (groups.last_mut(), entry(&contents, &events[at..])) {
                    group.entries.push(entry);
                }
            }
            _ => {}
        }
    }
    groups
}

/// An item of the list: a link, and what is behind its colon.
fn entry(contents: &Document, events: &[Event<'_>]) -> Option<Entry> {
    let link = events.iter().position(|event| matches!(event, Event::Start(Tag::Link { .. })))?;
    let Event::Start(Tag::Link { dest_url, .. }) = &events[link] else { return None };
    let (page, _) = contents.linked(dest_url)?;
    let title = text_until(&events[link..], |event| matches!(event, Event::End(TagEnd::Link)));
    let item = text_until(events, |event| matches!(event, Event::End(TagEnd::Item)));
    let about = item.trim_start_matches(&title).trim_start_matches([':', ' ']).to_owned();
    Some(Entry { title, address: page.address().into_owned(), about })
}

/// The list for programs (<https://llmstxt.org>), with links to the pages as they were written.
pub fn for_programs() -> String {
    let mut text = String::from(
        "# elt\n\n> Loads files, HTTP APIs, buckets and SFTP servers into clean, deduplicated PostgreSQL tables: one YAML \
         config, a queue on PostgreSQL, any number of workers, an HTTP API (/openapi.json) and a dashboard (/ui/).\n",
    );
    for Group { title, entries } in groups() {
        let _ = write!(text, "\n## {title}\n\n");
        for Entry { title, address, about } in entries {
            let folder = if address.is_empty() || address.ends_with('/') { "README" } else { "" };
            let _ = writeln!(text, "- [{title}](/ui/help/{address}{folder}.md): {about}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{for_programs, groups};
    use crate::help::documents::Document;

    #[test]
    fn every_page_is_in_the_list_but_decisions_about_the_code() {
        let listed: Vec<String> =
            groups().into_iter().flat_map(|group| group.entries).map(|entry| entry.address).collect();
        for page in Document::pages().filter(|page| !page.path.starts_with("docs/adr/")) {
            let address = page.address();
            assert!(
                address.is_empty() || listed.iter().any(|known| *known == address),
                "{address} is not in docs/README.md"
            );
        }
    }

    #[test]
    fn programs_get_the_text_of_each_page() {
        let text = for_programs();
        assert!(text.starts_with("# elt\n\n> "), "{text}");
        for link in text.split("](/ui/help/").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(Document::at(link).is_some(), "{link}");
        }
        assert!(text.matches("](/ui/help/").count() > 20, "{text}");
    }
}
