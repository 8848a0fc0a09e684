//! `docs/reference/config.md`, made of the same keys the reader knows.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::column_type::ColumnType;
use super::keys::{Key, Shape, Variant};
use super::pipeline;

const INTRODUCTION: &str = "\
# Keys of a config

Every key, with the values it takes. [reference.yaml](../../examples/reference.yaml) shows all of them in one config, and
`elt schema` prints a JSON Schema that editors complete with. A key that does not exist is a warning at its place; a value that
cannot be is an error at its place.

Wherever a text stands, `${secret:NAME}` is a stored secret and `${env:NAME}` a variable of the worker's environment.

This page is made from `shared/src/config`. After a change there, write it anew with
`UPDATE_REFERENCE=1 cargo test -p elt-shared reference`.

";

/// The page, with a heading for each mapping that a config can hold.
pub fn reference_page() -> String {
    let mut page = Page::default();
    page.section("config", "The config itself.", pipeline::KEYS);
    let mut text = INTRODUCTION.to_owned();
    while let Some(section) = page.waiting.pop() {
        section.write(&mut page, &mut text);
    }
    let types: Vec<_> = ColumnType::names().map(|name| format!("`{name}`")).collect();
    let _ = writeln!(text, "## types of columns\n\nThe names a column's type may have: {}.", types.join(", "));
    text
}

/// A mapping with keys of its own.
struct Section {
    name: String,
    about: String,
    keys: &'static [Key],
}

/// The sections that are still to be written, and the names of all of them. A section that stands in several places, such as
/// `csv` of every kind of file source, is written once.
#[derive(Default)]
struct Page {
    waiting: Vec<Section>,
    names: BTreeMap<*const Key, String>,
}

impl Page {
    /// The link to a section, which is written later if it is new.
    fn section(&mut self, name: &str, about: &str, keys: &'static [Key]) -> String {
        if let Some(known) = self.names.get(&keys.as_ptr()) {
            return link(known);
        }
        let same =
            self.names.values().filter(|known| *known == name || known.starts_with(&format!("{name} ("))).count();
        let name = if same == 0 { name.to_owned() } else { format!("{name} ({})", same + 1) };
        self.names.insert(keys.as_ptr(), name.clone());
        let link = link(&name);
        self.waiting.push(Section { name, about: about.to_owned(), keys });
        link
    }

    fn variants(&mut self, key: &str, variants: &'static [Variant]) -> String {
        let link = |variant: &'static Variant| {
            let name = format!("{key}, type {}", variant.word);
            self.section(&name, variant.about, variant.keys)
        };
        // The last one that is added is written first.
        let mut links: Vec<_> = variants.iter().rev().map(link).collect();
        links.reverse();
        links.join(", ")
    }

    /// What a value looks like, in words.
    fn value(&mut self, Key { name, shape, about, .. }: &Key) -> String {
        match shape {
            Shape::Text => "text".into(),
            Shape::Secret => "text, hidden wherever the config is shown".into(),
            Shape::Flag => "`true` or `false`".into(),
            Shape::Whole { min, max } => format!("whole number, {min} to {max}"),
            Shape::Duration { longest } => {
                format!("seconds, or a duration such as `90s`, `10m`, `24h`; at most {}", time(*longest))
            }
            Shape::Number { min, max } => format!("number, {min} to {max}"),
            Shape::Moment => "date and time".into(),
            Shape::Choice(words) => words().iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Shape::Texts => "text, or a list of texts".into(),
            Shape::Pairs => "names with texts".into(),
            Shape::Columns(keys) => {
                format!(
                    "columns with their [types](#types-of-columns), or with {}",
                    self.section("column", about, keys)
                )
            }
            Shape::Section(keys) => self.section(name, about, keys),
            Shape::TextOrSection(keys) => format!("text, or {}", self.section(name, about, keys)),
            Shape::Nested => "the keys of this table".into(),
            Shape::Sections(keys) => format!("list of {}", self.section(name, about, keys)),
            Shape::Schema(keys) => format!("{}; columns may also stand here directly", self.section(name, about, keys)),
            Shape::Variant(variants) => self.variants(name, variants),
            Shape::SectionOrVariant(keys, variants) => {
                let others = self.variants(name, variants);
                format!("{}, {others}", self.section(name, about, keys))
            }
            Shape::Variants(variants) => format!("list of {}", self.variants(name, variants)),
            Shape::Any => "various, see the meaning".into(),
        }
    }
}

impl Section {
    fn write(&self, page: &mut Page, text: &mut String) {
        let Self { name, about, keys } = self;
        let _ = writeln!(text, "## {name}\n\n{about}\n\n| key | value | meaning |\n|---|---|---|");
        // Sections are taken from the end, so that those of the first keys come first.
        let rows: Vec<_> = keys.iter().rev().map(|key| row(page, key)).collect();
        text.extend(rows.into_iter().rev());
        text.push('\n');
    }
}

fn row(page: &mut Page, key: &Key) -> String {
    let value = page.value(key).replace('|', "\\|");
    let aliases: Vec<_> = key.aliases.iter().map(|alias| format!("`{alias}`")).collect();
    let also = if aliases.is_empty() { String::new() } else { format!(" Also {}.", aliases.join(", ")) };
    let required = if key.required { " **Required.**" } else { "" };
    format!("| `{}` | {value} | {}{required}{also} |\n", key.name, key.about.replace('|', "\\|"))
}

fn link(name: &str) -> String {
    let kept = name.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    format!("[{name}](#{})", kept.collect::<String>().to_lowercase().replace(' ', "-"))
}

fn time(seconds: u64) -> String {
    match seconds {
        days if days % 86_400 == 0 => format!("{}d", days / 86_400),
        hours if hours % 3_600 == 0 => format!("{}h", hours / 3_600),
        minutes if minutes % 60 == 0 => format!("{}m", minutes / 60),
        seconds => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::reference_page;

    #[test]
    fn the_reference_of_keys_is_made_from_the_keys() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/config.md");
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::write(&path, reference_page()).expect("docs/reference/config.md can be written");
        }
        let known = std::fs::read_to_string(&path).expect("docs/reference/config.md");
        assert!(
            known == reference_page(),
            "the keys have changed: UPDATE_REFERENCE=1 cargo test -p elt-shared reference"
        );
    }

    #[test]
    fn every_link_of_the_reference_leads_to_a_section_of_it() {
        let page = reference_page();
        let headings: Vec<String> = page
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .map(|name| super::link(name).rsplit_once('#').expect("a link").1.trim_end_matches(')').to_owned())
            .collect();
        for name in page.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert_eq!(headings.iter().filter(|known| *known == name).count(), 1, "#{name}");
        }
        assert!(headings.len() > 30, "{headings:?}");
    }
}
