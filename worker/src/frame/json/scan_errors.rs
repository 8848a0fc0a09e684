//! The errors of scanned JSON: a [`Fault`] ends the reading of its file, a [`Defect`] makes one record bad.

use elt_shared::explained::Code;

/// Most levels of objects and arrays inside a record. PostgreSQL and its clients have higher limits.
pub(super) const MAX_DEPTH: usize = 100;

/// The reason why the end of a value is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The text ends inside it, but the file goes on.
    More,
    /// Invalid JSON at this byte.
    Broken {
        /// Position in the text.
        at: usize,
        /// The problem, as part of a sentence.
        what: &'static str,
    },
}

/// A problem inside a value whose end is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Defect {
    /// A byte below 32 in a string.
    Control,
    /// An invalid escape, such as `\x` or `\u12`.
    Escape,
    /// `\u0000`, which PostgreSQL cannot store.
    Nul,
    /// An unpaired surrogate, such as `\ud800`.
    Surrogate,
    /// A word that is not JSON, such as `undefined`, `01` or `+1`. Inside a nested value also a number that `jsonb` does not
    /// have.
    Word,
    /// More than [`MAX_DEPTH`] levels of objects and arrays.
    Depth,
}

impl Defect {
    /// Stable code of the defect.
    pub(super) fn code(self) -> Code {
        match self {
            Self::Control | Self::Escape | Self::Word => Code::BrokenJson,
            Self::Nul => Code::NulByte,
            Self::Surrogate => Code::LoneSurrogate,
            Self::Depth => Code::TooDeep,
        }
    }

    /// A sentence about the defect.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Control => "a string holds a control character that is not escaped".into(),
            Self::Escape => "a string holds an escape that JSON does not have".into(),
            Self::Nul => "a string holds \\u0000, which PostgreSQL cannot keep".into(),
            Self::Surrogate => "a string holds half a character (a lone surrogate)".into(),
            Self::Word => "a value is neither a string, a number that can be kept, true, false nor null".into(),
            Self::Depth => format!("it is nested deeper than {MAX_DEPTH} levels"),
        }
    }
}
