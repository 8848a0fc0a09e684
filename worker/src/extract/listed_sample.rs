//! The choice of the files of a listing that a test of the connection fetches: the beginning of one, and archives and encrypted
//! files as a whole, so that the files in them can be shown.

use elt_shared::runs::FoundFile;

use super::probe::{FILES_SHOWN, Sample};
use super::workbooks::LARGEST_SHOWN;
use crate::input::{Format, InputFile};

/// Most bytes of all archives and encrypted files that one test fetches.
const MOST_FETCHED: u64 = 2 * LARGEST_SHOWN;

/// Number of files that could not be fetched after which no other is tried.
const MOST_FAILURES: u32 = 3;

/// A sample that is being made of a listing, file by file in its order.
#[derive(Default)]
pub(super) struct ListedSample {
    sample: Sample,
    /// Bytes of the containers that were fetched.
    fetched: u64,
    /// The first container that is not opened, and the number of further ones.
    unopened: Option<(String, u64)>,
    /// Number of files that could not be fetched.
    failures: u32,
}

impl ListedSample {
    /// Notes the next file of the listing. `bytes`: its size, as far as the server says it. Returns whether it is to be fetched
    /// and [added](Self::add): a container as a whole, another file as far as its columns need it.
    pub(super) fn wants(&mut self, name: String, format: Format, bytes: Option<u64>) -> bool {
        let is_wanted = match format {
            Format::Container(_) => {
                let size = bytes.unwrap_or(LARGEST_SHOWN);
                let is_small = size <= LARGEST_SHOWN && self.fetched.saturating_add(size) <= MOST_FETCHED;
                let is_wanted = is_small && self.sample.containers.len() < FILES_SHOWN;
                if is_wanted {
                    self.fetched += size
                } else {
                    self.leave_closed(&name)
                }
                is_wanted
            }
            _ => self.sample.head.is_none() && self.sample.containers.is_empty(),
        };
        self.sample.files.push(FoundFile { name, bytes: bytes.unwrap_or(0) });
        is_wanted && self.failures < MOST_FAILURES
    }

    /// Adds a file that was fetched. `bytes`: its whole size, as far as the server says it.
    pub(super) fn add(&mut self, file: InputFile, bytes: Option<u64>) {
        let fetched = file.stamp.size;
        match file.format {
            Format::Container(_) if bytes.map_or(fetched >= LARGEST_SHOWN, |bytes| bytes != fetched) => {
                self.leave_closed(&file.name);
            }
            Format::Container(_) => self.sample.containers.push(file),
            _ => self.sample.head = Some(file),
        }
    }

    /// Notes a file that could not be fetched, while the others of its folder can.
    pub(super) fn fail(&mut self, name: &str, reason: &str) {
        self.failures += 1;
        self.sample.notes.push(format!("{name}: {reason}"));
    }

    pub(super) fn finish(mut self) -> Sample {
        self.sample.notes.extend(self.unopened.map(|(first, more)| {
            let (files, are) = match more {
                0 => (first, "is"),
                1 => (format!("{first} and 1 more file"), "are"),
                more => (format!("{first} and {more} more files"), "are"),
            };
            let why = if more == 0 { "it is large" } else { "they are large or many" };
            format!("{files} {are} not opened by a test, because {why}; a run opens what is wanted of them")
        }));
        self.sample
    }

    fn leave_closed(&mut self, name: &str) {
        match &mut self.unopened {
            Some((_, more)) => *more += 1,
            None => self.unopened = Some((name.to_owned(), 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use elt_shared::config::FileContainer;

    use super::*;

    #[test]
    fn a_test_opens_only_so_many_and_so_large_archives() {
        let zip = Format::Container(FileContainer::Zip);
        let mut listed = ListedSample::default();
        assert!(listed.wants("a.zip".into(), zip, Some(LARGEST_SHOWN)));
        assert!(!listed.wants("b.zip".into(), zip, Some(LARGEST_SHOWN + 1)));
        assert!(listed.wants("c.zip".into(), zip, None), "it may be small");
        assert!(!listed.wants("d.zip".into(), zip, Some(1)), "the others have used up what may be fetched");
        assert!(!listed.wants("e.zip".into(), zip, Some(u64::MAX)));
        let sample = listed.finish();
        assert_eq!(sample.files.len(), 5);
        assert_eq!(
            sample.notes,
            [
                "b.zip and 2 more files are not opened by a test, because they are large or many; a run opens what is wanted of \
              them"
            ]
        );
    }
}
