//! What is sealed in the control database: the one list of its tables.
//!
//! A table whose rows name the secret key that opens them is an entry of [`TABLES`]. Its rows are then counted by
//! `elt keys show`, sealed again by `elt keys rotate`, and keep their key from `elt keys drop`.

use sqlx::{AssertSqlSafe, FromRow, PgConnection, PgPool};

use super::configs;
use super::secret_keys::{self, KeyUse};
use crate::secret::{CurrentKey, KeyRing, OpenError, Sealed, context};

/// Rows sealed in one transaction.
pub(super) const BATCH: i64 = 25;

/// A table with sealed values: one a row, its key's id in the column `key_id`, which references `secret_keys`.
#[derive(Debug)]
pub struct SealedTable {
    /// Its name, which is also the first part of the [`SealedTable::context`] of its values.
    pub table: &'static str,
    /// What people call its rows: `second factors`.
    pub rows: &'static str,
    /// What people call one of them, before its name.
    row: &'static str,
    /// The column that names a row, unique. Its text is the second part of the context.
    name: &'static str,
    /// PostgreSQL's name of that column's type.
    type_of_name: &'static str,
    /// The third part of the context.
    field: &'static str,
    /// The column with nonce and ciphertext.
    column: &'static str,
    /// Whether the table keeps a hash of the value that is made with the same key.
    has_hash: bool,
}

/// The texts of configs.
pub static CONFIGS: SealedTable = SealedTable {
    table: "config_history",
    rows: "configs",
    row: "config version",
    name: "version",
    type_of_name: "integer",
    field: "yaml",
    column: "yaml_sealed",
    has_hash: true,
};

/// The shared secrets of second factors.
pub static SECOND_FACTORS: SealedTable = SealedTable {
    table: "second_factors",
    rows: "second factors",
    row: "the second factor of user",
    name: "user_id",
    type_of_name: "uuid",
    field: "secret",
    column: "sealed",
    has_hash: false,
};

/// The values of stored secrets.
pub static SECRETS: SealedTable = SealedTable {
    table: "secrets",
    rows: "secrets",
    row: "the secret",
    name: "name",
    type_of_name: "text",
    field: "value",
    column: "sealed",
    has_hash: false,
};

/// The tokens of OAuth grants.
pub static OAUTH_GRANTS: SealedTable = SealedTable {
    table: "oauth_grants",
    rows: "refresh tokens",
    row: "the refresh token of the OAuth grant",
    name: "grant_hash",
    type_of_name: "text",
    field: "tokens",
    column: "sealed",
    has_hash: false,
};

/// The addresses of channels.
pub static CHANNELS: SealedTable = SealedTable {
    table: "channels",
    rows: "channels",
    row: "the channel",
    name: "name",
    type_of_name: "text",
    field: "address",
    column: "sealed",
    has_hash: false,
};

/// All tables with sealed values.
pub static TABLES: [&SealedTable; 5] = [&CONFIGS, &SECOND_FACTORS, &SECRETS, &OAUTH_GRANTS, &CHANNELS];

/// What was sealed again.
#[derive(Debug, Default)]
pub struct SealedAgain {
    /// Values that the current key seals now.
    pub rows: u64,
    /// Values that did not open, and stay as they are.
    pub unopened: u64,
    /// The first of them.
    pub first_problem: Option<Unopened>,
}

/// A value that does not open.
#[derive(Debug, thiserror::Error)]
#[error("could not open {what}: {source}")]
pub struct Unopened {
    /// The row that could not be opened: `config version 12`.
    what: String,
    /// Why it does not open.
    source: OpenError,
}

#[derive(FromRow)]
struct Row {
    name: String,
    key_id: String,
    bytes: Vec<u8>,
}

impl SealedTable {
    /// What the value of a row is sealed for. `name` is the text in the column that names the row.
    pub fn context(&self, name: &str) -> Vec<u8> {
        context(self.table, name, self.field)
    }

    /// How many rows each key seals.
    pub async fn uses(&self, db: &mut PgConnection) -> sqlx::Result<Vec<KeyUse>> {
        let counted: Vec<(Option<String>, i64)> = sqlx::query_as(AssertSqlSafe(format!(
            "select key_id, count(*) from {} group by key_id order by key_id",
            self.table
        )))
        .fetch_all(db)
        .await?;
        Ok(counted.into_iter().map(|(key_id, rows)| KeyUse { what: self.rows, key_id, rows }).collect())
    }

    /// Seals every row with the current key that another key seals, in batches, and adds what came of it to `done`.
    pub(super) async fn seal_again(&self, db: &PgPool, keys: &KeyRing, done: &mut SealedAgain) -> sqlx::Result<()> {
        let mut after = None;
        loop {
            after = self.seal_again_batch(db, keys, after, done).await?;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Seals one batch of the rows behind `after`. Returns the name of the last row. `None`: there were no more.
    async fn seal_again_batch(
        &self,
        db: &PgPool,
        keys: &KeyRing,
        after: Option<String>,
        done: &mut SealedAgain,
    ) -> sqlx::Result<Option<String>> {
        let mut tx = db.begin().await?;
        if self.has_hash {
            // Taken before the rows are read, because an upload takes this lock first, too.
            configs::lock(&mut tx).await?;
        }
        let key = secret_keys::register(&mut *tx, keys).await?;
        let mut sealed = 0;
        let rows = self.rows_of_other_keys(&mut tx, key.id(), after).await?;
        for row in &rows {
            let opened =
                keys.open(&self.context(&row.name), &Sealed { key_id: row.key_id.clone(), bytes: row.bytes.clone() });
            match opened {
                Ok(value) => {
                    self.write(&mut tx, (keys, &key), &row.name, &value).await?;
                    sealed += 1;
                }
                Err(source) => {
                    done.unopened += 1;
                    let what = format!("{} {}", self.row, row.name);
                    done.first_problem.get_or_insert(Unopened { what, source });
                }
            }
        }
        if sealed > 0 {
            super::reseal::note_rewrite(&mut tx, self.table).await?;
        }
        tx.commit().await?;
        done.rows += sealed;
        Ok(rows.into_iter().next_back().map(|row| row.name))
    }

    async fn rows_of_other_keys(
        &self,
        tx: &mut PgConnection,
        key_id: &str,
        after: Option<String>,
    ) -> sqlx::Result<Vec<Row>> {
        let Self { table, name, type_of_name, column, .. } = self;
        sqlx::query_as(AssertSqlSafe(format!(
            "select {name}::text as name, key_id, {column} as bytes from {table}
             where key_id <> $1 and ($2::text is null or {name} > $2::text::{type_of_name})
             order by {table}.{name} limit $3 for update"
        )))
        .bind(key_id)
        .bind(after)
        .bind(BATCH)
        .fetch_all(tx)
        .await
    }

    async fn write(
        &self,
        tx: &mut PgConnection,
        (keys, key): (&KeyRing, &CurrentKey),
        name: &str,
        value: &[u8],
    ) -> sqlx::Result<()> {
        let sealed = key.seal(&self.context(name), value);
        let Self { table, name: named_by, type_of_name, column, .. } = self;
        sqlx::query(AssertSqlSafe(format!(
            "update {table} set {column} = $2, key_id = $3 where {named_by} = $1::text::{type_of_name}"
        )))
        .bind(name)
        .bind(&sealed.bytes)
        .bind(&sealed.key_id)
        .execute(&mut *tx)
        .await?;
        if self.has_hash {
            configs::hash_again(tx, keys, &sealed, name, value).await?;
        }
        Ok(())
    }
}
