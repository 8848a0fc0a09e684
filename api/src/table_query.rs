//! Which rows of a table a request asks for: the parameters that the data view and shared tables have in common.

use elt_shared::target::{Compare, Filter, PageQuery, Sort};

use crate::error::{Error, Result};

/// Rows of the first page, as the first clients expect.
const ROWS: u32 = 100;

/// Reads the parameters of a page of rows, among others.
///
/// # Errors
/// When one of them cannot be read.
pub fn of(fields: &[(String, String)]) -> Result<PageQuery> {
    let all = |name: &'static str| fields.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str());
    let field = |name| all(name).next();
    let invalid = |detail: String| Error::invalid_query(detail);
    let list = |name| {
        let names = field(name).unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let limit = field("limit").map_or(Ok(ROWS), str::parse).map_err(|_| invalid("limit is a number".into()))?;
    let offset = field("offset").map_or(Ok(0), str::parse).map_err(|_| invalid("offset is a number".into()))?;
    let sort = list("sort").into_iter().map(|key| match key.strip_prefix('-') {
        Some(column) => Sort { column: column.into(), descending: true },
        None => Sort { column: key, descending: false },
    });
    let filters = all("filter").map(|filter| {
        self::filter(filter).ok_or_else(|| invalid(format!("filter: {filter:?} is not written column:op:value")))
    });
    Ok(PageQuery {
        columns: Some(list("columns")).filter(|columns| !columns.is_empty()),
        sort: sort.collect(),
        filters: filters.collect::<Result<_>>()?,
        limit,
        cursor: field("cursor").map(ToOwned::to_owned),
        offset,
        internal: field("internal") == Some("true"),
    })
}

/// Reads `column:op:value`; `None`: it is not written so. A column may have colons in its name: the operator is the first word between two that is one.
pub fn filter(text: &str) -> Option<Filter> {
    text.match_indices(':').find_map(|(at, _)| {
        let rest = &text[at + 1..];
        let (operator, value) = rest.split_once(':').unwrap_or((rest, ""));
        let compare = match operator {
            "eq" => Compare::Equal,
            "ne" => Compare::NotEqual,
            "lt" => Compare::Less,
            "le" => Compare::AtMost,
            "gt" => Compare::Greater,
            "ge" => Compare::AtLeast,
            "contains" => Compare::Contains,
            "null" => Compare::IsNull,
            "not_null" => Compare::NotNull,
            _ => return None,
        };
        Some(Filter { column: text[..at].into(), compare, value: value.into() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_column_operator_and_value() {
        let filter = |text| filter(text).map(|filter| (filter.column, filter.compare, filter.value));
        assert_eq!(filter("amount:ge:10"), Some(("amount".into(), Compare::AtLeast, "10".into())));
        assert_eq!(filter("at:eq:2025-01-01 10:00"), Some(("at".into(), Compare::Equal, "2025-01-01 10:00".into())));
        assert_eq!(filter("a:b:null"), Some(("a:b".into(), Compare::IsNull, String::new())));
        assert_eq!(filter("amount>10"), None);
    }
}
