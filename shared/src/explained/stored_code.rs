//! The code of a problem that was stored, which another release may have written.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Code;

/// A code that was stored, perhaps by a newer release that has codes this one does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredCode {
    /// A code of this release.
    Known(Code),
    /// The text of a code of another release.
    Unknown(String),
}

impl StoredCode {
    /// The text that people and programs see.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(code) => code.as_str(),
            Self::Unknown(text) => text,
        }
    }
}

impl From<Code> for StoredCode {
    fn from(code: Code) -> Self {
        Self::Known(code)
    }
}

impl From<String> for StoredCode {
    fn from(text: String) -> Self {
        Code::find(&text).map_or(Self::Unknown(text), Self::Known)
    }
}

impl fmt::Display for StoredCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for StoredCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for StoredCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_back_as_it_was_written_also_one_of_a_newer_release() {
        for text in ["target_lost", "a_code_of_tomorrow", ""] {
            let json = format!("{text:?}");
            let read: StoredCode = serde_json::from_str(&json).expect("a code");
            assert_eq!(serde_json::to_string(&read).expect("JSON"), json);
            assert_eq!(matches!(read, StoredCode::Known(_)), text == "target_lost");
        }
        assert_eq!(serde_json::to_string(&Code::TargetLost).expect("JSON"), "\"target_lost\"");
    }
}
