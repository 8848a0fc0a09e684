//! Limits for what comes out of a container, checked against what is really unpacked and never against what headers say.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use elt_shared::disk::free_bytes;
use elt_shared::explained::Code;

use super::problem::{Halt, Problem};
use crate::humanize::size;

/// Bytes between two looks at the free room of the disk.
const LOOK_EVERY: u64 = 32 << 20;

/// Limits for unpacking. A worker takes them from its settings.
#[derive(Debug, Clone, Copy)]
pub struct UnpackLimits {
    /// Most files and folders of an archive, those in archives inside it included.
    pub entries: u32,
    /// Most bytes that one run unpacks.
    pub bytes: u64,
    /// Most bytes that come out of each byte of a container, after the first ones.
    pub ratio: u32,
    /// Bytes that may come out of any container, however small it is.
    pub first: u64,
    /// Bytes that the disk of the data folder keeps free.
    pub keep_free: u64,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self { entries: 10_000, bytes: 100 << 30, ratio: 1_000, first: 64 << 20, keep_free: 0 }
    }
}

/// Counts what comes out of one outermost container.
#[derive(Debug)]
pub(super) struct Meter {
    limits: UnpackLimits,
    /// Size of the container in bytes.
    packed: u64,
    /// Bytes that this run unpacked from other containers.
    before: u64,
    entries: u32,
    /// Bytes that were written to the spool.
    written: u64,
    /// Bytes of `written` at the next look at the free room.
    next_look: u64,
    /// Bytes that a decompressor returned. Most of them are written; the others belong to files that are not wanted.
    passed: Arc<AtomicU64>,
}

impl Meter {
    pub(super) fn new(limits: UnpackLimits, packed: u64, before: u64) -> Self {
        Self { limits, packed, before, entries: 0, written: 0, next_look: 0, passed: Arc::default() }
    }

    /// Bytes that were written so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Most entries that an archive may still have.
    pub(super) fn entries_left(&self) -> u32 {
        self.limits.entries - self.entries
    }

    /// Counts files and folders of an archive.
    pub(super) fn count_entries(&mut self, entries: u64) -> Result<(), Halt> {
        match u32::try_from(entries).ok().filter(|entries| *entries <= self.entries_left()) {
            Some(entries) => self.entries += entries,
            None => {
                let reason = format!("it has more than {} files and folders", self.limits.entries);
                return Err(too_large(reason, "ELT_UNPACK_ENTRIES"));
            }
        }
        Ok(())
    }

    /// Counts bytes that are about to be written below a folder.
    pub(super) fn count_written(&mut self, bytes: u64, folder: &Path) -> Result<(), Halt> {
        self.written += bytes;
        self.check()?;
        if self.before + self.written > self.limits.bytes {
            let reason = format!("with it, the run would unpack more than {}", size(self.limits.bytes));
            return Err(too_large(reason, "ELT_UNPACK_GIB"));
        }
        if self.written >= self.next_look {
            self.next_look = self.written + LOOK_EVERY;
            // A file system that does not tell its free room fails when it is full.
            if let Some(free) = free_bytes(folder)
                && free < self.limits.keep_free.saturating_add(LOOK_EVERY.min(bytes))
            {
                return Err(Halt::NoRoom(free));
            }
        }
        Ok(())
    }

    /// Refuses a container of which too much has come out for its size.
    pub(super) fn check(&self) -> Result<(), Halt> {
        self.check_with(0)
    }

    /// As [`check`](Self::check), after `bytes` of one file were read and not kept. Gaps of a sparse file count here, because the
    /// decompressor does not count them.
    pub(super) fn check_with(&self, bytes: u64) -> Result<(), Halt> {
        let unpacked = self.written.max(self.passed.load(Relaxed)).max(bytes);
        let ratio = u64::from(self.limits.ratio);
        if unpacked <= self.limits.first.saturating_add(self.packed.saturating_mul(ratio)) {
            return Ok(());
        }
        let reason = format!(
            "its {} unpack to more than {}, over {ratio} bytes for each one, as in a zip bomb",
            size(self.packed),
            size(unpacked)
        );
        Err(too_large(reason, "ELT_UNPACK_RATIO"))
    }

    /// Counts what is read through the result.
    pub(super) fn passing<R: Read>(&self, inner: R) -> Passing<R> {
        Passing { inner, passed: Arc::clone(&self.passed) }
    }
}

fn too_large(reason: String, setting: &str) -> Halt {
    let next_step = format!(
        "Find out whether the file is what it should be. If it is, unpack it by hand, split it, or let the operator of the \
         workers raise {setting}."
    );
    Halt::Refused(Problem::new(Code::ArchiveTooLarge, reason, next_step))
}

/// A reader whose bytes are counted.
#[derive(Debug)]
pub(super) struct Passing<R> {
    inner: R,
    passed: Arc<AtomicU64>,
}

impl<R: Read> Read for Passing<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.passed.fetch_add(count as u64, Relaxed);
        Ok(count)
    }
}

/// A reader that may be read only so far until it is allowed more. It bounds what a parser of headers takes into memory.
#[derive(Debug, Clone)]
pub(super) struct Allowance {
    left: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
}

impl Allowance {
    /// Nothing is bounded until [`Allowance::set`].
    pub(super) fn unlimited() -> Self {
        Self { left: Arc::new(AtomicU64::new(u64::MAX)), ended: Arc::default() }
    }

    /// Bytes that may be read from now on.
    pub(super) fn set(&self, bytes: u64) {
        self.left.store(bytes, Relaxed);
    }

    /// Everything may be read from now on.
    pub(super) fn lift(&self) {
        self.set(u64::MAX);
    }

    /// Whether all that was allowed has been read.
    pub(super) fn is_used_up(&self) -> bool {
        self.left.load(Relaxed) == 0
    }

    /// Whether the reader has been read to its end.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// A reader that obeys.
    pub(super) fn limit<R>(&self, inner: R) -> Allowed<R> {
        Allowed { inner, allowance: self.clone() }
    }
}

/// A reader that gives at most as many bytes as its [`Allowance`] has left.
#[derive(Debug)]
pub(super) struct Allowed<R> {
    inner: R,
    allowance: Allowance,
}

impl<R: Read> Read for Allowed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let left = self.allowance.left.load(Relaxed);
        if left == 0 {
            return Err(io::Error::other("its headers are larger than elt reads"));
        }
        let most = out.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = self.inner.read(&mut out[..most])?;
        if count == 0 {
            self.allowance.ended.store(true, Relaxed);
        }
        if left != u64::MAX {
            self.allowance.left.store(left - count as u64, Relaxed);
        }
        Ok(count)
    }
}

impl<R: io::Seek> io::Seek for Allowed<R> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> UnpackLimits {
        UnpackLimits { entries: 3, bytes: 200 << 20, ratio: 10, ..UnpackLimits::default() }
    }

    fn reason(result: Result<(), Halt>) -> String {
        match result {
            Err(Halt::Refused(problem)) => format!("{} {}", problem.reason, problem.next_step),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_comes_out_is_bounded_by_the_size_of_the_container() {
        let folder = std::env::temp_dir();
        let mut meter = Meter::new(limits(), 1 << 20, 0);
        meter.count_written(64 << 20, &folder).expect("the first bytes are free");
        meter.count_written(10 << 20, &folder).expect("ten times its size");
        let refused = reason(meter.count_written(1, &folder));
        assert!(refused.contains("ELT_UNPACK_RATIO") && refused.contains("over 10 bytes"), "{refused}");
    }

    #[test]
    fn what_is_read_and_not_written_counts_for_the_ratio() {
        let meter = Meter::new(limits(), 1, 0);
        io::copy(&mut meter.passing(io::repeat(0).take(65 << 20)), &mut io::sink()).expect("read");
        assert!(reason(meter.check()).contains("ELT_UNPACK_RATIO"));
    }

    #[test]
    fn one_run_unpacks_no_more_than_its_limit_from_all_containers() {
        let mut meter = Meter::new(limits(), 1 << 30, 199 << 20);
        meter.count_written(1 << 20, &std::env::temp_dir()).expect("exactly the limit");
        let refused = reason(meter.count_written(1, &std::env::temp_dir()));
        assert!(refused.contains("ELT_UNPACK_GIB"), "{refused}");
    }

    #[test]
    fn entries_are_counted_over_all_archives_inside() {
        let mut meter = Meter::new(limits(), 1, 0);
        meter.count_entries(2).expect("two");
        meter.count_entries(1).expect("three");
        assert!(reason(meter.count_entries(1)).contains("ELT_UNPACK_ENTRIES"));
        assert!(reason(Meter::new(limits(), 1, 0).count_entries(u64::MAX)).contains("more than 3"));
    }

    #[test]
    fn a_disk_keeps_the_room_it_must_keep() {
        let mut meter = Meter::new(UnpackLimits { keep_free: u64::MAX, ..limits() }, 1, 0);
        assert!(matches!(meter.count_written(1, &std::env::temp_dir()), Err(Halt::NoRoom(_))));
    }

    #[test]
    fn headers_are_read_only_as_far_as_allowed() {
        let allowance = Allowance::unlimited();
        let mut reader = allowance.limit(io::repeat(1));
        reader.read_exact(&mut [0; 100]).expect("nothing is bounded yet");
        allowance.set(10);
        assert!(reader.read_exact(&mut [0; 11]).is_err() && allowance.is_used_up());
    }
}
