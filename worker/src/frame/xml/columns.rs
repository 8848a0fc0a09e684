//! Names of attributes and elements become columns. A column has one spelling in a file, because two of them may mean different
//! things.

use std::collections::HashMap;

use elt_shared::config::{NamePrefixes, XmlOptions};

use super::scan::local;
use crate::frame::column_names::{NameError, Names};

/// Name of the column, and of the member in nested values, that is the text beside elements or attributes.
pub(super) const TEXT: &str = "#text";

/// What a name is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    Attribute,
    Element,
    Text,
}

type Spelling = (Origin, Box<[u8]>);

/// The columns of an XML file, growing as names appear.
#[derive(Debug)]
pub(super) struct Columns {
    prefixes: NamePrefixes,
    attribute_prefix: String,
    lists: Vec<Vec<u8>>,
    names: Names,
    /// The name of each column as it is in the file.
    spellings: Vec<Spelling>,
    by_spelling: HashMap<Spelling, usize>,
    /// The column of each cell of the last row, which the next row is expected to repeat.
    expected: Vec<usize>,
}

/// The reason why a name cannot be a column.
#[derive(Debug)]
pub(super) enum Refused {
    /// The file's columns cannot be those of a table.
    Name(NameError),
    /// Another name is the same column.
    Same {
        /// A sentence about both.
        what: String,
        /// The key to write.
        next_step: &'static str,
    },
}

impl Columns {
    pub(super) fn new(options: &XmlOptions) -> Self {
        Self {
            prefixes: options.prefixes,
            attribute_prefix: options.attribute_prefix.clone(),
            lists: options.lists.iter().map(|name| name.clone().into_bytes()).collect(),
            names: Names::default(),
            spellings: Vec::new(),
            by_spelling: HashMap::new(),
            expected: Vec::new(),
        }
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// The name of an element or attribute as the config wants it.
    pub(super) fn name<'a>(&self, written: &'a [u8]) -> &'a [u8] {
        match self.prefixes {
            NamePrefixes::Keep => written,
            NamePrefixes::Drop => local(written),
        }
    }

    /// Whether an element is a list in every row.
    pub(super) fn is_list(&self, written: &[u8]) -> bool {
        self.lists.iter().any(|list| list == self.name(written))
    }

    /// The column of a name, which is added when it is new. `position`: number of the cell in its row.
    pub(super) fn of(&mut self, origin: Origin, written: &[u8], position: usize) -> Result<usize, Refused> {
        if let Some(&column) = self.expected.get(position)
            && let Some((known_origin, known)) = self.spellings.get(column)
            && *known_origin == origin
            && **known == *written
        {
            return Ok(column);
        }
        let key = (origin, Box::from(written));
        let column = match self.by_spelling.get(&key) {
            Some(&column) => column,
            None => self.add(key)?,
        };
        self.expected.truncate(position);
        if self.expected.len() == position {
            self.expected.push(column);
        }
        Ok(column)
    }

    fn add(&mut self, spelling: Spelling) -> Result<usize, Refused> {
        let name = String::from_utf8_lossy(self.name(&spelling.1)).into_owned();
        let name = match spelling.0 {
            Origin::Attribute => format!("{}{name}", self.attribute_prefix),
            Origin::Element | Origin::Text => name,
        };
        let column = self.names.of_key(&name).map_err(Refused::Name)?;
        if let Some(other) = self.spellings.get(column) {
            return Err(same(&name, &spelling, other));
        }
        self.by_spelling.insert(spelling.clone(), column);
        self.spellings.push(spelling);
        Ok(column)
    }

    /// Removes the columns that only rejected records have.
    pub(super) fn forget(&mut self, columns: usize) {
        if self.names.as_slice().len() > columns {
            self.names.truncate(columns);
            self.spellings.truncate(columns);
            self.by_spelling.retain(|_, column| *column < columns);
            self.expected.clear();
        }
    }
}

/// The refusal of a name that is the column of another one.
fn same(name: &str, (origin, written): &Spelling, other: &Spelling) -> Refused {
    let shown = |origin: Origin, written: &[u8]| {
        let written = String::from_utf8_lossy(written);
        match origin {
            Origin::Attribute => format!("the attribute `{written}`"),
            Origin::Element | Origin::Text => format!("the element `{written}`"),
        }
    };
    let what = format!("{} and {} would be one column {name:?}", shown(other.0, &other.1), shown(*origin, written));
    let next_step = if *origin == other.0 {
        "Write `prefixes: keep` in `xml:`, so that each name keeps its namespace prefix."
    } else {
        "Write `attribute_prefix: _` in `xml:`, so that columns that are attributes begin with `_`."
    };
    Refused::Same { what, next_step }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(attribute_prefix: &str, prefixes: NamePrefixes) -> Columns {
        Columns::new(&XmlOptions {
            records: vec!["o".to_owned()],
            attribute_prefix: attribute_prefix.to_owned(),
            prefixes,
            lists: vec!["tag".to_owned()],
            ..XmlOptions::default()
        })
    }

    #[test]
    fn a_name_keeps_its_column() {
        let mut columns = columns("", NamePrefixes::Drop);
        let rows: [&[(Origin, &str)]; 4] = [
            &[(Origin::Attribute, "id"), (Origin::Element, "a:name")],
            &[(Origin::Attribute, "id"), (Origin::Element, "city"), (Origin::Element, "a:name")],
            &[(Origin::Element, "city"), (Origin::Text, TEXT)],
            &[(Origin::Attribute, "id"), (Origin::Element, "a:name")],
        ];
        let of = |row: &&[(Origin, &str)]| {
            let column = |(position, (origin, name)): (usize, &(Origin, &str))| {
                columns.of(*origin, name.as_bytes(), position).expect("a column")
            };
            row.iter().enumerate().map(column).collect::<Vec<_>>()
        };
        assert_eq!(rows.iter().map(of).collect::<Vec<_>>(), [vec![0, 1], vec![0, 2, 1], vec![2, 3], vec![0, 1]]);
        assert_eq!(columns.names().as_slice(), ["id", "name", "city", "#text"]);
        assert!(columns.is_list(b"x:tag") && !columns.is_list(b"tags"));
        columns.forget(2);
        assert_eq!(columns.of(Origin::Element, b"city", 0).expect("a column"), 2);
    }

    #[test]
    fn two_spellings_of_a_column_are_refused_with_the_key_to_write() {
        let key = |columns: &mut Columns, names: [(Origin, &str); 2]| {
            columns.of(names[0].0, names[0].1.as_bytes(), 0).expect("a column");
            match columns.of(names[1].0, names[1].1.as_bytes(), 1) {
                Err(Refused::Same { next_step, .. }) => Some(next_step),
                Ok(_) => None,
                Err(Refused::Name(error)) => panic!("{error}"),
            }
        };
        let both = [(Origin::Attribute, "id"), (Origin::Element, "id")];
        assert!(key(&mut columns("", NamePrefixes::Drop), both).expect("refused").contains("attribute_prefix: _"));
        assert_eq!(key(&mut columns("_", NamePrefixes::Drop), both), None);
        let prefixed = [(Origin::Element, "a:id"), (Origin::Element, "b:id")];
        assert!(key(&mut columns("", NamePrefixes::Drop), prefixed).expect("refused").contains("prefixes: keep"));
        assert_eq!(key(&mut columns("", NamePrefixes::Keep), prefixed), None);
    }
}
