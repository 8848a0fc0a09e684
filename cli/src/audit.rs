//! `elt audit`: verifies and exports the audit; and the rows that commands of this program add to it.

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, Subcommand, ValueEnum};
use elt_shared::secret::KeyRing;
use elt_shared::store::audit::{self, AuditFilter, ExportFormat, NewAuditRow};
use serde_json::Value;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use crate::exit::{Exit, is_read_only, refuse};
use crate::installation::Installation;
use crate::operator::operator;
use crate::out;

/// Rows read at a time for an export.
const PAGE: i64 = 1_000;

/// Verifies or exports the audit
///
/// Works on the control database directly and needs no login: name the database with DATABASE_URL, or the --data-dir of
/// an `elt up`. Needs ELT_SECRET_KEY, or the data folder's keys.
#[derive(Debug, Args)]
pub struct Audit {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check that every row is there and as it was written; ends with 1 when it is not
    Verify {
        /// The head that an earlier verification printed (SEQ:HASH): checks that its row is still there
        #[arg(long, value_parser = known_head)]
        known: Option<(i64, Vec<u8>)>,
    },
    /// Print the rows, oldest first
    Export {
        /// The first day or instant: 2026-11-29, or 2026-11-29T08:00:00Z. A day begins at midnight UTC
        #[arg(long, value_parser = instant)]
        from: Option<DateTime<Utc>>,
        /// The day or instant at which the export ends, itself not included: 2026-12-01 ends with 30 November (UTC)
        #[arg(long, value_parser = instant)]
        to: Option<DateTime<Utc>>,
        /// How the rows look
        #[arg(long, value_enum, default_value_t = Format::Ndjson)]
        format: Format,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// One JSON object a line
    Ndjson,
    /// For spreadsheets
    Csv,
}

impl Audit {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let keys = self.installation.keys()?;
        self.installation
            .open("audit", async |databases| match self.action {
                Action::Verify { known } => {
                    databases.check_keys(&keys).await?;
                    verify(&databases.control, &keys, known).await
                }
                Action::Export { from, to, format } => {
                    let filter = AuditFilter { from, to, ..AuditFilter::default() };
                    export(&databases.control, &filter, format).await?;
                    Ok(Exit::Done)
                }
            })
            .await
    }
}

async fn verify(db: &PgPool, keys: &KeyRing, known: Option<(i64, Vec<u8>)>) -> anyhow::Result<Exit> {
    let mut connection = db.acquire().await.context("could not reach the control database")?;
    let verdict = audit::verify(&mut connection, keys, known).await.context("could not read the audit")?;
    out::print(&format!("verified {} rows; head {}", verdict.verified, verdict.head));
    if verdict.anchor > 0 {
        out::print(&format!("rows up to {} were removed by retention", verdict.anchor));
    }
    if verdict.unchained > 0 {
        out::print(&format!(
            "{} rows are from before the audit was chained: only their number is known",
            verdict.unchained
        ));
    }
    match verdict.problem {
        None => Ok(Exit::Done),
        Some(problem) => Err(refuse(Exit::Failed, format!("{problem} ({})", problem.code()), problem.next_step())),
    }
}

async fn export(db: &PgPool, filter: &AuditFilter, format: Format) -> anyhow::Result<()> {
    let format = match format {
        Format::Ndjson => ExportFormat::Ndjson,
        Format::Csv => ExportFormat::Csv,
    };
    let mut text = format.header().to_owned();
    let mut after = None;
    loop {
        let rows = audit::oldest_first(db, filter, after, PAGE).await.context("could not read the audit")?;
        text.extend(rows.iter().map(|row| format.line(row)));
        if !text.is_empty() {
            out::print(text.trim_end_matches('\n'));
        }
        text.clear();
        match rows.last() {
            Some(last) => after = Some(last.id),
            None => return Ok(()),
        }
    }
}

/// What a command did, for the audit.
#[derive(Debug)]
pub struct Deed<'a> {
    /// `user add`
    pub action: &'a str,
    /// `user ann`
    pub object: String,
    /// What else is worth keeping; never a secret.
    pub detail: Value,
}

impl Deed<'_> {
    /// Writes the row in the transaction of what was done and commits both.
    ///
    /// # Errors
    /// When the row cannot be written: then nothing is changed either.
    pub async fn commit(self, mut tx: Transaction<'_, Postgres>, keys: &KeyRing) -> anyhow::Result<()> {
        self.write(&mut tx, keys, "done").await?;
        tx.commit().await.context("could not commit the change")
    }

    /// Writes the row of something that was refused or failed. Says when it cannot be written, unless the database is
    /// read-only: the command fails because of that, and says so itself.
    pub async fn note_failure(self, db: &PgPool, keys: &KeyRing) {
        if let Err(unnoted) = self.failed(db, keys).await
            && !is_read_only(&unnoted)
        {
            out::problem(&format!("the failed command could not be noted in the audit: {unnoted:#}"));
        }
    }

    async fn failed(self, db: &PgPool, keys: &KeyRing) -> anyhow::Result<()> {
        let mut tx = db.begin().await.context("could not reach the control database")?;
        self.write(&mut tx, keys, "failed").await?;
        tx.commit().await.context("could not write the audit")
    }

    async fn write(self, tx: &mut PgConnection, keys: &KeyRing, outcome: &str) -> anyhow::Result<()> {
        let (actor, action) = (operator(), format!("elt {}", self.action));
        let row = NewAuditRow {
            actor: &actor,
            ip: None,
            action: &action,
            object: Some(&self.object),
            outcome,
            detail: self.detail,
            request_id: None,
        };
        audit::append(tx, keys, row).await.map_err(|error| match error {
            sqlx::Error::Configuration(reason) => refuse(
                Exit::Settings,
                format!("nothing was changed: {reason}"),
                "Set ELT_SECRET_KEY, or name the --data-dir of the `elt up` that made the keys.",
            ),
            error => anyhow::Error::new(error).context("could not write the audit, so nothing was changed"),
        })
    }
}

fn known_head(text: &str) -> Result<(i64, Vec<u8>), String> {
    let parsed = text.split_once(':').and_then(|(seq, hash)| {
        let bytes = (0..hash.len()).step_by(2).map(|at| u8::from_str_radix(hash.get(at..at + 2)?, 16).ok());
        Some((seq.parse().ok()?, bytes.collect::<Option<Vec<u8>>>().filter(|bytes| bytes.len() == 32)?))
    });
    parsed.ok_or_else(|| "write it as `elt audit verify` prints it: SEQ:HASH".into())
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let day = text.parse::<NaiveDate>().ok().and_then(|day| day.and_hms_opt(0, 0, 0)).map(|start| start.and_utc());
    day.or_else(|| text.parse().ok()).ok_or_else(|| "write it as 2026-11-29 or 2026-11-29T08:00:00Z".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_is_printed() {
        let head = format!("812:{}", "0f".repeat(32));
        assert_eq!(known_head(&head), Ok((812, vec![15; 32])));
        for wrong in ["812", "812:0f", "x:00", "812:ää", &format!("1:{}", "0g".repeat(32))] {
            assert!(known_head(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_instant_is_a_day_or_a_moment() {
        assert_eq!(instant("2026-11-29").unwrap().to_rfc3339(), "2026-11-29T00:00:00+00:00");
        assert_eq!(instant("2026-11-29T09:00:00+01:00").unwrap().to_rfc3339(), "2026-11-29T08:00:00+00:00");
        assert!(instant("yesterday").is_err());
    }
}
