//! The files of the documentation, as part of the program, and their addresses below `/ui/help/`.

use std::borrow::Cow;

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../docs"]
struct Docs;

#[derive(RustEmbed)]
#[folder = "../examples"]
struct Examples;

const README: &str = include_str!("../../../README.md");

/// The path of the page that lists the others.
pub const CONTENTS: &str = "docs/README.md";

/// A file of the documentation.
pub struct Document {
    /// Its path in the repository, such as `docs/sources/csv.md`.
    pub path: String,
    pub text: Cow<'static, str>,
}

impl Document {
    /// The file at a path of the repository, or `None` if it is not a part of the documentation.
    pub fn open(path: &str) -> Option<Self> {
        let embedded = match path.split_once('/') {
            None if path == "README.md" => return Some(Self { path: path.to_owned(), text: README.into() }),
            Some(("docs", name)) => Docs::iter().any(|known| known == name).then(|| Docs::get(name)),
            Some(("examples", name)) => Examples::iter().any(|known| known == name).then(|| Examples::get(name)),
            _ => None,
        };
        let text = String::from_utf8(embedded??.data.into_owned()).ok()?;
        Some(Self { path: path.to_owned(), text: text.into() })
    }

    /// The file at an address below `/ui/help/`: a page (`sources/csv`), the text of one (`sources/csv.md`), the first page of
    /// a folder (`sources/`), or an example config (`examples/api.yaml`).
    pub fn at(address: &str) -> Option<Self> {
        let path = match address.strip_suffix(".md").unwrap_or(address) {
            "readme" => "README.md".to_owned(),
            example if example.starts_with("examples/") => example.to_owned(),
            folder if folder.is_empty() || folder.ends_with('/') => format!("docs/{folder}README.md"),
            page => format!("docs/{page}.md"),
        };
        Self::open(&path)
    }

    /// All pages below `docs`, in the order of their paths.
    pub fn pages() -> impl Iterator<Item = Self> {
        Docs::iter().filter_map(|name| Self::open(&format!("docs/{name}")))
    }

    /// Where the page is, below `/ui/help/`.
    pub fn address(&self) -> Cow<'_, str> {
        match self.path.strip_prefix("docs/") {
            Some(page) => {
                let page = page.strip_suffix(".md").unwrap_or(page);
                page.strip_suffix("README").unwrap_or(page).into()
            }
            None if self.path == "README.md" => "readme".into(),
            None => self.path.as_str().into(),
        }
    }

    /// The file that a link of this page leads to, and the heading in it (empty for its beginning). `None` for links that
    /// leave the documentation.
    pub fn linked(&self, link: &str) -> Option<(Self, String)> {
        let (path, heading) = link.split_once('#').unwrap_or((link, ""));
        let mut parts: Vec<&str> = self.path.split('/').collect();
        parts.pop();
        for part in path.split('/') {
            match part {
                ".." => drop(parts.pop()),
                "." | "" => {}
                part => parts.push(part),
            }
        }
        Some((Self::open(&parts.join("/"))?, heading.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::Document;

    #[test]
    fn each_page_is_at_the_address_that_leads_to_it() {
        for page in Document::pages() {
            let found = Document::at(&page.address()).unwrap_or_else(|| panic!("{}", page.path));
            assert_eq!(found.path, page.path);
        }
    }

    #[test]
    fn a_path_outside_the_documentation_is_refused() {
        for path in ["docs/../Cargo.toml", "docs//etc/passwd", "examples/../README.md", "api/src/lib.rs", "docs"] {
            assert!(Document::open(path).is_none(), "{path}");
        }
        for address in ["../../Cargo.toml", "sources/../../Cargo", "examples/", "\0"] {
            assert!(Document::at(address).is_none(), "{address}");
        }
    }

    #[test]
    fn links_are_followed_within_the_documentation_only() {
        let page = Document::at("sources/csv").expect("a page");
        let leads_to = |link: &str| page.linked(link).map(|(found, heading)| (found.path, heading));
        assert_eq!(leads_to("../errors.md#cast_failed"), Some(("docs/errors.md".into(), "cast_failed".into())));
        assert_eq!(leads_to("../../README.md"), Some(("README.md".into(), String::new())));
        assert_eq!(leads_to("../../Cargo.toml"), None);
    }
}
