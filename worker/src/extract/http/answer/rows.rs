//! The rows of an answer: how many there are, and the hash by which a page is compared with the one before it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use elt_shared::json_path::{JsonPath, Step};
use xxhash_rust::xxh3::Xxh3;

use super::super::walk::Outline;
use super::{Flaw, Found, Wanted, after_mark};

/// The rows of an answer.
pub(super) struct Rows {
    /// Number of the rows.
    pub(super) count: u64,
    /// Number of the elements that the page lists.
    pub(super) entries: u64,
    /// Hash of these elements as they are written. `None`: pages are not compared.
    pub(super) hash: Option<u128>,
    /// Whether the rows are the elements of arrays.
    pub(super) in_arrays: bool,
}

/// The rows of a body. `None`: the body has nothing that could be read as rows.
pub(super) fn rows(file: &mut File, wanted: &Wanted, first: u8, values: u64) -> io::Result<Result<Option<Rows>, Flaw>> {
    let uncounted = |count| Ok(Ok(Some(Rows { count, entries: count, hash: None, in_arrays: false })));
    let steps = match &wanted.records {
        Some(path) => path.to_rows(),
        None if values > 1 => return uncounted(values),
        None => match first {
            b'[' => &[],
            b'{' if wanted.in_arrays => {
                let reason = "it is an object, where the pages before were arrays; it may be an error";
                return Ok(Err(Flaw::NoRows(reason.into())));
            }
            b'{' if wanted.paged => {
                let reason = "a page is an object, and `records` does not say where its rows are";
                return Ok(Err(Flaw::NoRows(reason.into())));
            }
            b'{' => return uncounted(1),
            b'n' => return Ok(Ok(None)),
            _ => return Ok(Err(Flaw::NoRows("it is a single value".into()))),
        },
    };
    let mut found = match super::found::<Outline>(file, steps)? {
        Ok(found) => found,
        Err(flaw) => return Ok(Err(flaw)),
    };
    for path in &wanted.further_records {
        match super::found::<Outline>(file, path.to_rows())? {
            Ok(further) => found.extend(further),
            Err(flaw) => return Ok(Err(flaw)),
        }
    }
    let entries = entries(file, wanted)?;
    // A page may list elements of which none has rows. Only on the first page that may be a wrong path.
    let may_lack_rows =
        entries.as_ref().is_some_and(|(entries, _)| *entries == 0 || wanted.before.is_some() || wanted.may_be_empty);
    if let (true, false, Some(path)) = (found.is_empty(), may_lack_rows, &wanted.records) {
        return Ok(Err(Flaw::NothingAt(path.clone())));
    }
    let (count, in_arrays) = match counted(&found, wanted.in_arrays) {
        Ok(counted) => counted,
        Err(flaw) => return Ok(Err(flaw)),
    };
    if count.is_none() && entries.is_none() {
        return Ok(Ok(None));
    }
    let count = count.unwrap_or(0);
    let (entries, pieces) = match entries {
        Some(entries) => entries,
        None => (count, found.into_iter().map(|(_, bytes)| bytes).collect()),
    };
    let hash = if wanted.paged { Some(hash_of(file, pieces.into_iter())?) } else { None };
    Ok(Ok(Some(Rows { count, entries, hash, in_arrays: in_arrays && count > 0 })))
}

/// The number of rows in these values, and whether all of them are arrays. `None`: there is nothing that could be rows.
/// `must_be_arrays`: an object is not a row.
fn counted(found: &[Found<Outline>], must_be_arrays: bool) -> Result<(Option<u64>, bool), Flaw> {
    let (mut count, mut in_arrays) = (None::<u64>, true);
    for (outline, _) in found {
        match outline {
            Outline::Array(length) => count = Some(count.unwrap_or(0) + length),
            Outline::Object(_) if must_be_arrays => {
                let reason = "`records` leads to an object, where the pages before had an array; it may be an error";
                return Err(Flaw::NoRows(reason.into()));
            }
            Outline::Object(_) => {
                count = Some(count.unwrap_or(0) + 1);
                in_arrays = false;
            }
            Outline::Null => {}
            _ => return Err(Flaw::NoRows("`records` leads to a single value".into())),
        }
    }
    Ok((count, in_arrays))
}

/// A number of elements, and the bytes of the arrays that hold them.
type Entries = (u64, Vec<Range<u64>>);

/// The elements that a page lists, when its rows are inside of them. `None`: no path leads into elements, or nothing is there.
fn entries(file: &mut File, wanted: &Wanted) -> io::Result<Option<Entries>> {
    let paths = wanted.records.iter().chain(&wanted.further_records);
    let paths: Vec<&[Step]> = paths.map(JsonPath::to_rows).collect();
    if !paths.iter().any(|steps| steps.contains(&Step::Every)) {
        return Ok(None);
    }
    let mut all: Option<Entries> = None;
    for steps in paths {
        let outer = steps.iter().position(|step| *step == Step::Every).unwrap_or(steps.len());
        for (outline, bytes) in super::found::<Outline>(file, &steps[..outer])?.unwrap_or_default() {
            let number = match outline {
                Outline::Array(length) => length,
                Outline::Object(_) if outer == steps.len() => 1,
                _ => continue,
            };
            let (entries, pieces) = all.get_or_insert_default();
            *entries += number;
            pieces.push(bytes);
        }
    }
    Ok(all)
}

/// xxh3-128 of some pieces of the body. Only the rows are hashed, because a page number or a time around them does not make a
/// page a new one.
fn hash_of(file: &mut File, pieces: impl Iterator<Item = Range<u64>>) -> io::Result<u128> {
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; 64 << 10];
    let first = after_mark(file)?;
    for piece in pieces {
        file.seek(SeekFrom::Start(first + piece.start))?;
        let mut rest = piece.end - piece.start;
        while rest > 0 {
            let length = usize::try_from(rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
            file.read_exact(&mut buffer[..length])?;
            hash.update(&buffer[..length]);
            rest -= length as u64;
        }
    }
    Ok(hash.digest128())
}
