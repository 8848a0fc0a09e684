//! Characters that make one name look like another.

/// Whether a character is not seen, or changes how those beside it are seen: a line end, an escape of a terminal, a mark that
/// turns the direction of writing.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
