//! The messages of the driver, as far as the server answers them.

/// Bytes of the type and the length that every message after the login begins with.
const HEADER: usize = 5;

/// A message that changes who waits for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// The server answers it and then says that it is ready for the next one.
    Answered,
    /// The rows of a `COPY` are over.
    EndsCopy,
}

/// Where the driver's messages begin and end. Only their headers are kept.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// The part of a header that has arrived.
    header: Vec<u8>,
    /// Bytes of the current message that are still to come.
    rest: u64,
}

impl Requests {
    /// Reads the bytes behind those that were read before.
    pub fn read(&mut self, mut bytes: &[u8], mut note: impl FnMut(Request)) {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let body = bytes.len().min(usize::try_from(self.rest).unwrap_or(usize::MAX));
                self.rest -= body as u64;
                bytes = &bytes[body..];
                continue;
            }
            let (more, behind) = bytes.split_at((HEADER - self.header.len()).min(bytes.len()));
            self.header.extend_from_slice(more);
            bytes = behind;
            let Ok([kind, length @ ..]) = <[u8; HEADER]>::try_from(self.header.as_slice()) else { return };
            self.header.clear();
            // The length counts itself.
            self.rest = u64::from(u32::from_be_bytes(length).saturating_sub(4));
            match kind {
                // A simple query, a function call, and the end of a group of messages.
                b'Q' | b'F' | b'S' => note(Request::Answered),
                b'c' | b'f' => note(Request::EndsCopy),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind], &(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
    }

    #[test]
    fn requests_are_found_however_their_bytes_arrive() {
        let text = [
            message(b'P', b"SSSSSSSSSS"),
            message(b'S', b""),
            message(b'd', &[b'Q'; 300]),
            message(b'c', b""),
            message(b'Q', b"select 1\0"),
            message(b'X', b""),
        ]
        .concat();
        let expected = [Request::Answered, Request::EndsCopy, Request::Answered];
        for piece in [1, 2, 3, 4, 5, 7, 64, text.len()] {
            let (mut requests, mut found) = (Requests::default(), Vec::new());
            for piece in text.chunks(piece) {
                requests.read(piece, |request| found.push(request));
            }
            assert_eq!(found, expected, "in pieces of {piece} bytes");
        }
    }

    #[test]
    fn a_length_that_no_message_has_is_read_as_an_empty_message() {
        let mut found = 0;
        Requests::default().read(&[b'Q', 0, 0, 0, 0, b'S', 0, 0, 0, 4], |_| found += 1);
        assert_eq!(found, 2);
    }
}
