//! Decompression of bytes as they are read.

use std::io::{self, BufReader, Read};

use lzma_rust2::XzReader;

use super::Compression;

/// Memory that the dictionary of an xz file may take, in KiB. `xz -9` uses half of it; Zstandard's decoder has the same
/// limit of its own.
const XZ_MEMORY_KIB: u32 = 136 << 10;
/// Bytes of a compressed file that are read at a time.
const READ_BYTES: usize = 64 << 10;

/// Decompresses what is read. Several compressed members one after the other are read to the end of the last.
///
/// # Errors
/// When the decompressor cannot be made. A reader whose file is damaged returns errors that have no number of the
/// operating system.
pub fn decompressed<'a>(
    bytes: impl Read + Send + 'a,
    compression: Compression,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    let buffered = |bytes| BufReader::with_capacity(READ_BYTES, bytes);
    Ok(match compression {
        Compression::None => Box::new(bytes),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered(bytes))),
        Compression::Zstd => Box::new(zstd::Decoder::new(bytes)?),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(buffered(bytes))),
        Compression::Xz => Box::new(XzReader::new_mem_limit(buffered(bytes), true, XZ_MEMORY_KIB)),
    })
}
