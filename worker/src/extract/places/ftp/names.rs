//! Names as the server's bytes.

use std::io;

use suppaftp::Encoding;

use crate::extract::byte_names::{to_bytes, to_text};

/// Makes names text and bytes again without a loss, whatever their encoding is.
#[derive(Debug)]
pub(super) struct ByteNames;

impl Encoding for ByteNames {
    fn decode(&self, bytes: &[u8]) -> String {
        to_text(bytes)
    }

    fn encode(&self, text: &str) -> io::Result<Vec<u8>> {
        Ok(to_bytes(text.as_bytes()))
    }
}
