//! File names that are not UTF-8, between the SFTP client and the server.
//!
//! The client library reads names as UTF-8 and closes the connection at the first name that is not UTF-8. Old servers
//! have many such names. Each name is therefore made [text](crate::extract::byte_names) when it arrives, and bytes again in
//! requests.

use std::io;

use bytes::{Buf, BufMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter, DuplexStream};
use tokio_util::task::AbortOnDropHandle;

use crate::extract::byte_names::{to_bytes, to_text};

/// Bytes that are buffered in each direction.
const BUFFER_BYTES: usize = 1 << 20;
/// Bytes of file contents that are passed on at a time.
const PIECE_BYTES: usize = 64 << 10;
/// Most bytes of a packet of names, a status or a request.
const MAX_PACKET_BYTES: u32 = 16 << 20;

/// Types of the packets that contain names (draft-ietf-secsh-filexfer-02).
mod packet {
    pub(super) const OPEN: u8 = 3;
    pub(super) const LSTAT: u8 = 7;
    pub(super) const OPENDIR: u8 = 11;
    pub(super) const REMOVE: u8 = 13;
    pub(super) const MKDIR: u8 = 14;
    pub(super) const REALPATH: u8 = 16;
    pub(super) const STAT: u8 = 17;
    pub(super) const RENAME: u8 = 18;
    pub(super) const EXTENDED: u8 = 200;
    pub(super) const STATUS: u8 = 101;
    pub(super) const NAME: u8 = 104;
}

/// The two directions of a connection whose names are translated to text. Dropping it ends both.
pub(super) struct Translation {
    _directions: AbortOnDropHandle<()>,
}

/// Puts a translation between the client and a server. The client talks to the returned stream.
pub(super) fn translated(server: impl AsyncRead + AsyncWrite + Send + 'static) -> (DuplexStream, Translation) {
    let (client, ours) = tokio::io::duplex(BUFFER_BYTES);
    let (from_server, to_server) = tokio::io::split(server);
    let (from_client, to_client) = tokio::io::split(ours);
    // The end of one direction ends both, because a client whose stream stays half open waits for an answer that cannot come,
    // until its limit for silence. It sees a closed stream at once, and reports a lost connection.
    let directions = async move {
        tokio::select! {
            _ = copy_packets(from_server, to_client, answer) => {}
            _ = copy_packets(from_client, to_server, request) => {}
        }
    };
    (client, Translation { _directions: AbortOnDropHandle::new(tokio::spawn(directions)) })
}

/// Translates the body of a packet, given its type. `None`: it is passed on as it is.
type Translate = fn(u8, &[u8]) -> Option<Vec<u8>>;

/// Passes packets on until the stream ends.
async fn copy_packets(
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    translate: Translate,
) -> io::Result<()> {
    let mut from = BufReader::with_capacity(PIECE_BYTES, from);
    let mut to = BufWriter::with_capacity(PIECE_BYTES, to);
    loop {
        // Nothing more has arrived yet, so the packets so far are sent on.
        if from.buffer().is_empty() {
            to.flush().await?;
        }
        let length = match from.read_u32().await {
            Ok(length) if length > 0 => length,
            Ok(_) => return Err(io::ErrorKind::InvalidData.into()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return to.shutdown().await,
            Err(error) => return Err(error),
        };
        let kind = from.read_u8().await?;
        if holds_names(kind) {
            if length > MAX_PACKET_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut body = vec![0; length as usize - 1];
            from.read_exact(&mut body).await?;
            let body = translate(kind, &body).unwrap_or(body);
            to.write_u32(body.len() as u32 + 1).await?;
            to.write_u8(kind).await?;
            to.write_all(&body).await?;
        } else {
            // File contents have no names and may be large, so they are passed on piece by piece.
            to.write_u32(length).await?;
            to.write_u8(kind).await?;
            let left = u64::from(length) - 1;
            if tokio::io::copy_buf(&mut (&mut from).take(left), &mut to).await? < left {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn holds_names(kind: u8) -> bool {
    use packet::{EXTENDED, LSTAT, MKDIR, NAME, OPEN, OPENDIR, REALPATH, REMOVE, RENAME, STAT, STATUS};
    matches!(kind, OPEN | LSTAT | OPENDIR | REMOVE | MKDIR | REALPATH | STAT | RENAME | EXTENDED | STATUS | NAME)
}

/// An answer of the server for the client: names and messages become text.
fn answer(kind: u8, body: &[u8]) -> Option<Vec<u8>> {
    let mut rest = body;
    let mut out = Vec::with_capacity(body.len());
    out.put_u32(take_u32(&mut rest)?);
    match kind {
        packet::NAME => {
            let count = take_u32(&mut rest)?;
            out.put_u32(count);
            for _ in 0..count {
                put_string(&mut out, to_text(take_string(&mut rest)?).as_bytes());
                put_string(&mut out, take_string(&mut rest)?);
                let attributes = attributes_length(rest)?;
                out.put_slice(rest.get(..attributes)?);
                rest.advance(attributes);
            }
        }
        packet::STATUS => {
            out.put_u32(take_u32(&mut rest)?);
            // The message and its language, which old servers leave out.
            for _ in 0..2 {
                let text = take_string(&mut rest).unwrap_or_default();
                put_string(&mut out, String::from_utf8_lossy(text).as_bytes());
            }
        }
        _ => return None,
    }
    out.put_slice(rest);
    Some(out)
}

/// A request of the client for the server: the names in it become the server's bytes again.
fn request(kind: u8, body: &[u8]) -> Option<Vec<u8>> {
    let mut rest = body;
    let mut out = Vec::with_capacity(body.len());
    out.put_u32(take_u32(&mut rest)?);
    let paths = match kind {
        packet::RENAME => 2,
        packet::EXTENDED => {
            let name = take_string(&mut rest)?;
            put_string(&mut out, name);
            match name {
                b"posix-rename@openssh.com" | b"hardlink@openssh.com" => 2,
                b"statvfs@openssh.com" | b"expand-path@openssh.com" | b"lsetstat@openssh.com" => 1,
                _ => 0,
            }
        }
        _ => 1,
    };
    for _ in 0..paths {
        put_string(&mut out, &to_bytes(take_string(&mut rest)?));
    }
    out.put_slice(rest);
    Some(out)
}

/// Bytes of a file's attributes at the start of `rest`, by the flags that say which there are.
fn attributes_length(mut rest: &[u8]) -> Option<usize> {
    let whole = rest.len();
    let flags = take_u32(&mut rest)?;
    let fixed = [(1, 8), (2, 8), (4, 4), (8, 8)].iter().filter(|(flag, _)| flags & flag != 0).map(|(_, size)| size);
    rest = rest.get(fixed.sum::<usize>()..)?;
    if flags & 0x8000_0000 != 0 {
        for _ in 0..take_u32(&mut rest)?.checked_mul(2)? {
            take_string(&mut rest)?;
        }
    }
    Some(whole - rest.len())
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    rest.try_get_u32().ok()
}

fn take_string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_u32(rest)? as usize;
    let (string, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(string)
}

fn put_string(out: &mut Vec<u8>, string: &[u8]) {
    out.put_u32(string.len() as u32);
    out.put_slice(string);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::extract::byte_names::stand_in;

    proptest! {
        #[test]
        fn no_packet_panics(kind: u8, body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (answer(kind, &body), request(kind, &body));
        }
    }

    #[tokio::test]
    async fn a_connection_that_is_cut_in_a_packet_is_closed_at_once() {
        // A packet with contents that breaks off, one with names that breaks off, and a packet that cannot be one.
        for (kind, length) in [(103, 1_000), (packet::NAME, 1_000), (packet::NAME, u32::MAX), (103, 0)] {
            let (mut server, ours) = tokio::io::duplex(1 << 10);
            let (mut client, translation) = translated(ours);
            server.write_u32(length).await.expect("a length");
            server.write_all(&[kind, 0, 0, 0, 7]).await.expect("the beginning of a packet");
            drop(server);
            let mut arrived = Vec::new();
            // The stream would stay open for as long as the session has its translation.
            client.read_to_end(&mut arrived).await.expect("an end");
            assert!(client.write_all(&[0; BUFFER_BYTES]).await.is_err(), "nobody takes requests any more");
            drop(translation);
        }
    }

    #[test]
    fn only_the_names_of_an_answer_change() {
        let mut body = Vec::new();
        body.put_u32(7);
        body.put_u32(2);
        for name in [&b"\xf6.csv"[..], b"b.csv"] {
            put_string(&mut body, name);
            put_string(&mut body, b"-rw-r--r-- \xf6");
            body.put_u32(1 | 4 | 0x8000_0000);
            body.put_u64(12);
            body.put_u32(0o100_644);
            body.put_u32(1);
            put_string(&mut body, b"kind");
            put_string(&mut body, b"\xff");
        }
        let text = answer(packet::NAME, &body).expect("names");
        let grown = stand_in(0xF6).len_utf8() - 1;
        assert_eq!(text.len(), body.len() + grown);
        assert_eq!(&text[12..16], stand_in(0xF6).to_string().as_bytes());
        assert_eq!(&text[16 + grown..], &body[16..], "what follows the name is as it was");
    }

    #[test]
    fn an_old_servers_status_without_a_message_gets_an_empty_one() {
        let mut body = Vec::new();
        body.put_u32(7);
        body.put_u32(2);
        let text = answer(packet::STATUS, &body).expect("a status");
        assert_eq!(text, [&body[..], &[0; 8]].concat());
        put_string(&mut body, b"zugriff verweigert f\xfcr alle");
        assert!(std::str::from_utf8(&answer(packet::STATUS, &body).expect("a status")[12..]).is_ok());
    }
}
