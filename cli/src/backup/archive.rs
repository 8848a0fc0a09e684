//! The file of a backup: a tar archive of dumps, with their checksums at its end.

use std::collections::BTreeMap;
use std::io::{self, SeekFrom};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, Take};

/// Unit of a tar archive.
const BLOCK: u64 = 512;
const BUFFER: usize = 256 << 10;
/// The last entry, with the checksums of the others.
const CHECKSUMS: &str = "sums.json";
/// Largest entry that is read into memory.
const LARGEST_TEXT: u64 = 1 << 20;

/// Size and SHA-256 of each entry.
type Checksums = BTreeMap<String, Checksum>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Checksum {
    bytes: u64,
    sha256: String,
}

/// Writes an archive.
pub struct Writer {
    file: File,
    checksums: Checksums,
}

impl Writer {
    /// An archive in an empty file.
    pub fn new(file: File) -> Self {
        Self { file, checksums: Checksums::new() }
    }

    /// Appends an entry of unknown length. `progress` gets the number of bytes from time to time. Returns the length.
    pub async fn append(
        &mut self,
        name: &str,
        mut content: impl AsyncRead + Unpin,
        mut progress: impl FnMut(u64),
    ) -> io::Result<u64> {
        let start = self.file.stream_position().await?;
        // The header is written behind the content, when the length is known.
        self.file.write_all(&[0; BLOCK as usize]).await?;
        let (mut bytes, mut hash) = (0, Sha256::new());
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = content.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            self.file.write_all(&buffer[..read]).await?;
            hash.update(&buffer[..read]);
            bytes += read as u64;
            progress(bytes);
        }
        self.file.write_all(&vec![0; padding(bytes) as usize]).await?;
        let end = self.file.stream_position().await?;
        self.file.seek(SeekFrom::Start(start)).await?;
        self.file.write_all(header(name, bytes)?.as_bytes()).await?;
        self.file.seek(SeekFrom::Start(end)).await?;
        self.checksums.insert(name.to_owned(), Checksum { bytes, sha256: hex(&hash.finalize()) });
        Ok(bytes)
    }

    /// Appends the checksums and writes everything to the disk.
    pub async fn finish(mut self) -> io::Result<()> {
        let checksums = serde_json::to_vec_pretty(&self.checksums)?;
        self.append(CHECKSUMS, checksums.as_slice(), |_| ()).await?;
        // Two empty blocks end an archive.
        self.file.write_all(&[0; 2 * BLOCK as usize]).await?;
        // Writes end in the background, and only a flush says how the last one ended.
        self.file.flush().await?;
        self.file.sync_all().await
    }
}

/// Reads an archive.
pub struct Reader {
    file: File,
    /// Where the next header is.
    next: u64,
}

impl Reader {
    /// An archive from its start.
    pub async fn new(mut file: File) -> io::Result<Self> {
        file.rewind().await?;
        Ok(Self { file, next: 0 })
    }

    /// The next entry: its name and its content. `None`: the archive has ended.
    pub async fn entry(&mut self) -> io::Result<Option<(String, Take<&mut File>)>> {
        self.file.seek(SeekFrom::Start(self.next)).await?;
        let mut block = [0; BLOCK as usize];
        self.file.read_exact(&mut block).await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged("it ends early"),
            _ => error,
        })?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block);
        let mut summed = header.clone();
        summed.set_cksum();
        // The errors of the crate quote the file.
        let unreadable = |_| damaged("a header cannot be read");
        if summed.cksum().map_err(unreadable)? != header.cksum().map_err(unreadable)? {
            return Err(damaged("a header has another checksum"));
        }
        let name = header.path().map_err(unreadable)?.to_string_lossy().into_owned();
        let bytes = header.entry_size().map_err(unreadable)?;
        let after = |start: u64| start.checked_add(BLOCK)?.checked_add(bytes)?.checked_add(padding(bytes));
        self.next = after(self.next).ok_or_else(|| damaged("an entry has an absurd length"))?;
        Ok(Some((name, (&mut self.file).take(bytes))))
    }

    /// The content of the entry with this name as a text. The entries before it are passed over.
    pub async fn text(&mut self, wanted: &str) -> io::Result<Vec<u8>> {
        while let Some((name, content)) = self.entry().await? {
            if name == wanted && content.limit() <= LARGEST_TEXT {
                return read_whole(content).await;
            }
        }
        Err(damaged(&format!("it has no {wanted}")))
    }

    /// Compares every entry with its checksum.
    ///
    /// # Errors
    /// When an entry is damaged or missing, has no checksum, is there twice or stands behind the checksums, or the file ends early.
    pub async fn verify(&mut self) -> io::Result<()> {
        let mut found = Checksums::new();
        while let Some((name, mut content)) = self.entry().await? {
            if name == CHECKSUMS {
                if content.limit() > LARGEST_TEXT {
                    return Err(damaged("its checksums are too long"));
                }
                let noted: Checksums = serde_json::from_slice(&read_whole(content).await?)
                    .map_err(|_| damaged("its checksums cannot be read"))?;
                compare(&found, &noted)?;
                return match self.entry().await? {
                    Some(_) => Err(damaged("it has data after its checksums")),
                    None => Ok(()),
                };
            }
            let (mut bytes, mut hash) = (0, Sha256::new());
            let mut buffer = vec![0; BUFFER];
            loop {
                let read = content.read(&mut buffer).await?;
                if read == 0 {
                    break;
                }
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
            // A reader takes the first entry of a name, so only one may have been compared.
            if found.insert(name, Checksum { bytes, sha256: hex(&hash.finalize()) }).is_some() {
                return Err(damaged("it has two entries of the same name"));
            }
        }
        Err(damaged("its checksums are missing"))
    }
}

/// Refuses entries that are not exactly those of the checksums.
fn compare(found: &Checksums, noted: &Checksums) -> io::Result<()> {
    if let Some((name, _)) = noted.iter().find(|(name, checksum)| found.get(*name) != Some(checksum)) {
        return Err(damaged(&format!("{name} is not what was written")));
    }
    match found.keys().all(|name| noted.contains_key(name)) {
        true => Ok(()),
        false => Err(damaged("it has an entry without a checksum")),
    }
}

async fn read_whole(mut content: Take<&mut File>) -> io::Result<Vec<u8>> {
    let expected = content.limit().min(LARGEST_TEXT);
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes).await?;
    if (bytes.len() as u64) < expected { Err(damaged("it ends early")) } else { Ok(bytes) }
}

fn header(name: &str, bytes: u64) -> io::Result<Header> {
    let mut header = Header::new_gnu();
    header.set_path(name)?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(bytes);
    header.set_cksum();
    Ok(header)
}

fn padding(bytes: u64) -> u64 {
    (BLOCK - bytes % BLOCK) % BLOCK
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the file is damaged or no backup of elt: {why}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn archive(folder: &std::path::Path) -> std::path::PathBuf {
        let path = folder.join("backup.tar");
        let mut writer = Writer::new(File::create_new(&path).await.unwrap());
        writer.append("manifest.json", &b"{}"[..], |_| ()).await.unwrap();
        let long = vec![7; 3 * BUFFER + 11];
        assert_eq!(writer.append("control.dump", long.as_slice(), |_| ()).await.unwrap(), long.len() as u64);
        writer.append("empty.dump", &b""[..], |_| ()).await.unwrap();
        writer.finish().await.unwrap();
        path
    }

    async fn reader(path: &std::path::Path) -> Reader {
        Reader::new(File::open(path).await.unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn what_was_written_is_read_again_also_by_tar() {
        let folder = tempfile::tempdir().unwrap();
        let path = archive(folder.path()).await;
        reader(&path).await.verify().await.unwrap();
        assert_eq!(reader(&path).await.text("manifest.json").await.unwrap(), b"{}");
        assert!(reader(&path).await.text("other.json").await.is_err());
        let listed = std::process::Command::new("tar").arg("tf").arg(&path).output().unwrap();
        assert_eq!(String::from_utf8(listed.stdout).unwrap(), "manifest.json\ncontrol.dump\nempty.dump\nsums.json\n");
    }

    /// What is wrong with an archive of these entries. Checksums are noted for the first `noted` of them.
    async fn refused(
        entries: &[(&str, &[u8])],
        noted: usize,
        checksums: Option<&[u8]>,
        behind: &[(&str, &[u8])],
    ) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup.tar");
        let mut writer = Writer::new(File::create_new(&path).await.unwrap());
        let mut kept = Checksums::new();
        for (number, (name, content)) in entries.iter().enumerate() {
            writer.append(name, *content, |_| ()).await.unwrap();
            if number < noted {
                kept = writer.checksums.clone();
            }
        }
        let written = serde_json::to_vec(&kept).unwrap();
        for (name, content) in [&[(CHECKSUMS, checksums.unwrap_or(&written))][..], behind].concat() {
            writer.append(name, content, |_| ()).await.unwrap();
        }
        writer.file.write_all(&[0; 2 * BLOCK as usize]).await.unwrap();
        writer.file.flush().await.unwrap();
        match reader(&path).await.verify().await {
            Ok(()) => "nothing".into(),
            Err(error) => error.to_string().rsplit(": ").next().unwrap_or_default().to_owned(),
        }
    }

    #[tokio::test]
    async fn only_entries_that_were_compared_are_accepted() {
        let manifest: (&str, &[u8]) = ("manifest.json", b"{}");
        let dump: (&str, &[u8]) = ("control.dump", b"rows");
        assert_eq!(refused(&[manifest, dump], 2, None, &[]).await, "nothing");
        let twice = refused(&[manifest, dump, ("control.dump", b"other")], 2, None, &[]).await;
        assert_eq!(twice, "it has two entries of the same name");
        assert_eq!(refused(&[manifest, dump], 1, None, &[]).await, "it has an entry without a checksum");
        assert_eq!(refused(&[manifest], 1, None, &[dump]).await, "it has data after its checksums");
        let endless = vec![b' '; LARGEST_TEXT as usize + 1];
        assert_eq!(refused(&[manifest], 1, Some(&endless), &[]).await, "its checksums are too long");
    }

    #[tokio::test]
    async fn a_changed_byte_and_a_missing_end_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = archive(folder.path()).await;
        let whole = std::fs::read(&path).unwrap();
        for place in [20, 513, 512 * 3 + 9, whole.len() / 2] {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            std::fs::write(&path, changed).unwrap();
            assert!(reader(&path).await.verify().await.is_err(), "byte {place}");
        }
        for length in [0, 100, 512, 5_000, whole.len() - 2_000] {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(reader(&path).await.verify().await.is_err(), "{length} bytes");
        }
        std::fs::write(&path, "no archive at all".repeat(100)).unwrap();
        let refused = reader(&path).await.verify().await.unwrap_err().to_string();
        assert!(refused.starts_with("the file is damaged or no backup of elt"), "{refused}");
    }
}
