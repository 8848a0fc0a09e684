//! The encoding that an XML file declares itself.

use elt_shared::explained::Code;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::frame::decode::{Text, declared};
use crate::frame::read::FileError;
use crate::input::InputFile;

/// Bytes in which the declaration must end.
const HEAD_BYTES: usize = 1024;

/// The text of a file. A byte order mark decides its encoding, else the config, else the declaration `<?xml … encoding="…"?>`,
/// else it is UTF-8.
pub(super) fn open(file: &InputFile) -> Result<Text, FileError> {
    let has_encoding = file.options.xml.as_ref().is_some_and(|options| options.encoding.is_some());
    let encoding = if has_encoding { declared(file)? } else { in_file(file)? };
    Text::open_in(file, encoding)
}

fn in_file(file: &InputFile) -> Result<&'static Encoding, FileError> {
    // In this encoding each byte is one character, and ASCII stays what it is.
    let mut text = Text::open_in(file, WINDOWS_1252)?;
    if text.known_encoding() != Some(WINDOWS_1252) {
        return Ok(UTF_8);
    }
    let mut head = vec![0; HEAD_BYTES];
    let length = text.fill(&mut head)?;
    let head = &head[..length];
    if head.starts_with(b"<\0") {
        return Ok(UTF_16LE);
    }
    if head.starts_with(b"\0<") {
        return Ok(UTF_16BE);
    }
    let Some(label) = label(head) else { return Ok(UTF_8) };
    let encoding = Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        FileError::new(
            Code::UnknownEncoding,
            &file.name,
            Some(1),
            format_args!("it declares the encoding {label:?}, which is not known"),
        )
        .hint("Write the right one in the source, `xml: {encoding: windows-1252}` for example.")
    })?;
    // A declaration that can be read byte by byte is not UTF-16. Programs that write to a text of their own declare it so.
    Ok(if [UTF_16LE, UTF_16BE].contains(&encoding) { UTF_8 } else { encoding })
}

/// The encoding in the declaration at the start of a text.
fn label(head: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    let declaration = head.strip_prefix("<?xml")?.split_once("?>")?.0;
    let value = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    Some(value[1..].split_once(quote)?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declaration_names_the_encoding() {
        for (head, expected) in [
            ("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>", Some("ISO-8859-1")),
            ("<?xml version='1.0' encoding = 'utf-8' standalone='yes'?><a/>", Some("utf-8")),
            ("<?xml version=\"1.0\"?><a encoding=\"x\"/>", None),
            ("<a encoding=\"x\"?>", None),
            ("<?xml encoding=", None),
            ("", None),
        ] {
            assert_eq!(label(head.as_bytes()).as_deref(), expected, "{head}");
        }
    }
}
