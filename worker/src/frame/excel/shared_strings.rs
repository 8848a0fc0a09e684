//! The texts that the sheets of a workbook share. A sheet refers to them by their numbers, mostly in their order.
//!
//! They can be larger than the memory that a file may use, so that all but the first ones lie in a file, of which a few blocks
//! are in memory. Of their places in it a fixed number is known, and a text is found from the nearest of them on.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

use elt_shared::disk::free_bytes;
use elt_shared::explained::Code;

use super::problem::Problem;
use super::text::rich_text_into;
use super::xml::{Token, Xml};
use crate::error::outage::Outage;
use crate::input::SpoolFolder;

/// Bytes of texts that are held in memory. More are written to a file.
const MEMORY_BYTES: usize = 4 << 20;
/// Most bytes of all texts, which bounds the file.
const MAX_BYTES: u64 = 8 << 30;
/// Most known places. With more texts there are more from one known place to the next.
const MAX_PLACES: usize = 1 << 16;
/// Fewest texts from one known place to the next.
const STRIDE: usize = 16;
/// Bytes of a block of the file in memory, and number of such blocks.
const BLOCK_BYTES: usize = 64 << 10;
const BLOCKS: usize = 32;
/// Bytes between two looks at the free room of the disk.
const LOOK_EVERY: u64 = 32 << 20;
/// Bytes of a text's length in front of the text.
const LENGTH_BYTES: u64 = 4;

/// The shared texts of a workbook.
#[derive(Debug, Default)]
pub(super) struct SharedStrings {
    /// The first texts, each behind its length.
    memory: Vec<u8>,
    /// The texts behind them.
    file: Option<Spilled>,
    places: Places,
    /// Number and place of the text behind the one that was found last, because most cells refer to it next.
    next: (usize, u64),
}

/// The places of some texts.
#[derive(Debug)]
struct Places {
    /// Place of the first text, and of each that is `stride` texts behind one of these.
    known: Vec<u64>,
    stride: usize,
    /// Number of all texts.
    count: usize,
}

impl Default for Places {
    fn default() -> Self {
        Self { known: Vec::new(), stride: STRIDE, count: 0 }
    }
}

impl Places {
    /// Adds the next text, which begins at a place.
    fn add(&mut self, place: u64) {
        if self.count.is_multiple_of(self.stride) {
            if self.known.len() == MAX_PLACES {
                let mut index = 0;
                self.known.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.stride *= 2;
            }
            // The number of places is even, so that this text has a place among those that are left.
            self.known.push(place);
        }
        self.count += 1;
    }

    /// The known text at or before the one of this number: its number and place.
    fn before(&self, number: usize) -> (usize, u64) {
        let index = number / self.stride;
        (index * self.stride, self.known[index])
    }
}

/// Texts in a file that has no name, so that it vanishes with the process.
#[derive(Debug)]
struct Spilled {
    file: File,
    /// Blocks by their numbers modulo [`BLOCKS`].
    blocks: Vec<(u64, Vec<u8>)>,
}

impl SharedStrings {
    /// Reads the part that has the texts. `spool`: where they are written when they are too large for the memory.
    pub(super) fn read(mut xml: Xml, spool: &SpoolFolder) -> Result<Self, Problem> {
        let mut strings = Self::default();
        let mut writer = Writer { memory: Vec::new(), file: None, written: 0, next_look: 0, spool };
        let mut text = Vec::new();
        loop {
            match xml.next()? {
                Token::Start(tag) if tag.is("si") => {
                    text.clear();
                    rich_text_into(&mut xml, &mut text)?;
                    strings.places.add(writer.written);
                    writer.add(&text)?;
                }
                Token::Finished => break,
                _ => {}
            }
        }
        xml.finish()?;
        writer.memory.shrink_to_fit();
        strings.memory = writer.memory;
        if let Some(file) = writer.file {
            let file = file.into_inner().map_err(|error| not_written(&error.into_error()))?;
            strings.file = Some(Spilled { file, blocks: vec![(u64::MAX, Vec::new()); BLOCKS] });
        }
        Ok(strings)
    }

    /// Adds the text of this number to `out`. Returns false when there is no such text.
    pub(super) fn add_to(&mut self, number: usize, out: &mut Vec<u8>) -> Result<bool, Problem> {
        if number >= self.places.count {
            return Ok(false);
        }
        let (mut at, mut place) = self.places.before(number);
        if (at..=number).contains(&self.next.0) {
            (at, place) = self.next;
        }
        for _ in at..number {
            place += LENGTH_BYTES + self.length(place)?;
        }
        let length = self.length(place)?;
        self.copy(place + LENGTH_BYTES, length, |bytes| out.extend_from_slice(bytes))?;
        self.next = (number + 1, place + LENGTH_BYTES + length);
        Ok(true)
    }

    fn length(&mut self, place: u64) -> Result<u64, Problem> {
        let mut bytes = [0; LENGTH_BYTES as usize];
        let mut filled = 0;
        self.copy(place, LENGTH_BYTES, |part| {
            bytes[filled..filled + part.len()].copy_from_slice(part);
            filled += part.len();
        })?;
        Ok(u64::from(u32::from_le_bytes(bytes)))
    }

    /// Calls `take` with the bytes at a place, in one or more pieces.
    fn copy(&mut self, place: u64, length: u64, mut take: impl FnMut(&[u8])) -> Result<(), Problem> {
        let (mut place, end) = (place, place + length);
        let in_memory = self.memory.len() as u64;
        if place < in_memory {
            let until = end.min(in_memory);
            take(&self.memory[place as usize..until as usize]);
            place = until;
        }
        while place < end {
            let Some(spilled) = &mut self.file else { return Err(Problem::cut_off()) };
            let at = place - in_memory;
            let start = (at % BLOCK_BYTES as u64) as usize;
            let block = spilled.block(at / BLOCK_BYTES as u64)?;
            let stop = block.len().min(start + usize::try_from(end - place).unwrap_or(usize::MAX));
            let piece = block.get(start..stop).filter(|piece| !piece.is_empty()).ok_or_else(Problem::cut_off)?;
            take(piece);
            place += piece.len() as u64;
        }
        Ok(())
    }
}

impl Spilled {
    fn block(&mut self, number: u64) -> Result<&[u8], Problem> {
        let (known, block) = &mut self.blocks[(number % BLOCKS as u64) as usize];
        if *known != number {
            block.resize(BLOCK_BYTES, 0);
            let mut filled = 0;
            while filled < BLOCK_BYTES {
                match self.file.read_at(&mut block[filled..], number * BLOCK_BYTES as u64 + filled as u64)? {
                    0 => break,
                    count => filled += count,
                }
            }
            block.truncate(filled);
            *known = number;
        }
        Ok(block)
    }
}

/// Writes texts into the memory, and those that find no room there into a file.
struct Writer<'a> {
    memory: Vec<u8>,
    file: Option<BufWriter<File>>,
    written: u64,
    /// Bytes of `written` at the next look at the free room of the disk.
    next_look: u64,
    spool: &'a SpoolFolder,
}

impl Writer<'_> {
    fn add(&mut self, text: &[u8]) -> Result<(), Problem> {
        let length = (text.len() as u32).to_le_bytes();
        self.written += LENGTH_BYTES + text.len() as u64;
        if self.written > MAX_BYTES {
            return Err(Problem::too_large(format!("its texts have more than {} GiB", MAX_BYTES >> 30)));
        }
        if self.file.is_none() && self.memory.len() + length.len() + text.len() <= MEMORY_BYTES {
            self.memory.extend_from_slice(&length);
            self.memory.extend_from_slice(text);
            return Ok(());
        }
        if self.written >= self.next_look {
            self.next_look = self.written + LOOK_EVERY;
            // A file system that does not tell its free room fails when it is full.
            if let Some(free) = free_bytes(&self.spool.folder)
                && free < self.spool.keep_free.saturating_add(LOOK_EVERY)
            {
                return Err(Problem::no_room(free, self.spool.keep_free));
            }
        }
        if self.file.is_none() {
            let file = tempfile::tempfile_in(&self.spool.folder).map_err(|error| not_written(&error))?;
            self.file = Some(BufWriter::with_capacity(BLOCK_BYTES, file));
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(&length).and_then(|()| file.write_all(text)).map_err(|error| not_written(&error))
    }
}

fn not_written(error: &io::Error) -> Problem {
    let why = crate::humanize::unreadable(error);
    Problem::new(
        // With more room on the disk the file can be read, so it is not the file that has the problem.
        if Outage::of_worker(error).is_some() { Code::Io } else { Code::Unreadable },
        format!("its texts are too large for the memory and could not be written to the work folder: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn spool(folder: &Path, keep_free: u64) -> SpoolFolder {
        SpoolFolder { folder: folder.to_owned(), keep_free }
    }

    fn xml(count: usize, text: impl Fn(usize) -> String) -> Xml {
        let mut document = String::from("<?xml version=\"1.0\"?><sst xmlns=\"x\">");
        for number in 0..count {
            document += &format!("<si><t xml:space=\"preserve\">{}</t></si>", text(number));
        }
        document += "</sst>";
        Xml::new(Box::new(io::Cursor::new(document.into_bytes())))
    }

    #[test]
    fn texts_are_found_in_memory_and_in_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = |number: usize| format!("{number}:{}", "ä".repeat(number % 300));
        let mut strings = SharedStrings::read(xml(100_000, text), &spool(folder.path(), 0)).expect("texts");
        assert!(strings.file.is_some(), "the texts fit into the memory");
        for number in (0..100_000).step_by(7).chain((0..100_000).rev().step_by(997)).chain([99_999, 0]) {
            let mut out = b"x".to_vec();
            assert!(strings.add_to(number, &mut out).expect("readable"));
            assert_eq!(String::from_utf8(out).expect("text"), format!("x{}", text(number)));
        }
        assert!(!strings.add_to(100_000, &mut Vec::new()).expect("readable"));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
        assert!(strings.held_bytes() <= MOST_HELD, "{}", strings.held_bytes());
    }

    #[test]
    fn texts_leave_the_room_on_the_disk_that_must_stay_free() {
        let folder = tempfile::tempdir().expect("a folder");
        let full = spool(folder.path(), u64::MAX);
        let small = SharedStrings::read(xml(10, |number| number.to_string()), &full);
        assert!(small.is_ok(), "what fits into the memory needs no disk");
        let Err(problem) = SharedStrings::read(xml(6, |_| "x".repeat(1 << 20)), &full) else {
            panic!("written to a disk without room");
        };
        let error = problem.of_file("a.xlsx");
        assert_eq!(error.code, Code::Io, "{error}");
        assert!(error.message.contains("ELT_MIN_FREE_MIB"), "{error}");
        assert_eq!(error.of_worker().and_then(|error| error.outage()), Some(Outage::WorkerShort));
    }

    /// The most bytes of the texts, the blocks and the known places in memory.
    const MOST_HELD: usize = MEMORY_BYTES + BLOCKS * BLOCK_BYTES + MAX_PLACES * size_of::<u64>();

    impl SharedStrings {
        /// Bytes of memory that are reserved.
        fn held_bytes(&self) -> usize {
            let blocks = self.file.iter().flat_map(|file| &file.blocks).map(|(_, block)| block.capacity());
            self.memory.capacity() + blocks.sum::<usize>() + self.places.known.capacity() * size_of::<u64>()
        }
    }

    #[test]
    fn any_number_of_texts_takes_the_same_memory() {
        let mut places = Places::default();
        let count = 5_000_003;
        for number in 0..count {
            places.add(number as u64 * 7);
        }
        assert!(places.known.capacity() <= MAX_PLACES, "{}", places.known.capacity());
        assert_eq!(places.stride, 128);
        for number in [0, 1, 127, 128, 129, 4_999_999, count - 1] {
            let (before, place) = places.before(number);
            assert!(number - before < places.stride, "{number} {before}");
            assert_eq!(place, before as u64 * 7);
        }
    }

    #[test]
    fn rich_and_phonetic_texts_are_told_apart() {
        let document = "<sst><si><r><rPr><b/></rPr><t>Bold</t></r><r><t xml:space=\"preserve\"> and not</t></r></si>\
                        <si><t>課きく</t><rPh sb=\"0\" eb=\"1\"><t>カ</t></rPh></si><si/><si><t>&lt;&#65;&amp;</t></si></sst>";
        let xml = Xml::new(Box::new(io::Cursor::new(document.as_bytes().to_vec())));
        let mut strings = SharedStrings::read(xml, &spool(Path::new("."), 0)).expect("texts");
        let mut texts = Vec::new();
        for number in 0..4 {
            let mut out = Vec::new();
            strings.add_to(number, &mut out).expect("readable");
            texts.push(String::from_utf8(out).expect("text"));
        }
        assert_eq!(texts, ["Bold and not", "課きく", "", "<A&"]);
    }
}
