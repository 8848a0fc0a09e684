//! Pages in HTML.

use std::collections::HashMap;

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use super::documents::Document;

/// A page to show.
pub struct Rendered {
    /// Its first heading.
    pub title: String,
    pub html: String,
}

/// The events of a Markdown text.
pub fn events(text: &str) -> impl Iterator<Item = Event<'_>> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}

/// A page with links that lead to other pages of the help. Links that leave the documentation become plain text, unless
/// they are addresses of the web.
pub fn page(document: &Document) -> Rendered {
    let mut events: Vec<_> = events(&document.text).collect();
    let title = name_headings(&mut events);
    let mut is_open = Vec::new();
    let shown = events.into_iter().filter_map(|event| match event {
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let address = address(document, &dest_url);
            is_open.push(address.is_some());
            address.map(|dest_url| Event::Start(Tag::Link { link_type, dest_url: dest_url.into(), title, id }))
        }
        Event::End(TagEnd::Link) => is_open.pop().unwrap_or(false).then_some(Event::End(TagEnd::Link)),
        // The pages hold no HTML of their own; a `<` that looks like it is shown as it stands.
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        event => Some(event),
    });
    let mut html = String::new();
    html::push_html(&mut html, shown);
    // What is wider than the page is scrolled, also with the keyboard.
    let html = html.replace("<pre>", "<pre tabindex=\"0\">");
    let html =
        html.replace("<table>", "<div class=\"wide\" tabindex=\"0\"><table>").replace("</table>", "</table></div>");
    Rendered { title, html }
}

/// Where a link of a page leads to, as an address of the web.
fn address(document: &Document, link: &str) -> Option<String> {
    if link.starts_with('#') || link.starts_with("https://") || link.starts_with("http://") {
        return Some(link.to_owned());
    }
    let (page, heading) = document.linked(link)?;
    let hash = if heading.is_empty() { "" } else { "#" };
    Some(format!("/ui/help/{}{hash}{heading}", page.address()))
}

/// Gives each heading the name that links use. Returns the text of the first one.
fn name_headings(events: &mut [Event<'_>]) -> String {
    let mut title = String::new();
    let mut names = Names::default();
    for at in 0..events.len() {
        let Event::Start(Tag::Heading { level, .. }) = &events[at] else { continue };
        let is_title = *level == HeadingLevel::H1;
        let text = text_until(&events[at..], |event| matches!(event, Event::End(TagEnd::Heading(_))));
        let name = names.of(&text);
        if let Event::Start(Tag::Heading { id, .. }) = &mut events[at] {
            *id = Some(CowStr::from(name));
        }
        if is_title && title.is_empty() {
            title = text;
        }
    }
    title
}

/// The words of events up to one.
pub fn text_until(events: &[Event<'_>], is_end: impl Fn(&Event<'_>) -> bool) -> String {
    let words = events.iter().take_while(|event| !is_end(event)).filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) => Some(text.as_ref()),
        Event::SoftBreak | Event::HardBreak => Some(" "),
        _ => None,
    });
    words.collect()
}

/// Names of the headings of a page, as GitHub makes them: lower case, hyphens for spaces, nothing but letters, digits,
/// hyphens and underscores, and a number behind a name that is there already.
#[derive(Default)]
pub struct Names(HashMap<String, usize>);

impl Names {
    pub fn of(&mut self, heading: &str) -> String {
        let lower = heading.trim().to_lowercase();
        let kept = lower.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
        let name = kept.collect::<String>().replace(' ', "-");
        let earlier = self.0.entry(name.clone()).or_default();
        *earlier += 1;
        if *earlier == 1 { name } else { format!("{name}-{}", *earlier - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Names, page};
    use crate::help::documents::Document;

    fn html(text: &'static str) -> String {
        page(&Document { path: "docs/sources/x.md".into(), text: text.into() }).html
    }

    #[test]
    fn headings_have_the_names_that_links_use() {
        let mut names = Names::default();
        let made = ["Key `csv.quote`", "What to do", "What to do"].map(|heading| names.of(heading));
        assert_eq!(made, ["key-csvquote", "what-to-do", "what-to-do-1"]);
        assert!(html("# A `b` c\n").contains("<h1 id=\"a-b-c\">"));
    }

    #[test]
    fn links_lead_to_pages_of_the_help_or_are_plain_text() {
        assert!(html("[x](csv.md#quotes)").contains("href=\"/ui/help/sources/csv#quotes\""));
        assert!(html("[x](../operate/README.md)").contains("href=\"/ui/help/operate/\""));
        assert!(html("[x](#below)").contains("href=\"#below\""));
        assert_eq!(html("[code](../../api/src/lib.rs)"), "<p>code</p>\n");
        assert_eq!(html("[code](javascript:alert)"), "<p>code</p>\n");
    }

    #[test]
    fn html_in_a_page_is_shown_and_not_run() {
        assert!(!html("<script>alert(1)</script>\n\na <b>c</b>\n").contains("<script"));
    }
}
