//! A folder, a file or a URL, and the table that is named for it.

use std::path::Path;

use elt_shared::config::TableName;

/// Where rows are.
#[derive(Debug)]
pub enum Place {
    /// A folder, a file or a glob.
    Path(String),
    /// The address of an HTTP API.
    Url(String),
}

impl Place {
    pub fn of(written: &str) -> Self {
        if written.starts_with("http://") || written.starts_with("https://") {
            Self::Url(written.to_owned())
        } else {
            Self::Path(written.to_owned())
        }
    }

    /// A table named for the last part of the place.
    pub fn table(&self) -> String {
        match self {
            Self::Path(path) => {
                let path = Path::new(path);
                let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
                TableName::text_for(&absolute.file_name().map(|name| name.to_string_lossy()).unwrap_or_default())
            }
            Self::Url(url) => TableName::text_for(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_for_the_place() {
        let table = |place: &str| Place::of(place).table();
        assert_eq!(table("./no/such/Order Items.2026.csv.gz"), "order_items");
        assert_eq!(table("https://api.example.com/v1/orders/?page=1"), "orders");
        assert_eq!(table("2026-11.csv"), "t_2026_11");
        assert_eq!(table("***"), "raw_data");
        assert_eq!(table("https://api.example.com"), "raw_data");
        assert_eq!(table(&format!("https://h/{}", "é".repeat(90))), "é".repeat(30), "PostgreSQL's names have 63 bytes");
    }
}
