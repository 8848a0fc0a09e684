//! Words that reasons are built from.

/// `1 row`, `2 rows`.
pub(super) fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The first `most` texts, and how many more there are.
pub(super) fn listed(texts: impl Iterator<Item = String>, most: usize) -> Vec<String> {
    let mut all: Vec<String> = texts.collect();
    if all.len() > most {
        let more = all.len() - most;
        all.truncate(most);
        all.push(format!("{more} more"));
    }
    all
}
