//! Names and texts inside SQL that cannot carry them as parameters.

/// A name as an SQL identifier: always quoted, quotes doubled.
pub fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as an SQL literal, right with and without `standard_conforming_strings`.
pub fn quote_literal(text: &str) -> String {
    let escaped = text.replace('\'', "''");
    if escaped.contains('\\') { format!("E'{}'", escaped.replace('\\', "\\\\")) } else { format!("'{escaped}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_whatever_they_hold() {
        assert_eq!(quote_ident("people"), r#""people""#);
        assert_eq!(quote_ident(r#"a"; drop table x; --"#), r#""a""; drop table x; --""#);
    }

    #[test]
    fn texts_are_quoted_whatever_they_hold() {
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal(r"a\' or 1=1"), r"E'a\\'' or 1=1'");
    }
}
