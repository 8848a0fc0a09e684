//! The part of a file that has arrived, in a file of the run's spool.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt, SeekFrom};

use super::error::{Result, StoreError};
use crate::humanize::size;
use crate::input::{Compression, Version};
use crate::progress::Progress;

/// The number of bytes that the files of a source may still have.
pub(super) struct Budget<'a> {
    name: String,
    limit: u64,
    left: AtomicU64,
    progress: &'a Progress,
}

impl<'a> Budget<'a> {
    /// `name`: what the config names, for people. `progress` counts what arrives.
    pub(super) fn new(name: String, limit: u64, progress: &'a Progress) -> Self {
        Self { name, limit, left: AtomicU64::new(limit), progress }
    }

    fn take(&self, bytes: u64) -> Result<()> {
        let take = |left: u64| left.checked_sub(bytes);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => {
                self.progress.read(0, bytes);
                Ok(())
            }
            Err(_) => Err(StoreError::TooMuch {
                name: self.name.clone(),
                what: format!("sent more than {}", size(self.limit)),
                limit: size(self.limit),
            }),
        }
    }

    fn give_back(&self, bytes: u64) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The part of a file that has arrived.
pub(in crate::extract) struct SpoolFile<'a> {
    file: File,
    length: u64,
    enough: Option<u64>,
    encoding: Option<Compression>,
    validator: Option<String>,
    content: Version,
    budget: &'a Budget<'a>,
    doing: String,
}

impl<'a> SpoolFile<'a> {
    /// An empty file at `to`. `enough`: the number of bytes after which no more are wanted.
    pub(super) async fn create(to: &Path, name: &str, enough: Option<u64>, budget: &'a Budget<'a>) -> Result<Self> {
        let doing = format!("keep {name} in {}", to.display());
        let file = File::create(to).await.map_err(|source| StoreError::Spool { doing: doing.clone(), source })?;
        Ok(Self {
            file,
            length: 0,
            enough,
            encoding: None,
            validator: None,
            content: Version::default(),
            budget,
            doing,
        })
    }

    /// Number of bytes that are here.
    pub(in crate::extract) fn length(&self) -> u64 {
        self.length
    }

    /// Number of bytes that are wanted from the beginning of the file. `None`: all.
    pub(in crate::extract) fn enough(&self) -> Option<u64> {
        self.enough
    }

    /// Whether no more bytes are wanted.
    pub(in crate::extract) fn is_full(&self) -> bool {
        self.enough.is_some_and(|enough| self.length >= enough)
    }

    /// Notes that the server says how the bytes are compressed. A name such as `a.csv` does not tell it.
    pub(in crate::extract) fn note_encoding(&mut self, compression: Compression) {
        self.encoding = Some(compression);
    }

    /// Notes the content whose beginning is about to be appended. `validator`: the text by which the server is asked for the
    /// rest of it. `None`: it has none.
    pub(in crate::extract) fn begin(&mut self, validator: Option<String>, content: Version) {
        (self.validator, self.content) = (validator, content);
    }

    /// The text by which the server is asked for the rest of the content that is here.
    pub(in crate::extract) fn validator(&self) -> Option<&str> {
        self.validator.as_deref()
    }

    /// Whether a part that the server says to be of this version may be the rest of the content that is here. What the server
    /// does not repeat does not contradict it.
    pub(in crate::extract) fn is_continued_by(&self, part: &Version) -> bool {
        fn agree<T: PartialEq>(one: &Option<T>, other: &Option<T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        let Version { size, modified, tag } = &self.content;
        agree(size, &part.size) && agree(modified, &part.modified) && agree(tag, &part.tag)
    }

    /// How the bytes are compressed, as the server says.
    pub(super) fn encoding(&self) -> Option<Compression> {
        self.encoding
    }

    /// Appends the next bytes of the file. Those that are not wanted any more are dropped.
    pub(in crate::extract) async fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let wanted = self.enough.map_or(u64::MAX, |enough| enough.saturating_sub(self.length));
        let bytes = &bytes[..bytes.len().min(usize::try_from(wanted).unwrap_or(usize::MAX))];
        self.budget.take(bytes.len() as u64)?;
        self.file.write_all(bytes).await.map_err(|source| self.failed(source))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Drops what is here, because the server sends the file from its start again.
    pub(in crate::extract) async fn start_over(&mut self) -> Result<()> {
        self.file.set_len(0).await.map_err(|source| self.failed(source))?;
        self.file.seek(SeekFrom::Start(0)).await.map_err(|source| self.failed(source))?;
        self.budget.give_back(self.length);
        self.length = 0;
        self.encoding = None;
        self.begin(None, Version::default());
        Ok(())
    }

    pub(super) async fn finish(&mut self) -> Result<()> {
        self.file.flush().await.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> StoreError {
        StoreError::Spool { doing: self.doing.clone(), source }
    }
}
