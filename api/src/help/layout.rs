//! What is around each page of the help: the search field, the list of pages, and a way back to the dashboard.

use std::fmt::Write;
use std::sync::OnceLock;

use super::contents::{Entry, Group, groups};

/// A whole document. `question` is what the search field holds, `address` the page that is marked in the list.
pub fn page(title: &str, question: &str, address: &str, body: &str) -> String {
    let (title, question) = (escaped(title), escaped(question));
    let version = env!("CARGO_PKG_VERSION");
    let list = list(address);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title} – elt help</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"icon\" href=\"/ui/favicon.svg\">\n<script src=\"/ui/theme.js\"></script>\n\
         <link rel=\"stylesheet\" href=\"/ui/help/help.css\">\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#content\">Skip to the content</a>\n<header>\n\
         <a class=\"home\" href=\"/ui/help/\">elt help</a>\n\
         <form role=\"search\" action=\"/ui/help/\"><input type=\"search\" name=\"q\" maxlength=\"200\" value=\"{question}\" \
         placeholder=\"Search the help\" aria-label=\"Search the help\"><button>Search</button></form>\n\
         <a class=\"to-pages\" href=\"#pages\">Pages</a>\n<a href=\"/ui/\">Dashboard</a>\n</header>\n<div class=\"columns\">\n\
         <nav id=\"pages\" aria-label=\"Pages\">{list}</nav>\n\
         <main id=\"content\" tabindex=\"-1\">{body}<footer class=\"muted\">elt {version}</footer></main>\n</div>\n</body>\n</html>\n"
    )
}

/// The list of pages.
fn list(address: &str) -> String {
    static GROUPS: OnceLock<Vec<Group>> = OnceLock::new();
    let mut html = String::new();
    for Group { title, entries } in GROUPS.get_or_init(groups) {
        let _ = write!(html, "<h2>{}</h2><ul>", escaped(title));
        for Entry { title, address: to, .. } in entries {
            let current = if to == address { " aria-current=\"page\"" } else { "" };
            let _ = write!(html, "<li><a href=\"/ui/help/{to}\"{current}>{}</a></li>", escaped(title));
        }
        html.push_str("</ul>");
    }
    html
}

/// A text as HTML shows it, also within quotes.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
