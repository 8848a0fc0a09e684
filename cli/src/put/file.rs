//! A file that is uploaded, with its hash.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};

use anyhow::Context;
use elt_shared::inbox::{FileName, NameError, Xxh3};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::exit::{Exit, refuse};

/// Bytes that are read at a time.
const PIECE_BYTES: usize = 1 << 20;

/// A file of this machine that is uploaded.
#[derive(Debug)]
pub struct LocalFile {
    /// The path as it was given.
    pub path: PathBuf,
    /// The name that it will have in the inbox.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// xxh3-128 of the content, as 32 hexadecimal digits.
    pub hash: String,
}

impl LocalFile {
    /// Reads a file once, for its hash.
    pub async fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.parse::<FileName>().map_err(|error: NameError| {
            refuse(Exit::Failed, format!("{}: {error}", path.display()), "Give the file a plain name.")
        })?;
        let doing = || format!("could not read {}", path.display());
        let mut file = File::open(path).await.with_context(doing)?;
        let (mut hash, mut bytes, mut piece) = (Xxh3::new(), 0_u64, vec![0; PIECE_BYTES]);
        loop {
            match file.read(&mut piece).await.with_context(doing)? {
                0 => break,
                count => {
                    hash.update(&piece[..count]);
                    bytes += count as u64;
                }
            }
        }
        let hash = format!("{:032x}", hash.digest128());
        Ok(Self { path: path.to_owned(), name, bytes, hash })
    }

    /// Opens it at a place.
    pub async fn open_at(&self, place: u64) -> std::io::Result<File> {
        let mut file = File::open(&self.path).await?;
        file.seek(SeekFrom::Start(place)).await?;
        Ok(file)
    }
}
