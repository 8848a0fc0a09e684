//! Thrift's compact protocol, as far as Parquet needs it: the headers of pages, and a walk through a footer before it is
//! decoded, because a footer may claim more than it holds.

/// The bytes of a struct, read from the front.
pub(super) struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The reason why a struct cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bytes end inside the struct.
    Cut,
    /// The bytes are not such a struct.
    Broken,
}

/// Most structs and lists inside each other.
const MAX_DEPTH: usize = 32;
/// Most elements of a list.
const MAX_ELEMENTS: u64 = 1 << 20;

/// The type of a field, as the compact protocol numbers it.
mod kind {
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const MAP: u8 = 11;
    pub(super) const STRUCT: u8 = 12;
    pub(super) const UUID: u8 = 13;
}

/// A field of a struct.
#[derive(Debug, Clone, Copy)]
pub(super) struct FieldHead {
    pub id: i64,
    kind: u8,
}

impl<'a> Thrift<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Number of bytes that were read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        let byte = *self.bytes.get(self.at).ok_or(Fault::Cut)?;
        self.at += 1;
        Ok(byte)
    }

    fn unsigned(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Fault::Broken)
    }

    fn signed(&mut self) -> Result<i64, Fault> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn bytes(&mut self, count: u64) -> Result<(), Fault> {
        let left = (self.bytes.len() - self.at) as u64;
        if count > left {
            return Err(Fault::Cut);
        }
        self.at += count as usize;
        Ok(())
    }

    /// The next field after the one with the number `last`. `None`: the struct has ended.
    pub(super) fn field(&mut self, last: i64) -> Result<Option<FieldHead>, Fault> {
        let head = self.byte()?;
        let (delta, kind) = (head >> 4, head & 0x0F);
        match (delta, kind) {
            (_, 0) => Ok(None),
            (0, kind) => Ok(Some(FieldHead { id: self.signed()?, kind })),
            (delta, kind) => Ok(Some(FieldHead { id: last + i64::from(delta), kind })),
        }
    }

    /// The value of a field that is a whole number.
    pub(super) fn number(&mut self, field: FieldHead) -> Result<i64, Fault> {
        match field.kind {
            kind::I16..=kind::I64 => self.signed(),
            _ => Err(Fault::Broken),
        }
    }

    /// The number of elements of a field that is a list of structs.
    fn structs(&mut self, field: FieldHead) -> Result<u64, Fault> {
        let (kind, count) = self.list(field)?;
        if kind == kind::STRUCT { Ok(count) } else { Err(Fault::Broken) }
    }

    fn list(&mut self, field: FieldHead) -> Result<(u8, u64), Fault> {
        if !matches!(field.kind, kind::LIST | kind::SET) {
            return Err(Fault::Broken);
        }
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.unsigned()? } else { u64::from(head >> 4) };
        // Every element has at least one byte.
        if count > (self.bytes.len() - self.at) as u64 {
            return Err(Fault::Cut);
        }
        if count > MAX_ELEMENTS {
            return Err(Fault::Broken);
        }
        Ok((head & 0x0F, count))
    }

    /// Reads the numbers of a struct's fields into places by their ids, and skips the other fields.
    pub(super) fn numbers<const N: usize>(&mut self, field: FieldHead) -> Result<[Option<i64>; N], Fault> {
        if field.kind != kind::STRUCT {
            return Err(Fault::Broken);
        }
        let mut numbers = [None; N];
        let mut last = 0;
        while let Some(field) = self.field(last)? {
            last = field.id;
            let place = usize::try_from(field.id).ok().and_then(|id| numbers.get_mut(id));
            match (place, field.kind) {
                (Some(place), kind::I16..=kind::I64) => *place = Some(self.signed()?),
                _ => self.skip(field, 0)?,
            }
        }
        Ok(numbers)
    }

    /// Skips the value of a field.
    pub(super) fn skip(&mut self, field: FieldHead, depth: usize) -> Result<(), Fault> {
        if matches!(field.kind, kind::TRUE | kind::FALSE) {
            return Ok(());
        }
        self.skip_value(field.kind, field, depth)
    }

    fn skip_value(&mut self, kind: u8, field: FieldHead, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::Broken);
        }
        match kind {
            kind::TRUE | kind::FALSE | kind::BYTE => self.bytes(1),
            kind::I16..=kind::I64 => self.unsigned().map(|_| ()),
            kind::DOUBLE => self.bytes(8),
            kind::UUID => self.bytes(16),
            kind::BINARY => {
                let count = self.unsigned()?;
                self.bytes(count)
            }
            kind::LIST | kind::SET => {
                let (element, count) = self.list(FieldHead { kind, ..field })?;
                (0..count).try_for_each(|_| self.skip_value(element, FieldHead { kind: element, ..field }, depth + 1))
            }
            kind::MAP => self.skip_map(field, depth),
            kind::STRUCT => {
                let mut last = 0;
                while let Some(field) = self.field(last)? {
                    last = field.id;
                    self.skip(field, depth + 1)?;
                }
                Ok(())
            }
            _ => Err(Fault::Broken),
        }
    }

    fn skip_map(&mut self, field: FieldHead, depth: usize) -> Result<(), Fault> {
        let count = self.unsigned()?;
        if count == 0 {
            return Ok(());
        }
        if count > MAX_ELEMENTS {
            return Err(Fault::Broken);
        }
        let kinds = self.byte()?;
        for _ in 0..count {
            for kind in [kinds >> 4, kinds & 0x0F] {
                self.skip_value(kind, FieldHead { kind, ..field }, depth + 1)?;
            }
        }
        Ok(())
    }
}

/// Checks that a Parquet footer holds every element that it claims, and how deep its columns are inside each other.
/// Returns whether a column of the file is encrypted.
///
/// # Errors
/// When it does not, or columns are more than `max_depth` deep.
pub(super) fn check_footer(footer: &[u8], max_depth: usize) -> Result<bool, Fault> {
    const SCHEMA: i64 = 2;
    const ENCRYPTION: i64 = 8;
    let mut is_encrypted = false;
    let mut thrift = Thrift::new(footer);
    let mut last = 0;
    while let Some(field) = thrift.field(last)? {
        last = field.id;
        is_encrypted |= field.id == ENCRYPTION;
        if field.id != SCHEMA {
            thrift.skip(field, 0)?;
            continue;
        }
        let mut open: Vec<i64> = Vec::new();
        for _ in 0..thrift.structs(field)? {
            const CHILDREN: usize = 5;
            let numbers = thrift.numbers::<6>(FieldHead { kind: kind::STRUCT, ..field })?;
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            match numbers[CHILDREN] {
                Some(children) if children > 0 => open.push(children),
                _ => {}
            }
            if open.len() > max_depth {
                return Err(Fault::Broken);
            }
            while open.last().is_some_and(|left| *left <= 0) {
                open.pop();
            }
        }
    }
    Ok(is_encrypted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_that_claims_more_than_there_is_is_refused() {
        // Field 2, a list of 2^28 structs.
        let footer = [0x29, 0xFC, 0xFF, 0xFF, 0xFF, 0x7F];
        assert_eq!(check_footer(&footer, 64), Err(Fault::Cut));
        assert_eq!(check_footer(&[0x29, 0x0C, 0x00], 64), Ok(false));
        assert_eq!(check_footer(&[0x00], 64), Ok(false));
        assert_eq!(check_footer(&[], 64), Err(Fault::Cut));
    }

    #[test]
    fn columns_that_are_too_deep_are_refused() {
        // A list of elements that each have one child: field 5, an i32 of value 1.
        let footer = |elements: u8| {
            let mut footer = vec![0x29, elements << 4 | 0x0C];
            for _ in 0..elements {
                footer.extend([0x55, 0x02, 0x00]);
            }
            footer.push(0);
            footer
        };
        assert_eq!(check_footer(&footer(4), 4), Ok(false));
        assert_eq!(check_footer(&footer(5), 4), Err(Fault::Broken));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_or_loop(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = check_footer(&bytes, 64);
        }
    }
}
