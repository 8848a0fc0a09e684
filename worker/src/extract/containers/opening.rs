//! One outermost container: what is in it, in archives inside it and in encrypted files, goes into the spool.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use elt_shared::config::FileOptions;
use elt_shared::private_folder;
use globset::GlobMatcher;
use tokio_util::sync::CancellationToken;

use super::meter::Meter;
use super::names::{EntryName, inside};
use super::pgp::{self, Keys};
use super::problem::{Halt, Problem};
use super::{tar, zip};
use crate::input::{Compression, Container, Format, decrypted_name, format_of, other_suffix};

/// Archives that are opened one inside the other: the outermost, and those inside it.
const NESTED_ARCHIVES: u8 = 2;
/// Bytes that are copied at a time.
const COPY_BYTES: usize = 64 << 10;

/// A file that was unpacked into the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unpacked {
    /// Its name inside the outermost container, as people see it. Empty: it is all that the container holds.
    pub(super) name: String,
    /// Its place in the outermost container when the archives inside are seen as folders.
    place: String,
    /// Its path in the spool.
    pub(super) path: PathBuf,
    pub(super) format: Format,
    pub(super) compression: Compression,
}

/// Why a file inside a container is not read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Because {
    Skipped(String),
    /// It may hold rows, and elt or its source cannot open it. It is passed over like others, but the container is not done
    /// with.
    Unopened(String),
    Failed(Problem),
}

/// What a container holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) files: Vec<Unpacked>,
    /// The names of files that are not read, as people see them, and the reasons.
    pub(super) left_out: Vec<(String, Because)>,
}

/// The place of an archive in the containers around it.
#[derive(Debug, Clone, Default)]
pub(super) struct Inside {
    /// The names of the containers around, as people see them, `inner.zip!` for example.
    shown: String,
    /// The path of the archive when those around it are seen as folders.
    path: String,
    /// Archives that are open, this one included.
    archives: u8,
    /// Whether one of the containers around was encrypted.
    decrypted: bool,
}

impl Inside {
    /// The name that people see for a file at this place.
    fn shown(&self, name: &EntryName) -> String {
        format!("{}{}", self.shown, name.shown)
    }

    /// The path of a file at this place when archives are seen as folders.
    fn place(&self, name: &EntryName) -> String {
        format!("{}{}", self.path, name.path)
    }

    /// The place of the files inside an archive at this place.
    fn archive(&self, name: &EntryName) -> Self {
        Self {
            shown: inside(&self.shown(name), ""),
            path: format!("{}/", self.place(name)),
            archives: self.archives + 1,
            decrypted: self.decrypted,
        }
    }
}

/// The work on one outermost container. It blocks its thread.
pub(super) struct Opening<'a> {
    pub(super) meter: Meter,
    /// Where files are unpacked to, under names of elt's own.
    pub(super) folder: &'a Path,
    pub(super) stop: &'a CancellationToken,
    /// Which files are wanted, by their paths. `None`: all that elt reads.
    pub(super) include: Option<&'a GlobMatcher>,
    /// How the files of the source are read.
    pub(super) options: &'a FileOptions,
    /// Keys of encrypted files.
    pub(super) keys: Option<&'a Keys>,
    pub(super) contents: Contents,
    /// Number of files that were written so far.
    pub(super) spooled: usize,
}

impl Opening<'_> {
    /// Opens the outermost container, whose name is that of its file.
    pub(super) fn outermost(
        &mut self,
        file: File,
        name: &str,
        container: Container,
        compression: Compression,
    ) -> Result<(), Halt> {
        let at = Inside::default();
        match container {
            Container::Pgp => {
                let plain = self.decrypt(file)?;
                let (format, compression) = self.decrypted_format(name).unwrap_or((Format::Csv, compression));
                let at = Inside { decrypted: true, ..at };
                match format {
                    Format::Container(container) => {
                        let opened = self.spooled_file(&plain)?;
                        let unpacked = self.archive(opened, container, compression, &Inside { archives: 1, ..at });
                        remove(&plain);
                        unpacked?;
                    }
                    format => self.contents.files.push(Unpacked {
                        name: String::new(),
                        place: String::new(),
                        path: plain,
                        format,
                        compression,
                    }),
                }
            }
            container => self.archive(file, container, compression, &Inside { archives: 1, ..at })?,
        }
        self.contents.files.sort_by(|one, other| one.name.cmp(&other.name));
        self.contents.left_out.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(())
    }

    fn archive(&mut self, file: File, container: Container, compression: Compression, at: &Inside) -> Result<(), Halt> {
        match container {
            Container::Zip => zip::unpack(self, file, at),
            Container::Tar => tar::unpack(self, file, compression, at),
            Container::Pgp => Err(Problem::broken("it is encrypted twice").into()),
        }
    }

    /// The format of a file in an archive. `None`: it is not read, and noted if it might have been meant.
    pub(super) fn judge(&mut self, name: &EntryName, at: &Inside) -> Option<(Format, Compression)> {
        if let Some(problem) = name.problem() {
            self.fail(name, at, problem);
            return None;
        }
        let found = format_of(&name.path, self.options);
        let (plain, _) = self.decrypted_format(&name.path).or(found).unzip();
        let is_archive = matches!(plain, Some(Format::Container(_)));
        if !is_archive && !self.is_meant(name, at) {
            return None;
        }
        if let Some(reason) = name.hidden() {
            self.skip(name, at, reason);
            return None;
        }
        let unopened = match found {
            None => {
                self.skip(name, at, &other_suffix(&name.path));
                return None;
            }
            Some(_) if is_archive && at.archives >= NESTED_ARCHIVES => {
                "it is an archive in an archive in an archive, and elt opens only one inside another"
            }
            Some((Format::Container(Container::Pgp), _)) if at.decrypted => "it is encrypted twice",
            Some((Format::Container(Container::Pgp), _)) if self.keys.is_none() => pgp::NO_KEYS,
            Some(found) => return Some(found),
        };
        self.contents.left_out.push((at.shown(name), Because::Unopened(unopened.to_owned())));
        None
    }

    /// The format of what is in an encrypted file, by its name.
    fn decrypted_format(&self, name: &str) -> Option<(Format, Compression)> {
        format_of(decrypted_name(name)?, self.options)
    }

    /// Whether `archive.include` matches a file of an archive, with or without the suffix that says it is encrypted.
    fn is_meant(&self, name: &EntryName, at: &Inside) -> bool {
        let place = at.place(name);
        let matches = |path: &str| self.include.is_none_or(|include| include.is_match(path));
        matches(&place) || decrypted_name(&place).is_some_and(matches)
    }

    fn keep(&mut self, name: &EntryName, at: &Inside, path: PathBuf, format: Format, compression: Compression) {
        let (name, place) = (at.shown(name), at.place(name));
        self.contents.files.push(Unpacked { name, place, path, format, compression });
    }

    /// Reads a file of an archive to its end. An archive or encrypted file is opened. Returns the number of its bytes.
    ///
    /// # Errors
    /// [`Halt::Broken`] when it cannot be read. What is inside a nested container and cannot be read is only noted.
    pub(super) fn take(
        &mut self,
        name: &EntryName,
        at: &Inside,
        (format, compression): (Format, Compression),
        reader: &mut dyn Read,
    ) -> Result<u64, Halt> {
        let (path, bytes) = self.spool(reader)?;
        match format {
            Format::Container(container) => {
                let (files, left_out) = (self.contents.files.len(), self.contents.left_out.len());
                let opened = self.nested(name, at, container, compression, &path);
                remove(&path);
                if let Err(Halt::Broken(problem)) = opened {
                    // Nothing of a damaged archive is read, because what is missing in it is not known.
                    self.contents.files.drain(files..).for_each(|file| remove(&file.path));
                    self.contents.left_out.truncate(left_out);
                    self.fail(name, at, problem);
                } else {
                    opened?;
                }
            }
            format => self.keep(name, at, path, format, compression),
        }
        Ok(bytes)
    }

    fn nested(
        &mut self,
        name: &EntryName,
        at: &Inside,
        container: Container,
        compression: Compression,
        path: &Path,
    ) -> Result<(), Halt> {
        let file = self.spooled_file(path)?;
        if container != Container::Pgp {
            return self.archive(file, container, compression, &at.archive(name));
        }
        let plain = self.decrypt(file)?;
        match self.decrypted_format(&name.path) {
            Some((Format::Container(container), compression)) => {
                let opened = self.spooled_file(&plain)?;
                let at = Inside { decrypted: true, ..at.archive(name) };
                let unpacked = self.archive(opened, container, compression, &at);
                remove(&plain);
                unpacked
            }
            found => {
                let (format, compression) = found.unwrap_or((Format::Csv, Compression::None));
                self.keep(name, at, plain, format, compression);
                Ok(())
            }
        }
    }

    /// Decrypts a file into the spool.
    fn decrypt(&mut self, file: File) -> Result<PathBuf, Halt> {
        let Some(keys) = self.keys else {
            return Err(pgp::no_keys().into());
        };
        let mut message = keys.open(file)?;
        let (path, _) = self.spool(&mut message).map_err(|halt| message.explain(halt))?;
        match message.verify() {
            Ok(()) => Ok(path),
            Err(problem) => {
                remove(&path);
                Err(problem.into())
            }
        }
    }

    /// Writes what is read into a file of the spool. Returns its path and size. Nothing is left of a file that fails.
    pub(super) fn spool(&mut self, reader: &mut dyn Read) -> Result<(PathBuf, u64), Halt> {
        let path = self.folder.join(self.spooled.to_string());
        self.spooled += 1;
        let options = &mut OpenOptions::new();
        let mut file =
            private_folder::open(&path, options.write(true).create(true).truncate(true)).map_err(Halt::Spool)?;
        match self.copy(reader, &mut file) {
            Ok(bytes) => Ok((path, bytes)),
            Err(halt) => {
                remove(&path);
                Err(halt)
            }
        }
    }

    fn copy(&mut self, reader: &mut dyn Read, file: &mut File) -> Result<u64, Halt> {
        let mut buffer = vec![0; COPY_BYTES];
        let mut bytes = 0;
        loop {
            let count = self.read(reader, &mut buffer)?;
            if count == 0 {
                return Ok(bytes);
            }
            self.meter.count_written(count as u64, self.folder)?;
            file.write_all(&buffer[..count]).map_err(Halt::Spool)?;
            bytes += count as u64;
        }
    }

    /// Reads on to the end without keeping anything. Returns the number of bytes.
    pub(super) fn pass_over(&self, reader: &mut dyn Read) -> Result<u64, Halt> {
        let mut buffer = vec![0; COPY_BYTES];
        let mut bytes = 0;
        loop {
            let count = self.read(reader, &mut buffer)?;
            if count == 0 {
                return Ok(bytes);
            }
            bytes += count as u64;
            self.meter.check_with(bytes)?;
        }
    }

    /// Reads once. Returns 0 at the end.
    fn read(&self, reader: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, Halt> {
        loop {
            if self.stop.is_cancelled() {
                return Err(Halt::Stopped);
            }
            match reader.read(buffer) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Problem::of_reading(&error).into()),
            }
        }
    }

    fn spooled_file(&self, path: &Path) -> Result<File, Halt> {
        File::open(path).map_err(Halt::Spool)
    }

    /// Notes that a file in an archive is passed over.
    pub(super) fn skip(&mut self, name: &EntryName, at: &Inside, reason: &str) {
        self.contents.left_out.push((at.shown(name), Because::Skipped(reason.to_owned())));
    }

    /// Notes that something in an archive is not a file, if it might have been meant.
    pub(super) fn skip_other(&mut self, name: &EntryName, at: &Inside, reason: &str) {
        if self.is_meant(name, at) {
            self.skip(name, at, reason);
        }
    }

    /// Notes that a file in an archive cannot be read.
    pub(super) fn fail(&mut self, name: &EntryName, at: &Inside, problem: Problem) {
        self.contents.left_out.push((at.shown(name), Because::Failed(problem)));
    }

    /// Takes back an earlier file of an archive, and what was in it, because a later one has the same name.
    pub(super) fn take_back(&mut self, name: &EntryName, at: &Inside) {
        let (place, within) = (at.place(name), at.archive(name).path);
        self.contents.files.retain(|file| {
            let is_of_it = file.place == place || file.place.starts_with(&within);
            if is_of_it {
                remove(&file.path);
            }
            !is_of_it
        });
        self.skip(name, at, "a later file of the same name in the archive takes its place");
    }
}

/// Removes a file of the spool. One that stays is removed with the spool.
fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
}
