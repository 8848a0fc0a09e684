//! One remote file into the spool: pipelined reads, resumed where a connection broke, checked against change.

use std::path::Path;
use std::sync::atomic::Ordering;

use bytes::BytesMut;
use futures::{StreamExt, stream};
use openssh_sftp_client::file::File as Handle;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt, SeekFrom};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::error::{Result, SftpError};
use super::limits::MAX_SETTLE;
use super::listing::{RemoteFile, Version, look, version};
use super::remote::Remote;
use super::session::Session;

/// Reads a file as it is now. `None`: it changed every time it was read, so it is still being written.
pub(super) async fn download(remote: &mut Remote<'_>, file: &RemoteFile, to: &Path) -> Result<Option<Version>> {
    let (path, mut expected) = (file.path.as_str(), file.version);
    for _ in 0..=remote.server.limits.rereads {
        match download_version(remote, path, expected, to).await {
            Err(SftpError::Changed { name }) => {
                tracing::info!(file = name, "{name} changed while it was read; reading it anew");
                let meta = remote.with(|session| async move { look(&session, path).await }).await?;
                expected = version(&meta).unwrap_or(expected);
            }
            done => return done.map(|()| Some(expected)),
        }
    }
    Ok(None)
}

/// Reads exactly this version of a file, over as many connections as it takes.
async fn download_version(remote: &mut Remote<'_>, path: &str, expected: Version, to: &Path) -> Result<()> {
    let spool = &Mutex::new(SpoolFile::create(to, &remote.server.path(path)).await?);
    remote.with(|session| async move { read_on(&session, path, expected, &mut *spool.lock().await).await }).await?;
    remote.with(|session| async move { settled(&session, path, expected).await }).await?;
    spool.lock().await.finish().await
}

/// The beginning of a file: enough to see its columns.
pub(super) async fn head(remote: &mut Remote<'_>, file: &RemoteFile, to: &Path) -> Result<()> {
    let spool = &Mutex::new(SpoolFile::create(to, &remote.server.path(&file.path)).await?);
    remote.with(|session| async move { read_head(&session, file, &mut *spool.lock().await).await }).await?;
    spool.lock().await.finish().await
}

async fn read_head(session: &Session, file: &RemoteFile, spool: &mut SpoolFile) -> Result<()> {
    let name = session.name(&file.path);
    let handle = session.answer(&name, session.sftp.open(&file.path)).await?;
    let length = file.version.size.min(u64::from(session.server.limits.chunk)) as usize;
    match session.answer(&name, read_at(handle, 0, length)).await? {
        Some(bytes) => spool.append(&bytes, session).await,
        None => Err(SftpError::Changed { name }),
    }
}

/// Reads on from where the spool ends.
async fn read_on(session: &Session, path: &str, expected: Version, spool: &mut SpoolFile) -> Result<()> {
    let (name, limits) = (session.name(path), &session.server.limits);
    let mut handle = session.answer(&name, session.sftp.open(path)).await?;
    unchanged(&name, version(&session.answer(&name, handle.metadata()).await?), expected)?;
    if spool.length > 0 {
        tracing::info!(file = name, offset = spool.length, "reading on in {name} at byte {}", spool.length);
    }
    let chunk = u64::from(limits.chunk);
    let offsets = (spool.length..expected.size).step_by(limits.chunk as usize);
    let reads = offsets.map(|offset| read_at(handle.clone(), offset, chunk.min(expected.size - offset) as usize));
    let mut reads = stream::iter(reads).buffered(limits.in_flight);
    let silent = |_| session.server.silent("sent nothing more for", limits.idle);
    while let Some(read) = timeout(limits.idle, reads.next()).await.map_err(silent)? {
        match read {
            Ok(Some(bytes)) => spool.append(&bytes, session).await?,
            Ok(None) => return Err(SftpError::Changed { name }),
            Err(error) => return Err(session.server.refused(&name, error)),
        }
    }
    Ok(())
}

/// Reads exactly `length` bytes at `offset`; `None`: the file ends before.
///
/// A server may answer with less than was asked for, and the client then moves on by what was asked for, not by what
/// came: each read therefore says where it starts.
async fn read_at(
    mut handle: Handle,
    offset: u64,
    length: usize,
) -> Result<Option<BytesMut>, openssh_sftp_client::Error> {
    let mut all = BytesMut::with_capacity(length);
    while all.len() < length {
        handle.seek(SeekFrom::Start(offset + all.len() as u64)).await?;
        let missing = (length - all.len()) as u32;
        match handle.read(missing, BytesMut::new()).await? {
            Some(piece) if all.is_empty() && piece.len() == length => return Ok(Some(piece)),
            Some(piece) if !piece.is_empty() => all.extend_from_slice(&piece),
            _ => return Ok(None),
        }
    }
    Ok(Some(all))
}

/// Looks again once the file has rested: it may still be written, and a change in the same second would not show in its
/// time.
async fn settled(session: &Session, path: &str, expected: Version) -> Result<()> {
    if let Some(rests_in) = expected.rests_in(session.server.limits.settle) {
        tokio::time::sleep(rests_in.min(MAX_SETTLE)).await;
    }
    unchanged(&session.name(path), version(&look(session, path).await?), expected)
}

fn unchanged(name: &str, now: Option<Version>, expected: Version) -> Result<()> {
    if now == Some(expected) { Ok(()) } else { Err(SftpError::Changed { name: name.to_owned() }) }
}

/// The part of a file that is here.
struct SpoolFile {
    file: File,
    length: u64,
    doing: String,
}

impl SpoolFile {
    async fn create(to: &Path, name: &str) -> Result<Self> {
        let doing = format!("keep {name} in {}", to.display());
        let file = File::create(to).await.map_err(|source| SftpError::Spool { doing: doing.clone(), source })?;
        Ok(Self { file, length: 0, doing })
    }

    async fn append(&mut self, bytes: &[u8], session: &Session) -> Result<()> {
        self.file.write_all(bytes).await.map_err(|source| self.failed(source))?;
        self.length += bytes.len() as u64;
        session.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        self.file.flush().await.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> SftpError {
        SftpError::Spool { doing: self.doing.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use openssh_sftp_client::{Sftp, SftpOptions};
    use tokio::io::{AsyncReadExt, DuplexStream};

    use super::*;

    /// Bytes the server answers at most, whatever it is asked for.
    const SHORT: usize = 1000;

    /// An SFTP server that knows one file, and answers reads with less than was asked for.
    async fn serve(mut client: DuplexStream, file: Vec<u8>) -> std::io::Result<()> {
        let number = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        loop {
            let length = client.read_u32().await? as usize;
            let mut packet = vec![0; length];
            client.read_exact(&mut packet).await?;
            let kind = packet[0];
            // VERSION 3 to INIT; a HANDLE to OPEN; DATA or an end of file to READ; an OK to anything else.
            let answer = match kind {
                1 => vec![2, 0, 0, 0, 3],
                3 => [&[102], &packet[1..5], &[0, 0, 0, 1, b'h']].concat(),
                5 => {
                    let after_handle = 9 + number(&packet, 5) as usize;
                    let offset =
                        ((number(&packet, after_handle) as usize) << 32) + number(&packet, after_handle + 4) as usize;
                    let wanted = number(&packet, after_handle + 8) as usize;
                    let end = file.len().min(offset + wanted.min(SHORT));
                    match file.get(offset..end).filter(|data| !data.is_empty()) {
                        Some(data) => [&[103], &packet[1..5], &(data.len() as u32).to_be_bytes(), data].concat(),
                        None => [&[101], &packet[1..5], &[0, 0, 0, 1], &[0; 8]].concat(),
                    }
                }
                _ => [&[101], &packet[1..5], &[0, 0, 0, 0], &[0; 8]].concat(),
            };
            client.write_all(&(answer.len() as u32).to_be_bytes()).await?;
            client.write_all(&answer).await?;
        }
    }

    #[tokio::test]
    async fn a_server_that_answers_with_less_loses_no_byte() {
        let file: Vec<u8> = (0..100_000_u32).flat_map(|number| number.to_be_bytes()).collect();
        let (client, server) = tokio::io::duplex(1 << 16);
        tokio::spawn(serve(server, file.clone()));
        let (from, to) = tokio::io::split(client);
        let sftp = Sftp::new(to, from, SftpOptions::new()).await.expect("an SFTP session");
        let handle = sftp.open("file").await.expect("a file");

        let chunk = 50_000;
        let reads =
            (0..file.len()).step_by(chunk).map(|at| read_at(handle.clone(), at as u64, chunk.min(file.len() - at)));
        let pieces: Vec<_> = stream::iter(reads).buffered(8).collect().await;
        let whole: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.expect("an answer").expect("bytes")).collect();
        assert!(whole == file, "every byte once and in its place");
        assert_eq!(
            read_at(handle.clone(), file.len() as u64 - 10, 20).await.expect("an answer"),
            None,
            "it ends before"
        );
        assert_eq!(read_at(handle, 0, 0).await.expect("an answer"), Some(BytesMut::new()));
    }
}
