//! The bytes of an output file: compressed, counted and hashed as they are written.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use elt_shared::config::OutputCompression;
use flate2::write::GzEncoder;
use xxhash_rust::xxh3::Xxh3;

/// Level of Zstandard at which it is about as fast as the rows come.
const ZSTD_LEVEL: i32 = 3;

/// A file that is being written, and the hash of the bytes in it. An encoder and the owner of the file share it.
#[derive(Clone)]
pub(super) struct HashedFile(Arc<Mutex<Hashed>>);

struct Hashed {
    file: File,
    hash: Box<Xxh3>,
    /// Number of the operating system's error that a write ended with, which an encoder may only tell in words.
    failed: Option<i32>,
}

impl HashedFile {
    pub(super) fn new(file: File) -> Self {
        Self(Arc::new(Mutex::new(Hashed { file, hash: Box::new(Xxh3::new()), failed: None })))
    }

    fn hashed(&self) -> MutexGuard<'_, Hashed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hash of the bytes that were written so far.
    pub(super) fn hash(&self) -> u128 {
        self.hashed().hash.digest128()
    }

    /// The operating system's error that a write ended with.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.hashed().failed.map(io::Error::from_raw_os_error)
    }

    /// Syncs the file to disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.hashed().file.sync_all()
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut hashed = self.hashed();
        let written = hashed.file.write(bytes);
        let count = written.inspect_err(|error| hashed.failed = error.raw_os_error())?;
        hashed.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The way from bytes to the file.
pub(super) enum Sink {
    Plain(HashedFile),
    Gzip(Box<GzEncoder<HashedFile>>),
    Zstd(Box<zstd::Encoder<'static, HashedFile>>),
    /// The end of the compressed bytes is written.
    Finished,
}

impl Sink {
    pub(super) fn new(file: &HashedFile, compression: OutputCompression) -> io::Result<Self> {
        Ok(match compression {
            OutputCompression::None => Self::Plain(file.clone()),
            OutputCompression::Gz => Self::Gzip(Box::new(GzEncoder::new(file.clone(), flate2::Compression::fast()))),
            OutputCompression::Zst => Self::Zstd(Box::new(zstd::Encoder::new(file.clone(), ZSTD_LEVEL)?)),
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            _ if bytes.is_empty() => Ok(()),
            Self::Plain(file) => file.write_all(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
            Self::Finished => Err(io::Error::other("the file is complete already")),
        }
    }

    /// Writes the end of the compressed bytes. Later bytes are refused, unless nothing is compressed.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        match std::mem::replace(self, Self::Finished) {
            Self::Plain(file) => *self = Self::Plain(file),
            Self::Gzip(encoder) => {
                encoder.finish()?;
            }
            Self::Zstd(encoder) => {
                encoder.finish()?;
            }
            Self::Finished => {}
        }
        Ok(())
    }
}
