//! Rows of the audit as files: one JSON object a line, or CSV for spreadsheets.

use std::borrow::Cow;

use super::AuditRow;

/// How an export looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// One JSON object a line.
    Ndjson,
    /// CSV with a header. Texts that a spreadsheet would take for a formula begin with `'`.
    Csv,
}

impl ExportFormat {
    /// The format by its name, `ndjson` or `csv`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "ndjson" => Some(Self::Ndjson),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    /// The first line. Empty when the format has none.
    pub fn header(self) -> &'static str {
        match self {
            Self::Ndjson => "",
            Self::Csv => "seq,id,at,actor,ip,action,object,outcome,detail,request_id,key_id,hash\n",
        }
    }

    /// A row with its line end.
    pub fn line(self, row: &AuditRow) -> String {
        match self {
            Self::Ndjson => json(row),
            Self::Csv => csv(row),
        }
    }
}

fn json(row: &AuditRow) -> String {
    let row = serde_json::json!({
        "seq": row.seq, "id": row.id, "at": row.at, "actor": row.actor, "ip": row.ip, "action": row.action,
        "object": row.object, "outcome": row.outcome, "detail": row.detail, "request_id": row.request_id,
        "key_id": row.key_id, "hash": row.hash,
    });
    format!("{row}\n")
}

fn csv(row: &AuditRow) -> String {
    let seq = row.seq.map(|seq| seq.to_string()).unwrap_or_default();
    let (id, at, detail) = (row.id.to_string(), row.at.to_rfc3339(), row.detail.to_string());
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let (ip, object, request_id) = (optional(&row.ip), optional(&row.object), optional(&row.request_id));
    let (key_id, hash) = (optional(&row.key_id), optional(&row.hash));
    let cells =
        [&seq, &id, &at, &row.actor, &ip, &row.action, &object, &row.outcome, &detail, &request_id, &key_id, &hash];
    cells.map(|cell| csv_cell(cell)).join(",") + "\n"
}

fn csv_cell(text: &str) -> String {
    let text: Cow<'_, str> = match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}").into(),
        false => text.into(),
    };
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_and_never_a_formula() {
        assert_eq!(csv_cell("=1+1"), "'=1+1");
        assert_eq!(csv_cell("-2"), "'-2");
        assert_eq!(csv_cell("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
        assert_eq!(csv_cell("=a,b"), "\"'=a,b\"");
    }
}
