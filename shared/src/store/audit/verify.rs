//! Verifying the chain: whether every row is there and as it was written.

use chrono::{DateTime, Utc};
use sqlx::{Connection, FromRow, PgConnection};
use uuid::Uuid;

use super::chain::{Content, Ends, Signature};
use crate::explained::Code;
use crate::secret::KeyRing;

/// Rows read at a time.
const PAGE: i64 = 2_000;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Rows whose hashes were right, up to the first problem.
    pub verified: i64,
    /// Rows from before there was a chain. Only their number is signed.
    pub unchained: i64,
    /// Place of the last row that retention removed; 0 when it removed none.
    pub anchor: i64,
    /// Place and hash of the last verified row, `812:9f3c…`. Kept elsewhere, it proves later that the row is still there.
    pub head: String,
    /// The first thing that is not as it was written.
    pub problem: Option<Problem>,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The row is not the one that was written, or the one before it was replaced.
    #[error("row {seq} ({id}) was changed")]
    Changed {
        /// Its place in the chain.
        seq: i64,
        /// Id of the row that was changed.
        id: Uuid,
    },
    /// A row is missing in the middle or at the beginning.
    #[error("row {seq} is missing")]
    Missing {
        /// Its place in the chain.
        seq: i64,
    },
    /// Rows are missing at the end.
    #[error("the rows after {after} are missing: the chain ends at {head}")]
    Truncated {
        /// The last row that is there.
        after: i64,
        /// The last row that was written.
        head: i64,
    },
    /// Rows that retention removed are there again, or rows that were never chained were added or removed.
    #[error("{found} rows are not in the chain, and {expected} should be")]
    Unchained {
        /// Number of rows that the audit has.
        found: i64,
        /// Rows there should be.
        expected: i64,
    },
    /// The beginning and the end of the chain are not those that were signed.
    #[error("the end of the chain is not the one that was signed: rows may have been removed there")]
    Ends,
    /// The row that is known from an earlier verification is not there.
    #[error("row {seq} is not the one that is known from an earlier verification")]
    Known {
        /// Its place in the chain.
        seq: i64,
    },
    /// A row was written with a key this process does not have.
    #[error("row {seq} was written with the secret key {key_id}, which this process does not have")]
    UnknownKey {
        /// Its place in the chain; 0 for the signature of the chain's ends.
        seq: i64,
        /// The key's id.
        key_id: String,
    },
}

impl Problem {
    /// Stable code people can search for.
    pub fn code(&self) -> Code {
        match self {
            Self::Changed { .. } => Code::AuditRowChanged,
            Self::Missing { .. } => Code::AuditRowMissing,
            Self::Truncated { .. } => Code::AuditTruncated,
            Self::Unchained { .. } => Code::AuditUnchained,
            Self::Ends => Code::AuditEndUnsigned,
            Self::Known { .. } => Code::AuditKnownRowMissing,
            Self::UnknownKey { .. } => Code::WrongSecretKey,
        }
    }

    /// What the reader should do.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::UnknownKey { .. } => {
                "Verify with that key among ELT_SECRET_KEY_OLD, from the backup of your keys. `elt keys show` says how many \
                 rows each key signed."
            }
            _ => {
                "Somebody with access to the database changed the audit. Compare it with a backup or an earlier export, \
                 and find out who can log in to the database as owner or superuser."
            }
        }
    }
}

/// A row as it is hashed.
#[derive(FromRow)]
struct Chained {
    seq: i64,
    key_id: String,
    hash: Vec<u8>,
    at: DateTime<Utc>,
    id: Uuid,
    actor: String,
    ip: Option<String>,
    action: String,
    object: Option<String>,
    outcome: String,
    detail: String,
    request_id: Option<String>,
}

impl Chained {
    fn check(&self, keys: &KeyRing, before: &[u8]) -> Result<(), Problem> {
        let content = Content {
            seq: self.seq,
            at: self.at,
            id: self.id,
            actor: &self.actor,
            ip: self.ip.as_deref(),
            action: &self.action,
            object: self.object.as_deref(),
            outcome: &self.outcome,
            detail: &self.detail,
            request_id: self.request_id.as_deref(),
        };
        match content.hashes(keys, before).into_iter().find(|(key_id, _)| *key_id == self.key_id) {
            Some((_, hash)) if hash == self.hash => Ok(()),
            Some(_) => Err(Problem::Changed { seq: self.seq, id: self.id }),
            None => Err(Problem::UnknownKey { seq: self.seq, key_id: self.key_id.clone() }),
        }
    }
}

/// Verifies the whole chain as it is now, while others go on adding rows. `known` is the head of an earlier verification,
/// whose row must still be there unless retention removed it.
pub async fn verify(db: &mut PgConnection, keys: &KeyRing, known: Option<(i64, Vec<u8>)>) -> sqlx::Result<Verdict> {
    let mut tx = db.begin_with("begin isolation level repeatable read read only").await?;
    let ends = Ends::read(&mut tx).await?;
    let (mut seq, mut hash) = (ends.anchor_seq, ends.anchor_hash.clone());
    let mut problem = None;
    'rows: loop {
        let page: Vec<Chained> = sqlx::query_as(
            "select seq, key_id, hash, at, id, actor, ip, action, object, outcome, detail::text as detail, request_id
             from audit where seq > $1 order by seq limit $2",
        )
        .bind(seq)
        .bind(PAGE)
        .fetch_all(&mut *tx)
        .await?;
        let is_last = (page.len() as i64) < PAGE;
        for row in page {
            let found = match row.seq == seq + 1 {
                true => row.check(keys, &hash),
                false => Err(Problem::Missing { seq: seq + 1 }),
            };
            if let Err(found) = found {
                problem = Some(found);
                break 'rows;
            }
            (seq, hash) = (row.seq, row.hash);
            if known.as_ref().is_some_and(|(known_seq, known_hash)| *known_seq == seq && *known_hash != hash) {
                problem = Some(Problem::Known { seq });
                break 'rows;
            }
        }
        if is_last {
            break;
        }
    }
    if problem.is_none() {
        problem = at_the_ends(&mut tx, keys, &ends, (seq, &hash), known.map(|(seq, _)| seq)).await?;
    }
    tx.rollback().await?;
    Ok(Verdict {
        verified: seq - ends.anchor_seq,
        unchained: ends.unchained,
        anchor: ends.anchor_seq,
        head: format!("{seq}:{}", super::hex(&hash)),
        problem,
    })
}

async fn at_the_ends(
    db: &mut PgConnection,
    keys: &KeyRing,
    ends: &Ends,
    (seq, hash): (i64, &[u8]),
    known: Option<i64>,
) -> sqlx::Result<Option<Problem>> {
    if seq < ends.head_seq {
        return Ok(Some(Problem::Truncated { after: seq, head: ends.head_seq }));
    }
    let unchained: i64 = sqlx::query_scalar("select count(*) from audit where seq is null or seq <= $1")
        .bind(ends.anchor_seq)
        .fetch_one(db)
        .await?;
    Ok(match ends.signature(keys) {
        Signature::UnknownKey(key_id) => Some(Problem::UnknownKey { seq: 0, key_id }),
        Signature::Bad => Some(Problem::Ends),
        _ if seq != ends.head_seq || *hash != *ends.head_hash => Some(Problem::Ends),
        _ if unchained != ends.unchained => Some(Problem::Unchained { found: unchained, expected: ends.unchained }),
        _ => known.filter(|known| *known > seq).map(|seq| Problem::Known { seq }),
    })
}
