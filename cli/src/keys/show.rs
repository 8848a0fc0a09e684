//! `elt keys show`: which keys there are, and what each of them seals.

use anyhow::Context;
use chrono::{DateTime, Utc};
use elt_shared::secret::KeyRing;
use elt_shared::store::audit;
use elt_shared::store::sealed_tables::TABLES;
use elt_shared::store::secret_keys::{self, KeyUse};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};

use super::check;
use crate::exit::Exit;
use crate::out;
use crate::table::Table;

/// A key, and what it is for.
pub(super) struct ShownKey {
    pub id: String,
    /// `seals`: everything new. `opens`: what is sealed with it already. `missing`: this process does not have it.
    pub state: &'static str,
    /// What it seals, and how many: every table of [`TABLES`].
    pub sealed: Vec<(&'static str, i64)>,
    /// Rows of the audit that it signed.
    pub audit_rows: i64,
    /// When the last of these rows was written.
    pub last_audit_row: Option<DateTime<Utc>>,
    /// When it was made known here. `None`: it has sealed nothing yet.
    pub added_at: Option<DateTime<Utc>>,
}

/// Prints the keys. Ends as with a wrong key when this process lacks one that seals something.
pub(super) async fn show(db: &PgPool, ring: &KeyRing, as_json: bool) -> anyhow::Result<Exit> {
    let mut connection = db.acquire().await.context("could not reach the control database")?;
    let uses = secret_keys::uses(&mut connection).await.context("could not count what is sealed")?;
    let keys = collect(&mut connection, ring, &uses).await?;
    drop(connection);
    let in_clear: i64 = uses.iter().filter(|usage| usage.key_id.is_none()).map(|usage| usage.rows).sum();
    out::print(&if as_json { json(&keys, in_clear) } else { table(&keys).render() });
    if in_clear > 0 {
        out::problem(&format!(
            "{in_clear} configs are stored in clear, by an earlier release: `elt migrate` seals them"
        ));
    }
    check(db, ring).await?;
    Ok(Exit::Done)
}

/// The key that seals, then the others that this process has, then those that it lacks.
pub(super) async fn collect(db: &mut PgConnection, ring: &KeyRing, uses: &[KeyUse]) -> anyhow::Result<Vec<ShownKey>> {
    let known = secret_keys::list(&mut *db).await.context("could not list the keys")?;
    let signed = audit::signed_rows(db).await.context("could not count the rows of the audit")?;
    let mut ids = ring.ids();
    let present = ids.len();
    let used = uses.iter().filter_map(|usage| usage.key_id.as_ref());
    let others = known.iter().map(|known| &known.key_id).chain(used).chain(signed.iter().map(|rows| &rows.key_id));
    for id in others {
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    }
    let shown = ids.into_iter().enumerate().map(|(place, id)| {
        let rows_of = |what: &str| {
            let found = uses.iter().find(|usage| usage.what == what && usage.key_id.as_ref() == Some(&id));
            found.map_or(0, |usage| usage.rows)
        };
        let signed = signed.iter().find(|rows| rows.key_id == id);
        ShownKey {
            state: match place {
                0 => "seals",
                _ if place < present => "opens",
                _ => "missing",
            },
            sealed: TABLES.iter().map(|table| (table.rows, rows_of(table.rows))).collect(),
            audit_rows: signed.map_or(0, |rows| rows.rows),
            last_audit_row: signed.map(|rows| rows.last_at),
            added_at: known.iter().find(|known| known.key_id == id).map(|known| known.added_at),
            id,
        }
    });
    Ok(shown.collect())
}

fn table(keys: &[ShownKey]) -> Table {
    let columns: Vec<String> = TABLES.iter().map(|table| format!(">{}", table.rows)).collect();
    let mut header = vec!["key", "state"];
    header.extend(columns.iter().map(String::as_str));
    header.extend([">audit rows", "added"]);
    let mut table = Table::new(&header);
    for key in keys {
        let mut cells = vec![key.id.clone(), key.state.to_owned()];
        cells.extend(key.sealed.iter().map(|(_, rows)| rows.to_string()));
        cells.push(key.audit_rows.to_string());
        cells.push(key.added_at.map_or_else(|| "not yet".to_owned(), |at| at.format("%Y-%m-%d").to_string()));
        table.row(cells);
    }
    table
}

fn json(keys: &[ShownKey], in_clear: i64) -> String {
    let keys: Vec<Value> = keys
        .iter()
        .map(|key| {
            let sealed: serde_json::Map<String, Value> =
                key.sealed.iter().map(|(what, rows)| (what.replace(' ', "_"), json!(rows))).collect();
            json!({ "key_id": key.id, "state": key.state, "sealed": sealed, "audit_rows": key.audit_rows,
                "added_at": key.added_at })
        })
        .collect();
    json!({ "keys": keys, "in_clear": in_clear }).to_string()
}
