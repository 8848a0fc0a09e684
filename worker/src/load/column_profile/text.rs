//! Lengths of texts, in characters.

use elt_shared::runs::LengthProfile;

/// The lengths of the texts of a column.
#[derive(Default)]
pub struct Lengths {
    min: u64,
    max: u64,
    sum: u64,
    texts: u64,
}

impl Lengths {
    /// Adds a text.
    #[inline]
    pub fn add(&mut self, text: &str) {
        let length = if text.is_ascii() { text.len() } else { text.chars().count() } as u64;
        self.min = if self.texts == 0 { length } else { self.min.min(length) };
        self.max = self.max.max(length);
        self.sum += length;
        self.texts += 1;
    }

    /// The lengths. `None`: there was no text.
    pub fn profile(&self) -> Option<LengthProfile> {
        let average = self.sum as f64 / self.texts as f64;
        (self.texts > 0).then(|| LengthProfile {
            min: self.min,
            max: self.max,
            average: (average * 100.0).round() / 100.0,
        })
    }
}
