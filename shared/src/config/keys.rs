//! The vocabulary of a config: how a section's keys are declared, once, for reading and for the JSON Schema.

/// One key of a section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub name: &'static str,
    /// Older and other spellings.
    pub aliases: &'static [&'static str],
    pub shape: Shape,
    pub required: bool,
    /// One sentence for the person who writes the config.
    pub about: &'static str,
}

/// What a key's value looks like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A text without further rules.
    Text,
    /// A secret: a text that is never shown.
    Secret,
    /// true or false, quoted or not, yes and no.
    Flag,
    /// A whole number within bounds, quoted or not.
    Whole { min: u64, max: u64 },
    /// A duration of at most this many seconds, with or without a unit: `24h`.
    Duration { longest: u64 },
    /// A number within bounds.
    Number { min: f64, max: f64 },
    /// A point in time.
    Moment,
    /// One of a few words.
    Choice(fn() -> Vec<&'static str>),
    /// A text or a list of texts.
    Texts,
    /// Names with texts; the texts may be secret.
    Pairs,
    /// Column names with types.
    Columns(&'static [Key]),
    /// A mapping with keys of its own.
    Section(&'static [Key]),
    /// A text, or a mapping with keys of its own.
    TextOrSection(&'static [Key]),
    /// A mapping with the same keys as the section it stands in.
    Nested,
    /// A list of such mappings.
    Sections(&'static [Key]),
    /// Columns with types, either below `columns` beside these keys, or flat.
    Schema(&'static [Key]),
    /// A mapping whose `type` decides its keys.
    Variant(&'static [Variant]),
    /// A mapping with these keys, unless its `type` is one of the variants.
    SectionOrVariant(&'static [Key], &'static [Variant]),
    /// A list of mappings whose `type` decides their keys.
    Variants(&'static [Variant]),
    /// A value of any type, which the schema does not describe further.
    Any,
}

/// One `type` of a section and the keys it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variant {
    pub word: &'static str,
    pub about: &'static str,
    pub keys: &'static [Key],
}

/// The keys of a section that has its own keys and those of another. `N` is the number of all of them.
pub(super) const fn joined<const N: usize>(own: &[Key], others: &[Key]) -> [Key; N] {
    assert!(own.len() + others.len() == N);
    let mut all = [own[0]; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < own.len() { own[at] } else { others[at - own.len()] };
        at += 1;
    }
    all
}

/// A choice between a few words.
pub(super) trait Choice: Copy + 'static {
    /// Every word with its meaning, the canonical one first.
    const WORDS: &'static [(&'static str, Self)];
}

fn words<T: Choice>() -> Vec<&'static str> {
    T::WORDS.iter().map(|(word, _)| *word).collect()
}

impl Key {
    const fn new(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self { name, aliases: &[], shape, required: false, about }
    }

    /// A key that holds any text.
    pub const fn text(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Shape::Text, about)
    }

    /// A key that holds a secret.
    pub const fn secret(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Shape::Secret, about)
    }

    /// A key that is true or false.
    pub const fn flag(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Shape::Flag, about)
    }

    /// A key that holds a whole number.
    pub const fn whole(name: &'static str, min: u64, max: u64, about: &'static str) -> Self {
        Self::new(name, Shape::Whole { min, max }, about)
    }

    /// A key that holds a duration of at most `longest` seconds.
    pub const fn duration(name: &'static str, longest: u64, about: &'static str) -> Self {
        Self::new(name, Shape::Duration { longest }, about)
    }

    /// A key that holds one of a choice's words.
    pub const fn choice<T: Choice>(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Shape::Choice(words::<T>), about)
    }

    /// A key with another shape.
    pub const fn of(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self::new(name, shape, about)
    }

    /// The same key under further names.
    pub const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// The same key, which a runnable config must have.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Whether a config may write the key like this.
    pub fn is(&self, written: &str) -> bool {
        self.name == written || self.aliases.contains(&written)
    }

    /// Every name of the key.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

/// Longer words are not misspelled ones of ours.
const LONGEST_MISSPELLED: usize = 64;

/// The word nearest to what was written, when one is near enough to be meant.
pub fn nearest<'w>(written: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    if written.len() > LONGEST_MISSPELLED {
        return None;
    }
    let written = written.to_lowercase();
    let length = written.chars().count();
    let tolerance = (length / 3).clamp(1, 3);
    words
        .into_iter()
        // The edit distance is at least the difference in length, so most words are ruled out without computing it.
        .filter(|word| word.chars().count().abs_diff(length) <= tolerance)
        .map(|word| (strsim::damerau_levenshtein(&written, &word.to_lowercase()), word))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// `local, api or sftp`.
pub(super) fn either<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
