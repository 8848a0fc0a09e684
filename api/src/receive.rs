//! The bodies of uploaded files. A body goes to the disk as it arrives, and what has arrived is kept when it breaks off.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::StatusCode;
use elt_shared::disk::is_full;
use elt_shared::explained::{Code, Explained};
use elt_shared::inbox::{Begun, FileName, Inbox, MOST_FILES, Partial, UploadName, Xxh3};
use futures::StreamExt;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// Uploads of one user that may be under way at a time.
pub const MOST_OF_ONE: usize = 4;
/// Uploads of all users that may be under way at a time.
pub const MOST: usize = 32;
/// Longest time for the body of one request.
const LONGEST: Duration = Duration::from_hours(6);
/// Bytes that are written to the disk at a time.
const PIECE_BYTES: usize = 1 << 20;
/// Bytes and time for the rest of a body that is refused. A client that still sends would otherwise see a broken connection in
/// place of the answer.
const DISCARDED_BYTES: usize = 8 << 20;
const DISCARDED_WITHIN: Duration = Duration::from_secs(3);
/// Seconds after which a client may try again while another request writes to its upload.
const BUSY_RETRY: u64 = 5;

/// What a request says about the bytes that it sends.
#[derive(Debug, Clone)]
pub struct Announced {
    pub name: FileName,
    /// The name of the upload, by which the client can go on with it. `None`: it cannot.
    pub upload: Option<UploadName>,
    /// Place of the first byte in the file. `None`: behind what has arrived.
    pub first: Option<u64>,
    /// Number of bytes that this request sends. 0 announces the file.
    pub length: u64,
    /// Size of the whole file.
    pub total: u64,
    /// xxh3-128 of the whole file, if the client says it.
    pub hash: Option<u128>,
    /// Whether a file of the same name may be replaced.
    pub replace: bool,
}

/// The place of an upload, and its limits.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The folder of all inboxes.
    pub inboxes: PathBuf,
    pub pipeline: String,
    /// Bytes that the inbox may have.
    pub quota: u64,
    /// Time without a byte after which the body is given up.
    pub silence: Duration,
    /// Cancelled when the server stops.
    pub stop: CancellationToken,
}

/// What came of a body.
#[derive(Debug)]
pub enum Received {
    /// This many bytes of the file have arrived, and others are missing.
    Part(u64),
    /// The inbox has this very file already.
    Unchanged(u128),
    /// The whole file has arrived.
    Whole(Complete),
}

/// A file that has arrived and has no name yet.
#[derive(Debug)]
pub struct Complete {
    pub inbox: Inbox,
    pub partial: Partial,
    pub hash: u128,
    /// Whether no later request can go on with the upload, because it has no name.
    pub is_anonymous: bool,
}

impl Drop for Complete {
    /// An upload without a name that got none of the inbox either would take its part of the quota for a day.
    fn drop(&mut self) {
        if self.is_anonymous {
            // Nothing is there any more when the file has its name.
            let _ = self.inbox.discard(&self.partial);
        }
    }
}

/// The reason why a body ended early.
enum Cut {
    Broken,
    Silent,
    TooLong,
    Stopping,
}

/// Receives the bytes of one request.
///
/// # Errors
/// When the file may not be uploaded, does not fit, or does not arrive as announced.
pub async fn receive(body: Body, announced: &Announced, destination: &Destination) -> Result<Received> {
    let mut body = body.into_data_stream();
    let opened = {
        let (announced, destination) = (announced.clone(), destination.clone());
        blocking(move || open(&announced, &destination)).await
    };
    let (inbox, partial, first) = match opened {
        Ok(Opened::Upload(inbox, partial, first)) => (inbox, partial, first),
        Ok(Opened::Unchanged(hash)) => {
            discard(&mut body).await;
            return Ok(Received::Unchanged(hash));
        }
        Err(error) => {
            discard(&mut body).await;
            return Err(error);
        }
    };
    let written = write(&mut body, &partial, (first, announced.length), destination).await;
    let announced = announced.clone();
    blocking(move || close(inbox, partial, (&announced, first), written)).await
}

/// Reads the rest of a body that is not wanted, as far as that is quick.
pub async fn discard(body: &mut BodyDataStream) {
    let mut left = DISCARDED_BYTES;
    let reading = async {
        while let Some(Ok(bytes)) = body.next().await {
            left = left.saturating_sub(bytes.len());
            if left == 0 {
                break;
            }
        }
    };
    let _ = timeout(DISCARDED_WITHIN, reading).await;
}

enum Opened {
    Unchanged(u128),
    /// The upload, and the place at which its bytes go on.
    Upload(Inbox, Partial, u64),
}

/// Opens the upload at the place where the request goes on, if there is room for the whole file.
fn open(announced: &Announced, destination: &Destination) -> Result<Opened> {
    let failed = |error| failed(error, &announced.name);
    let inbox = Inbox::make(&destination.inboxes, &destination.pipeline).map_err(failed)?;
    if let Some(there) = inbox.find(&announced.name).map_err(failed)? {
        let may_be_same = there.bytes == announced.total;
        // Also a file that is to take the place of another one may be there already, when an answer was lost.
        if let Some(hash) = announced.hash.filter(|_| may_be_same)
            && inbox.hash(&announced.name).map_err(failed)? == Some(hash)
        {
            return Ok(Opened::Unchanged(hash));
        }
        if !announced.replace && (!may_be_same || announced.hash.is_some()) {
            return Err(exists(announced, &destination.pipeline));
        }
    }
    let upload = announced.upload.clone().unwrap_or_default();
    let Begun::Open(mut partial) = inbox.begin(&upload, &announced.name, announced.total).map_err(failed)? else {
        return Err(busy(&announced.name));
    };
    let received = partial.received().map_err(failed)?;
    let first = announced.first.unwrap_or(received);
    let admitted = if first > 0 && first != received {
        Err(offset(announced, first, received))
    } else {
        partial.cut(first).map_err(failed).and_then(|()| has_room(&inbox, (announced, first), destination))
    };
    if let Err(error) = admitted {
        if first == 0 || received == 0 || announced.upload.is_none() {
            inbox.discard(&partial).map_err(failed)?;
        }
        return Err(error);
    }
    Ok(Opened::Upload(inbox, partial, first))
}

/// Whether the whole file fits. The upload itself is in the inbox already with the size that it will have, so uploads at the
/// same time do not exceed the quota together.
fn has_room(inbox: &Inbox, (announced, first): (&Announced, u64), destination: &Destination) -> Result<()> {
    let failed = |error| failed(error, &announced.name);
    let contents = inbox.contents().map_err(failed)?;
    let (name, pipeline) = (&announced.name, &destination.pipeline);
    if contents.bytes > destination.quota {
        return Err(full(
            Code::InboxFull,
            format!(
                "the inbox of {pipeline} would have {} bytes with {name}; {} are allowed",
                contents.bytes, destination.quota
            ),
            "Remove files that are loaded, or let the operator raise ELT_INBOX_QUOTA_BYTES.",
        ));
    }
    if contents.files.len() as u64 + contents.partials > MOST_FILES {
        let detail = format!("the inbox of {pipeline} has {MOST_FILES} files, which is the most it takes");
        return Err(full(Code::InboxFull, detail, "Remove files that are loaded."));
    }
    if announced.total - first > inbox.free().map_err(failed)? {
        return Err(disk_full(name));
    }
    Ok(())
}

/// What was written of a body.
struct Written {
    /// Number of bytes that were written, or the error that ended the writing.
    count: io::Result<u64>,
    /// Hash of the bytes, if they begin with the first of the file.
    hash: Option<Xxh3>,
    /// The reason why the body ended early.
    cut: Option<Cut>,
}

/// Writes the body to the upload.
async fn write(
    body: &mut BodyDataStream,
    partial: &Partial,
    (first, length): (u64, u64),
    destination: &Destination,
) -> Written {
    let file = match partial.file().try_clone() {
        Ok(file) => tokio::fs::File::from_std(file),
        Err(error) => return Written { count: Err(error), hash: None, cut: None },
    };
    let mut file = BufWriter::with_capacity(PIECE_BYTES, file);
    let mut hash = (first == 0).then(Xxh3::new);
    let (mut count, ends) = (0_u64, Instant::now() + LONGEST);
    let cut = loop {
        let until = ends.min(Instant::now() + destination.silence);
        let bytes = tokio::select! {
            biased;
            () = destination.stop.cancelled() => break Some(Cut::Stopping),
            next = timeout_at(until, body.next()) => match next {
                Ok(Some(Ok(bytes))) => bytes,
                Ok(Some(Err(_))) => break Some(Cut::Broken),
                Ok(None) if count < length => break Some(Cut::Broken),
                Ok(None) => break None,
                Err(_) => break Some(Cut::Silent),
            },
        };
        if count + bytes.len() as u64 > length {
            break Some(Cut::TooLong);
        }
        if let Err(error) = file.write_all(&bytes).await {
            return Written { count: Err(error), hash: None, cut: None };
        }
        if let Some(hash) = &mut hash {
            hash.update(&bytes);
        }
        count += bytes.len() as u64;
    };
    // Also what arrived before the body broke off is written, because the client goes on behind it.
    Written { count: file.flush().await.map(|()| count), hash, cut }
}

/// Decides what becomes of an upload after the body of a request.
fn close(
    inbox: Inbox,
    mut partial: Partial,
    (announced, first): (&Announced, u64),
    Written { count, hash, cut }: Written,
) -> Result<Received> {
    let failed = |error| failed(error, &announced.name);
    let ended = match (count, cut) {
        (Err(error), _) => Err(failed(error)),
        (Ok(_), Some(Cut::TooLong)) => {
            partial.cut(first).map_err(failed)?;
            Err(too_long(announced))
        }
        (Ok(count), Some(cut)) => Err(cut_off(announced, first + count, &cut)),
        (Ok(count), None) => Ok(first + count),
    };
    let received = match ended {
        Ok(received) => received,
        Err(error) => {
            // An upload of which there is no byte would only take a part of the quota.
            if announced.upload.is_none() || partial.received().map_err(failed)? == 0 {
                inbox.discard(&partial).map_err(failed)?;
            }
            return Err(error);
        }
    };
    if received < announced.total {
        if received == 0 {
            // A file that was only announced takes no part of the quota.
            inbox.discard(&partial).map_err(failed)?;
        }
        return Ok(Received::Part(received));
    }
    let hash = hash.map_or_else(|| partial.hash(), |hash| Ok(hash.digest128())).map_err(failed)?;
    if let Some(expected) = announced.hash.filter(|expected| *expected != hash) {
        inbox.discard(&partial).map_err(failed)?;
        let detail = format!("{} arrived with the hash {hash:032x}, and {expected:032x} was announced", announced.name);
        return Err(Error::unprocessable(Code::ContentMismatch, detail));
    }
    // On the disk before the transaction of its landing begins, which may not be open for long.
    partial.file().sync_all().map_err(failed)?;
    Ok(Received::Whole(Complete { inbox, partial, hash, is_anonymous: announced.upload.is_none() }))
}

/// Does something with files off the async threads.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(Error::internal("handle an uploaded file", error)))
}

/// A failure of the file system.
pub fn failed(error: io::Error, name: &FileName) -> Error {
    if is_full(&error) { disk_full(name) } else { Error::internal("keep an uploaded file", error) }
}

/// The refusal of a file whose name another one has.
pub fn exists(announced: &Announced, pipeline: &str) -> Error {
    Error::conflict(
        Code::FileExists,
        format!("the inbox of {pipeline} has another file {}", announced.name),
        "Take another name, or send `?replace=true` to replace it.",
    )
}

fn busy(name: &FileName) -> Error {
    let detail = format!("another request is writing to this upload of {name}");
    let problem = Explained::new(Code::UploadBusy, detail, "Try again after the time in the `Retry-After` header.");
    Error::limit(StatusCode::CONFLICT, problem, Some(BUSY_RETRY))
}

fn offset(announced: &Announced, first: u64, received: u64) -> Error {
    let name = &announced.name;
    Error::conflict(
        Code::UploadOffset,
        format!("{received} bytes of this upload of {name} have arrived, and the piece begins at {first}"),
        "Ask how much has arrived (`GET /pipelines/{name}/files/{file}?upload=…`), and send the bytes from there on.",
    )
}

fn too_long(announced: &Announced) -> Error {
    let detail = format!("more than the announced {} bytes of {} came", announced.length, announced.name);
    Error::bad_request(Code::UploadCut, detail, "Send exactly the announced number of bytes.")
}

fn cut_off(announced: &Announced, received: u64, cut: &Cut) -> Error {
    let Announced { name, total, .. } = announced;
    let arrived = format!("{received} of {total} bytes of {name} have arrived");
    let next_step = match announced.upload {
        Some(_) => "Ask how much has arrived (`GET /pipelines/{name}/files/{file}?upload=…`) and send the rest.",
        None => "Send the file again. An upload with a name (`?upload=`) can go on where it ended.",
    };
    let (status, why) = match cut {
        Cut::Silent => (StatusCode::REQUEST_TIMEOUT, "then nothing came for too long"),
        Cut::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "then the server stopped"),
        Cut::Broken | Cut::TooLong => (StatusCode::BAD_REQUEST, "then the body ended"),
    };
    Error::refused(status, Code::UploadCut, format!("{arrived}, {why}"), next_step)
}

fn disk_full(name: &FileName) -> Error {
    let detail = format!("the disk with the inboxes has no room for {name}");
    full(
        Code::InboxDiskFull,
        detail,
        "Let the operator make room on the disk of ELT_INBOX, then go on with the upload.",
    )
}

fn full(code: Code, detail: String, next_step: &str) -> Error {
    Error::refused(StatusCode::INSUFFICIENT_STORAGE, code, detail, next_step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_or_quota_of_the_system_that_is_full_is_507() {
        let name: FileName = "a.csv".parse().expect("a name");
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge] {
            let error = failed(kind.into(), &name);
            assert_eq!(error.status(), StatusCode::INSUFFICIENT_STORAGE);
            assert!(error.to_string().contains("no room for a.csv"), "{error}");
        }
        assert_eq!(failed(io::ErrorKind::PermissionDenied.into(), &name).status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn a_file_that_the_disk_cannot_hold_is_refused_before_its_first_byte() {
        let folder = tempfile::tempdir().expect("a folder");
        let announced = Announced {
            name: "a.csv".parse().expect("a name"),
            upload: None,
            first: Some(0),
            length: u64::MAX >> 1,
            total: u64::MAX >> 1,
            hash: None,
            replace: false,
        };
        let destination = Destination {
            inboxes: folder.path().into(),
            pipeline: "orders".into(),
            quota: u64::MAX,
            silence: Duration::from_secs(1),
            stop: CancellationToken::new(),
        };
        let Err(error) = open(&announced, &destination) else { panic!("it does not fit") };
        assert_eq!(error.status(), StatusCode::INSUFFICIENT_STORAGE, "{error}");
        let inbox = Inbox::open(folder.path(), "orders").expect("opened").expect("there");
        assert_eq!(inbox.contents().expect("listed"), Default::default(), "nothing is kept of it");
    }
}
