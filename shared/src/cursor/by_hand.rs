//! The cursors of a pipeline's incremental sources as people see, set and clear them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{Connection, PgConnection, Postgres, Transaction};
use utoipa::ToSchema;
use uuid::Uuid;

use super::CursorValue;
use crate::config::{Incremental, PipelineConfig, SourceConfig, api_identities};
use crate::explained::{Code, Explained};
use crate::target::TableRef;
use crate::target::source_state::{self, Move, MovedBy, SourceState};

/// The cursor of an incremental source.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SourceCursor {
    /// Number of the source in the config, from 1.
    pub number: usize,
    /// Kind and place of the source, without secrets.
    pub source: String,
    /// Column or path of the cursor in a row.
    pub cursor: String,
    /// The greatest value that was loaded, or the one that a person set. `null`: nothing was loaded or set yet.
    pub value: Option<String>,
    /// The value that the next run reads from. `null`: it reads everything.
    pub since: Option<String>,
    /// When it was moved, set, or seen last.
    pub moved_at: Option<DateTime<Utc>>,
    /// The run that moved it. `null`: a person set it, or nothing was loaded or set yet.
    pub run_id: Option<Uuid>,
    /// The person who set it.
    pub set_by: Option<String>,
}

/// The reason why a cursor cannot be shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// No source has `incremental`.
    #[error("the pipeline {0} has no incremental source")]
    NotIncremental(String),
    /// Several sources have `incremental`, and none was named.
    #[error("the pipeline has several incremental sources ({0}), and the number of one is missing")]
    WhichSource(String),
    /// The source with this number has no `incremental`, or does not exist.
    #[error("source {number} is not incremental; these are: {those}")]
    NoSuchSource {
        /// The number that was given.
        number: usize,
        /// The numbers of the incremental sources.
        those: String,
    },
    /// The value cannot be a cursor, or cannot be sent.
    #[error("the value cannot be used: {0}")]
    BadValue(String),
    /// The address of the source refers to something that only workers resolve, and no run has loaded it yet.
    #[error("the address of source {0} refers to a variable or a secret, so that it is known only after the first run")]
    Unresolved(usize),
    /// The target failed.
    #[error("the target could not be asked")]
    Database(#[from] sqlx::Error),
}

impl StateError {
    /// Code, sentence and next step. The driver's message is left out, because it may quote a value.
    pub fn explained(&self) -> Explained {
        let (code, next_step) = match self {
            Self::NotIncremental(_) => (Code::NotIncremental, "Write `incremental` in an api source of the config."),
            Self::WhichSource(_) | Self::NoSuchSource { .. } => {
                (Code::NotIncremental, "Name the number of one of these sources.")
            }
            Self::Unresolved(_) => {
                (Code::NotIncremental, "Run the pipeline first, or write `start` in `incremental` of the source.")
            }
            Self::BadValue(_) => (
                Code::CursorUnusable,
                "Write a value as the API writes it in its rows: a time such as 2026-11-29T00:00:00Z, or a number.",
            ),
            Self::Database(_) => {
                (Code::TargetLost, "Test the connection of the config; the login needs the rights that a load needs.")
            }
        };
        Explained::new(code, self.to_string(), next_step)
    }
}

struct Incrementals<'a>(Vec<(usize, String, &'a Incremental)>);

/// Beginning of the identity of a source whose address refers to a variable or a secret, which only workers resolve.
const UNRESOLVED: &str = "api ";

impl<'a> Incrementals<'a> {
    fn of(config: &'a PipelineConfig, states: &[SourceState]) -> Result<Self, StateError> {
        let sources = config.sources.iter().zip(api_identities(&config.sources)).enumerate();
        let incremental = sources.filter_map(|(index, (source, identity))| match source {
            SourceConfig::Api(api) => Some((index + 1, identity?, api.incremental.as_ref()?)),
            _ => None,
        });
        let mut all: Vec<_> = incremental.collect();
        if all.is_empty() {
            return Err(StateError::NotIncremental(config.name.clone()));
        }
        let named: Vec<String> = all.iter().map(|(_, identity, _)| identity.clone()).collect();
        let mut others = states.iter().filter(|state| !named.contains(&state.source));
        let mut unresolved = all.iter_mut().filter(|(_, identity, _)| identity.trim_end() == UNRESOLVED.trim_end());
        // Which state belongs to which of several such sources is unknown.
        if let (Some((_, identity, _)), Some(state), None, None) =
            (unresolved.next(), others.next(), unresolved.next(), others.next())
        {
            identity.clone_from(&state.source);
        }
        Ok(Self(all))
    }

    fn numbers(&self) -> String {
        self.0.iter().map(|(number, ..)| number.to_string()).collect::<Vec<_>>().join(", ")
    }

    /// The source with a number, or the only one.
    fn one(&self, number: Option<usize>) -> Result<&(usize, String, &'a Incremental), StateError> {
        let one = match (number, &self.0[..]) {
            (None, [one]) => one,
            (None, _) => return Err(StateError::WhichSource(self.numbers())),
            (Some(number), all) => all
                .iter()
                .find(|(known, ..)| *known == number)
                .ok_or_else(|| StateError::NoSuchSource { number, those: self.numbers() })?,
        };
        match one.1.trim_end() == UNRESOLVED.trim_end() {
            true => Err(StateError::Unresolved(one.0)),
            false => Ok(one),
        }
    }
}

/// The cursors of all incremental sources.
///
/// # Errors
/// A pipeline without one; database failures.
pub async fn show(
    connection: &mut PgConnection,
    table: &TableRef,
    config: &PipelineConfig,
) -> Result<Vec<SourceCursor>, StateError> {
    let states = source_state::list(connection, table, &config.name).await?;
    let sources = Incrementals::of(config, &states)?;
    let of = |identity: &String| states.iter().find(|state| state.source == *identity);
    Ok(sources
        .0
        .iter()
        .map(|(number, identity, incremental)| view(*number, identity, incremental, of(identity)))
        .collect())
}

fn view(number: usize, identity: &str, incremental: &Incremental, state: Option<&SourceState>) -> SourceCursor {
    // A run does not use the value of another column either.
    let known = state.filter(|state| state.cursor_path == incremental.cursor).and_then(SourceState::cursor);
    let begin = match known {
        Some(value) => incremental.begin(&value).ok(),
        None => incremental.start.as_deref().and_then(CursorValue::of),
    };
    SourceCursor {
        number,
        source: identity.to_owned(),
        cursor: incremental.cursor.clone(),
        value: state.map(|state| state.value.clone()),
        since: begin.and_then(|begin| begin.sent(incremental.format).ok()),
        moved_at: state.map(|state| state.moved_at),
        run_id: state.and_then(|state| state.run_id),
        set_by: state.and_then(|state| state.set_by.clone()),
    }
}

/// Sets the cursor of a source: of the one with this number, or of the only one. The caller commits the transaction, after
/// the change was noted in the audit.
///
/// # Errors
/// A source that is not incremental; a value that cannot be a cursor; database failures.
pub async fn set<'a>(
    connection: &'a mut PgConnection,
    table: &TableRef,
    config: &PipelineConfig,
    number: Option<usize>,
    (value, by): (&str, &str),
) -> Result<Transaction<'a, Postgres>, StateError> {
    let states = source_state::list(connection, table, &config.name).await?;
    let sources = Incrementals::of(config, &states)?;
    let (_, identity, incremental) = sources.one(number)?;
    let value = CursorValue::of(value).ok_or_else(|| StateError::BadValue("it is empty or too long".to_owned()))?;
    let sent = incremental.begin(&value).and_then(|begin| begin.sent(incremental.format));
    sent.map_err(|error| StateError::BadValue(error.to_string()))?;
    let mut tx = connection.begin().await?;
    source_state::ensure(&mut tx, table).await?;
    let to = Move {
        pipeline: &config.name,
        source: identity,
        cursor_path: &incremental.cursor,
        value: &value,
        request: None,
        page_rows: 0,
        edge: None,
        by: MovedBy::Person(by),
    };
    source_state::set(&mut tx, table, &to).await?;
    Ok(tx)
}

/// Clears the cursor of a source, or of all when no number is given: the next run reads as the first one did. The caller
/// commits the transaction, after the change was noted in the audit.
///
/// # Errors
/// A source that is not incremental; database failures.
pub async fn clear<'a>(
    connection: &'a mut PgConnection,
    table: &TableRef,
    config: &PipelineConfig,
    number: Option<usize>,
) -> Result<Transaction<'a, Postgres>, StateError> {
    let states = source_state::list(connection, table, &config.name).await?;
    let sources = Incrementals::of(config, &states)?;
    let identity = match number {
        Some(number) => Some(sources.one(Some(number))?.1.as_str()),
        None => None,
    };
    let mut tx = connection.begin().await?;
    source_state::clear(&mut tx, table, &config.name, identity).await?;
    Ok(tx)
}
