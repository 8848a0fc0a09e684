//! The chain of the audit's rows. Each hash is HMAC-SHA256 over the row and the hash before it.
//!
//! The key is a subkey of the installation's secret key, so that a person who can write to the database, but does not
//! have the key, can neither change a row nor add one unnoticed. Where the chain begins and ends is signed as well:
//! removed rows are noticed at both ends.
//!
//! # Algorithm
//! - key: HKDF-SHA256 of the secret key, with [`PURPOSE`] as `info`
//! - row: `row`, the hash before (32 bytes), place and time in microseconds (8 bytes each), id (16 bytes), then actor,
//!   ip, action, object, outcome, detail (as PostgreSQL writes it) and request id, each as a length of 8 bytes and its
//!   UTF-8; a missing one has the length 2^64 − 1
//! - chain: `chain`, place and hash of the last row, place and hash of the last removed row, number of unchained rows

use chrono::{DateTime, Utc};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::NewAuditRow;
use crate::secret::KeyRing;

const PURPOSE: &[u8] = b"elt v1: chain the rows of the audit with HMAC-SHA256";

/// What a row's hash covers, beside the hash before it.
pub(super) struct Content<'a> {
    pub seq: i64,
    pub at: DateTime<Utc>,
    pub id: Uuid,
    pub actor: &'a str,
    pub ip: Option<&'a str>,
    pub action: &'a str,
    pub object: Option<&'a str>,
    pub outcome: &'a str,
    /// Details as JSON text, spelled as PostgreSQL prints `jsonb`, because the hash is over this text.
    pub detail: &'a str,
    pub request_id: Option<&'a str>,
}

impl Content<'_> {
    fn bytes(&self, before: &[u8]) -> Vec<u8> {
        let mut bytes = [b"row", before].concat();
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.at.timestamp_micros().to_be_bytes());
        bytes.extend(self.id.as_bytes());
        for part in [
            Some(self.actor),
            self.ip,
            Some(self.action),
            self.object,
            Some(self.outcome),
            Some(self.detail),
            self.request_id,
        ] {
            let length = part.map_or(u64::MAX, |part| part.len() as u64);
            bytes.extend(length.to_be_bytes());
            bytes.extend(part.unwrap_or_default().as_bytes());
        }
        bytes
    }

    /// The hash of this row after the one with the hash `before`, by each key of the ring.
    pub fn hashes(&self, keys: &KeyRing, before: &[u8]) -> Vec<(String, Vec<u8>)> {
        keyed(keys, &self.bytes(before))
    }
}

/// Where the chain begins and ends.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Ends {
    pub head_seq: i64,
    pub head_hash: Vec<u8>,
    pub anchor_seq: i64,
    pub anchor_hash: Vec<u8>,
    pub unchained: i64,
    key_id: Option<String>,
    mac: Option<Vec<u8>>,
}

/// Whether the ends of the chain are those that were signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signature {
    /// Nothing was ever added.
    New,
    Good,
    /// Signed with a key that is not in the ring.
    UnknownKey(String),
    Bad,
}

/// A process with another secret key than the installation's may not add to the audit. The source of an
/// [`sqlx::Error::Configuration`].
#[derive(Debug, thiserror::Error)]
#[error(
    "the audit is signed with another secret key than the one of this process; start it with the ELT_SECRET_KEY of the \
     installation, or with that key among ELT_SECRET_KEY_OLD"
)]
pub struct OtherKey;

impl Ends {
    /// Reads and locks the ends, until the transaction ends.
    ///
    /// # Errors
    /// [`sqlx::Error::Configuration`] when they are signed with a key that is not in the ring: a process with another key
    /// than the installation's changes nothing, because nobody could sign the ends again afterwards.
    pub async fn lock(db: &mut PgConnection, keys: &KeyRing) -> sqlx::Result<Self> {
        let ends: Self = sqlx::query_as(
            "select head_seq, head_hash, anchor_seq, anchor_hash, unchained, key_id, mac from audit_chain for update",
        )
        .fetch_one(db)
        .await?;
        match ends.signature(keys) {
            Signature::UnknownKey(_) => Err(sqlx::Error::Configuration(OtherKey.into())),
            _ => Ok(ends),
        }
    }

    pub async fn read(db: &mut PgConnection) -> sqlx::Result<Self> {
        sqlx::query_as("select head_seq, head_hash, anchor_seq, anchor_hash, unchained, key_id, mac from audit_chain")
            .fetch_one(db)
            .await
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"chain".to_vec();
        bytes.extend(self.head_seq.to_be_bytes());
        bytes.extend(&self.head_hash);
        bytes.extend(self.anchor_seq.to_be_bytes());
        bytes.extend(&self.anchor_hash);
        bytes.extend(self.unchained.to_be_bytes());
        bytes
    }

    pub fn signature(&self, keys: &KeyRing) -> Signature {
        match (&self.key_id, &self.mac) {
            (None, None) if self.head_seq == 0 && self.anchor_seq == 0 => Signature::New,
            (Some(key_id), Some(mac)) => match keyed(keys, &self.bytes()).into_iter().find(|(id, _)| id == key_id) {
                Some((_, expected)) if expected == *mac => Signature::Good,
                Some(_) => Signature::Bad,
                None => Signature::UnknownKey(key_id.clone()),
            },
            _ => Signature::Bad,
        }
    }

    /// Signs what `change` makes of the ends. When the ends were not as they had been signed, they stay unsigned:
    /// otherwise the next row would hide that rows were removed before it.
    pub fn change(&mut self, keys: &KeyRing, change: impl FnOnce(&mut Self)) {
        let may_sign = matches!(self.signature(keys), Signature::New | Signature::Good);
        change(self);
        self.sign(keys, may_sign);
    }

    /// Signs the ends as they are.
    fn sign(&mut self, keys: &KeyRing, may_sign: bool) {
        let signed = keyed(keys, &self.bytes()).into_iter().next().filter(|_| may_sign);
        (self.key_id, self.mac) = signed.unzip();
    }

    pub async fn write(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        sqlx::query(
            "update audit_chain set head_seq = $1, head_hash = $2, anchor_seq = $3, anchor_hash = $4, unchained = $5,
                                    key_id = $6, mac = $7",
        )
        .bind(self.head_seq)
        .bind(&self.head_hash)
        .bind(self.anchor_seq)
        .bind(&self.anchor_hash)
        .bind(self.unchained)
        .bind(&self.key_id)
        .bind(&self.mac)
        .execute(db)
        .await?;
        Ok(())
    }
}

/// Keeps others from adding to the audit until the caller's transaction ends.
pub async fn lock(tx: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("select from audit_chain for update").execute(tx).await?;
    Ok(())
}

/// The key that signed the ends of the chain last. `None`: nothing was ever added, or the ends were changed by someone who
/// does not have the key. Also right before the first migration.
pub async fn signer(db: &mut PgConnection) -> sqlx::Result<Option<String>> {
    let exists: bool =
        sqlx::query_scalar("select to_regclass('elt.audit_chain') is not null").fetch_one(&mut *db).await?;
    match exists {
        true => sqlx::query_scalar("select key_id from elt.audit_chain").fetch_one(db).await,
        false => Ok(None),
    }
}

/// Rows of the audit that one key signed.
#[derive(Debug, Clone, FromRow)]
pub struct SignedRows {
    /// Id of the key that signed the rows.
    pub key_id: String,
    /// Number of rows that the key signed.
    pub rows: i64,
    /// When the last of them was written.
    pub last_at: DateTime<Utc>,
}

/// How many rows of the audit each key signed.
pub async fn signed_rows(db: &mut PgConnection) -> sqlx::Result<Vec<SignedRows>> {
    sqlx::query_as(
        "select key_id, count(*) as rows, max(at) as last_at from audit where key_id is not null
         group by key_id order by key_id",
    )
    .fetch_all(db)
    .await
}

/// Adds a row at the end of the chain, and keeps the chain locked until the caller's transaction ends.
pub(super) async fn extend(db: &mut PgConnection, keys: &KeyRing, id: Uuid, row: &NewAuditRow<'_>) -> sqlx::Result<()> {
    let mut ends = Ends::lock(db, keys).await?;
    let (at, detail): (DateTime<Utc>, String) =
        sqlx::query_as("select clock_timestamp(), $1::jsonb::text").bind(&row.detail).fetch_one(&mut *db).await?;
    let content = Content {
        seq: ends.head_seq + 1,
        at,
        id,
        actor: row.actor,
        ip: row.ip,
        action: row.action,
        object: row.object,
        outcome: row.outcome,
        detail: &detail,
        request_id: row.request_id,
    };
    let made = content.hashes(keys, &ends.head_hash).into_iter().next();
    let (key_id, hash) = made.ok_or_else(|| sqlx::Error::Configuration("there is no secret key".into()))?;
    ends.change(keys, |ends| (ends.head_seq, ends.head_hash) = (content.seq, hash.clone()));
    sqlx::query(
        "insert into audit (id, at, actor, ip, action, object, outcome, detail, request_id, seq, key_id, hash)
         values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10, $11, $12)",
    )
    .bind(id)
    .bind(at)
    .bind(row.actor)
    .bind(row.ip)
    .bind(row.action)
    .bind(row.object)
    .bind(row.outcome)
    .bind(&detail)
    .bind(row.request_id)
    .bind(content.seq)
    .bind(key_id)
    .bind(hash)
    .execute(&mut *db)
    .await?;
    ends.write(db).await
}

/// HMAC-SHA256 of a message by the audit's subkey of each key of the ring.
fn keyed(keys: &KeyRing, message: &[u8]) -> Vec<(String, Vec<u8>)> {
    keys.with_each(|secret| {
        let mut subkey = [0; 32];
        Hkdf::<Sha256>::new(None, secret).expand(PURPOSE, &mut subkey).expect("HKDF-SHA256 gives up to 8160 bytes");
        let mut mac = Hmac::<Sha256>::new_from_slice(&subkey).expect("HMAC takes keys of any length");
        mac.update(message);
        mac.finalize().into_bytes().to_vec()
    })
}
