//! File names that are not UTF-8, as text.
//!
//! Old servers have many such names. A byte that is not UTF-8 becomes a private-use character, and that character becomes the
//! byte again when the server is asked for the file. Different names stay different.

/// Character that stands for the byte 0. It is for private use, at the end of the last plane.
const FIRST: u32 = 0x0010_F700;

/// The byte that a private-use character of ours stands for.
fn byte_of(c: char) -> Option<u8> {
    u8::try_from(u32::from(c).checked_sub(FIRST)?).ok().filter(|byte| !byte.is_ascii())
}

pub(super) fn stand_in(byte: u8) -> char {
    char::from_u32(FIRST + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// A name as text. A private-use character of this range in the name is replaced byte by byte, so that the translation back is
/// exact.
pub(super) fn to_text(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match byte_of(c) {
                None => text.push(c),
                Some(_) => text.extend(c.encode_utf8(&mut [0; 4]).bytes().map(stand_in)),
            }
        }
        text.extend(chunk.invalid().iter().copied().map(stand_in));
    }
    text
}

/// The bytes that a name had on the server.
pub(super) fn to_bytes(text: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(text) else { return text.to_vec() };
    let mut name = Vec::with_capacity(text.len());
    for c in text.chars() {
        match byte_of(c) {
            Some(byte) => name.push(byte),
            None => name.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    name
}

/// A name as people see it: a byte that is not UTF-8 as `\xf6`, and a backslash that could begin such a byte as two. Different
/// names stay different.
pub(super) fn shown(name: &str) -> String {
    if !name.contains("\\x") && name.chars().all(|c| byte_of(c).is_none()) {
        return name.to_owned();
    }
    let mut shown = String::with_capacity(name.len());
    for c in name.chars() {
        match byte_of(c) {
            Some(byte) => shown.push_str(&format!("\\x{byte:02x}")),
            None if c == '\\' => shown.push_str("\\\\"),
            None => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_name_comes_back(name in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(to_bytes(to_text(&name).as_bytes()), name);
        }
    }

    #[test]
    fn different_names_are_shown_as_different() {
        let names: [&[u8]; 6] = [b"\xf6.csv", b"\xdf.csv", b"\\xf6.csv", b"\\\\xf6.csv", b"\\\xf6.csv", b"a\\b.csv"];
        let shown = names.map(|name| shown(&to_text(name)));
        let texts = [r"\xf6.csv", r"\xdf.csv", r"\\xf6.csv", r"\\\\xf6.csv", r"\\\xf6.csv", r"a\b.csv"];
        assert_eq!(shown, texts);
    }

    #[test]
    fn a_name_that_looks_like_a_stand_in_comes_back_as_what_it_is() {
        let name = format!("a{}b", stand_in(0xF6));
        assert_ne!(to_text(name.as_bytes()), name);
        assert_eq!(to_bytes(to_text(name.as_bytes()).as_bytes()), name.as_bytes());
    }

    #[test]
    fn names_are_shown_with_their_bytes() {
        assert_eq!(shown(&to_text(b"Gr\xf6\xdfe.csv")), "Gr\\xf6\\xdfe.csv");
        assert_eq!(shown("Größe.csv"), "Größe.csv");
    }
}
