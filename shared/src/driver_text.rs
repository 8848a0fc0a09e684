//! Texts of PostgreSQL's driver as people read them: without the line of PostgreSQL's own source code, which the driver
//! appends to every message of a server (`… at line 3211`) and which readers take for a line of their files.

use std::borrow::Cow;

/// What the driver writes before the message of a server.
const BEFORE: &str = "error returned from database: ";
/// What it writes between that message and the number of the line.
const AT_LINE: &str = " at line ";

/// A text in which the messages of servers name no line of PostgreSQL's source code. Other lines stay.
pub fn without_source_lines(text: &str) -> Cow<'_, str> {
    let Some((before, message)) = text.split_once(BEFORE) else { return Cow::Borrowed(text) };
    let mut shown = format!("{before}{BEFORE}");
    let mut rest = message;
    while let Some((message, after)) = rest.split_once(AT_LINE) {
        shown.push_str(message);
        rest = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
        if rest.len() < after.len() {
            break;
        }
        shown.push_str(AT_LINE);
    }
    // More messages may follow, because one error can have several of them.
    shown.push_str(&without_source_lines(rest));
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_postgresqls_source_is_left_out_and_other_lines_stay() {
        for (text, shown) in [
            ("error returned from database: no such table at line 1452", "error returned from database: no such table"),
            (
                "could not load a.csv at line 7: error returned from database: refused at line 3211 (b.csv at line 9)",
                "could not load a.csv at line 7: error returned from database: refused (b.csv at line 9)",
            ),
            (
                "{\"error\":\"error returned from database: one at line 1\",\"other\":\"error returned from database: two at line 22\"}",
                "{\"error\":\"error returned from database: one\",\"other\":\"error returned from database: two\"}",
            ),
            ("error returned from database: look at line breaks", "error returned from database: look at line breaks"),
            ("schema.columns: unknown type at line 4 column 7", "schema.columns: unknown type at line 4 column 7"),
        ] {
            assert_eq!(without_source_lines(text), shown);
        }
    }
}
