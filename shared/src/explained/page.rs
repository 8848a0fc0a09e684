//! `docs/errors.md`, made from the catalog.

use std::fmt::Write;

use super::catalog::{Entry, GROUPS, Group};

const INTRODUCTION: &str = "\
# Error codes

Every problem that elt reports has a stable code. Programs may branch on it; it never changes its meaning, and the
sentence beside it may. `elt explain CODE` prints the same explanation as this page.

This page is made from `shared/src/explained/catalog`. After a change there, write it anew with
`UPDATE_ERRORS=1 cargo test -p elt-shared explained`.

";

/// The page, with a heading for each code, so that `errors.md#target_lost` leads to it.
pub fn errors_page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for Group { title, entries, .. } in GROUPS {
        let links: Vec<_> = entries.iter().map(|entry| format!("[{0}](#{0})", entry.code)).collect();
        let _ = writeln!(page, "**{title}**: {}\n", links.join(" · "));
    }
    for Group { title, about, entries } in GROUPS {
        let _ = writeln!(page, "## {title}\n\n{about}\n");
        entries.iter().for_each(|entry| section(&mut page, entry));
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn section(page: &mut String, entry: &Entry) {
    let Entry { code, happened, why, next_step, example, .. } = entry;
    let _ = writeln!(
        page,
        "### {code}\n\n*Seen: {}.*\n\n**{happened}** {why}\n\nWhat to do: {next_step}\n\n```\n{example}\n```\n",
        entry.seen()
    );
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::errors_page;

    #[test]
    fn the_page_of_errors_is_made_from_this_very_catalog() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
        if std::env::var_os("UPDATE_ERRORS").is_some() {
            std::fs::write(&path, errors_page()).expect("docs/errors.md can be written");
        }
        let known = std::fs::read_to_string(&path).expect("docs/errors.md");
        assert!(known == errors_page(), "the catalog has changed: UPDATE_ERRORS=1 cargo test -p elt-shared explained");
    }
}
