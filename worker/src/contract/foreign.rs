//! Types that elt does not convert to itself, as the catalog describes them: domains, arrays, enums, `char(n)`, `inet` and
//! others.

/// A column's type below its domains.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ForeignType {
    /// The type of one value with its modifiers, below domains and arrays: `character(3)` for an array of a domain over it.
    pub scalar: String,
    /// The same type's name in the catalog: `bpchar`.
    pub name: String,
    /// The type without its modifiers, with `[]` for an array: `bpchar[]`.
    pub unlimited: String,
    /// Whether it is a type of PostgreSQL itself, not of an extension or a user.
    pub builtin: bool,
    /// Whether the values of the column are arrays.
    pub array: bool,
    /// `b`: base type, `e`: enum, `r`: range, `m`: multirange, `c`: composite.
    pub kind: String,
    /// PostgreSQL's category: `S` for strings.
    pub category: String,
    /// Labels of an enum, in order.
    pub labels: Vec<String>,
    /// The name of a range's element type: `timestamp`.
    pub subtype: Option<String>,
    /// Whether a domain over the type forbids NULL.
    pub not_null: bool,
}

impl ForeignType {
    /// Whether values are texts: an empty cell is then an empty text, and `NA` is the text `NA`.
    pub fn is_text(&self) -> bool {
        !self.array && (self.category == "S" || (self.builtin && self.name == "char"))
    }

    /// Whether values are numbers, of `money` or of a domain over a type of numbers.
    pub fn is_number(&self) -> bool {
        !self.array && self.category == "N"
    }

    /// Whether values are one of a list of labels.
    pub fn is_enum(&self) -> bool {
        !self.array && self.kind == "e"
    }
}
