//! The values of `for_each`, for each of which a source's requests are made. They are kept in a file of the spool, so that
//! any number of them takes the same memory.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use elt_shared::config::template::Value;
use elt_shared::config::{ForEach, ParentsFrom, PipelineConfig, SourceConfig};
use elt_shared::explained::{Code, Explained};
use elt_shared::target::{self, AnswerLimits, SelectedValue, TableRef};
use serde_json::value::RawValue;
use sqlx::postgres::PgDatabaseError;
use sqlx::{Connection, PgConnection};
use xxhash_rust::xxh3::xxh3_128;

use super::ExtractContext;
use crate::error::outage::Outage;
use crate::error::{PipelineError, Result};
use crate::frame::{CellKind, Piece, RawBatch, read};
use crate::input::InputFile;

/// Longest value, in bytes.
const MAX_VALUE_BYTES: usize = 1 << 20;
/// The `application_name` of a session that selects values.
const APPLICATION_NAME: &str = "elt:for_each";

/// The values, in their order and each once.
#[derive(Debug, Clone)]
pub struct Parents {
    path: PathBuf,
    /// Number of the values.
    pub count: u64,
    /// Sentences for the report.
    pub warnings: Vec<String>,
}

/// A value for which an API is asked, such as the id of a customer whose orders are wanted.
#[derive(Debug, Clone)]
pub struct Parent {
    /// Number among the values, from 1.
    pub number: u64,
    /// The value.
    pub value: Value,
    /// Where it is from, without the value itself: `value 7`, `https://shop.example.com/customers:12`.
    pub place: String,
}

impl Parents {
    /// Finds the values for a source. `files` are those of the sources before it.
    ///
    /// # Errors
    /// When there are more than `limit`, or they cannot be had.
    pub(super) async fn find(
        index: usize,
        each: &ForEach,
        config: &PipelineConfig,
        files: &[InputFile],
        context: &ExtractContext,
    ) -> Result<Self> {
        std::fs::create_dir_all(&context.spool).map_err(|source| not_kept(&context.spool, source))?;
        let path = context.spool.join(format!("values-{index}.jsonl"));
        let values = ValuesFile::create(path, index, each)?;
        match &each.from {
            ParentsFrom::Sql { .. } => {
                tokio::select! {
                    biased;
                    () = context.stop.cancelled() => Err(PipelineError::Stopped),
                    selected = select(values, each, config, context) => selected,
                }
            }
            ParentsFrom::Source { source, column } => {
                let is_parent = |config: &SourceConfig| match config {
                    SourceConfig::Api(api) => api.name.as_ref() == Some(source),
                    _ => false,
                };
                let parent = config.sources.iter().position(is_parent);
                let files = files.iter().filter(|file| Some(file.source) == parent).cloned().collect();
                let (source, column) = (source.clone(), column.clone());
                let reading = tokio::task::spawn_blocking(move || values.read_column(files, &source, &column));
                reading.await.map_err(|error| PipelineError::Internal(format!("reading values: {error}")))?
            }
        }
    }

    /// The values, read from their file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn iter(&self) -> io::Result<impl Iterator<Item = io::Result<Parent>> + use<>> {
        let lines = BufReader::new(File::open(&self.path)?).lines();
        Ok((1..).zip(lines).map(|(number, line)| {
            // A number of more than 64 bits would lose digits as a `serde_json::Value`.
            let (value, place): (Box<RawValue>, String) = serde_json::from_str(&line?)?;
            let value = match value.get() {
                text if text.starts_with('"') => Value::Text(serde_json::from_str(text)?),
                number => number.parse().map(Value::Whole).map_err(io::Error::other)?,
            };
            Ok(Parent { number, value, place })
        }))
    }
}

/// The file of the values, while they are found.
struct ValuesFile {
    path: PathBuf,
    out: BufWriter<File>,
    /// The values that are in the file, by their hashes.
    known: HashSet<u128>,
    limit: u64,
    /// Number of rows without a value.
    empty: u64,
    /// The values as people see them: "the values for {{id}} of source 2".
    what: String,
}

impl ValuesFile {
    fn create(path: PathBuf, index: usize, each: &ForEach) -> Result<Self> {
        let file = File::create(&path).map_err(|source| not_kept(&path, source))?;
        let what = format!("the values for {{{{{}}}}} of source {}", each.name, index + 1);
        Ok(Self { path, out: BufWriter::new(file), known: HashSet::new(), limit: each.limit, empty: 0, what })
    }

    fn fail(&self, why: impl std::fmt::Display, next_step: &str) -> PipelineError {
        PipelineError::Extract(Explained {
            code: Code::ForEachValues,
            message: format!("{} could not be had: {why}", self.what),
            next_step: next_step.to_owned(),
        })
    }

    /// Adds a value, unless it is there already. One that is empty would lead to another place of the API and counts as none.
    fn add(&mut self, text: &str, is_number: bool, place: impl FnOnce() -> String) -> Result<()> {
        if text.is_empty() {
            self.empty += 1;
            return Ok(());
        }
        if text.len() > MAX_VALUE_BYTES {
            return Err(self.fail("one is larger than 1 MiB", "Name a column with shorter values in `for_each`."));
        }
        let whole = if is_number { text.parse::<i128>().ok() } else { None };
        let value = match whole {
            Some(number) => number.to_string(),
            None => serde_json::Value::from(text).to_string(),
        };
        if !self.known.insert(xxh3_128(value.as_bytes())) {
            return Ok(());
        }
        if self.known.len() as u64 > self.limit {
            return Err(self.fail(
                format_args!("there are more than the {} that `limit` allows", self.limit),
                "Raise `limit` of `for_each` if that many requests are meant, or select fewer values.",
            ));
        }
        let place = serde_json::Value::from(place());
        writeln!(self.out, "[{value},{place}]").map_err(|source| not_kept(&self.path, source))
    }

    fn finish(mut self, rows: &str) -> Result<Parents> {
        self.out.flush().map_err(|source| not_kept(&self.path, source))?;
        let mut warnings = Vec::new();
        if self.empty > 0 {
            warnings.push(format!("{}: the {rows} without one were passed over ({})", self.what, self.empty));
        }
        let count = self.known.len() as u64;
        tracing::info!(count, "found {}", self.what);
        Ok(Parents { path: self.path, count, warnings })
    }

    /// Reads the values of a column. It blocks its thread.
    fn read_column(mut self, files: Vec<InputFile>, source: &str, column: &str) -> Result<Parents> {
        let (mut found, mut rows) = (false, 0);
        let mut names: Vec<String> = Vec::new();
        for (index, file) in files.iter().enumerate() {
            let unreadable = |error: read::FileError| {
                PipelineError::Extract(Explained {
                    code: error.code,
                    message: error.message,
                    next_step: error.next_step.into_owned(),
                })
            };
            let mut reader = read::open(index, file).map_err(unreadable)?;
            while let Some(piece) = reader.next().map_err(unreadable)? {
                match piece {
                    Piece::Bad(bad) => {
                        let why = format!("{}:{} is not a row: {}", file.name, bad.line, bad.reason);
                        return Err(self.fail(why, "Find out why the API answers with that, and run again."));
                    }
                    Piece::Rows(batch) => {
                        rows += batch.rows();
                        names.extend(
                            batch.names.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>(),
                        );
                        found |= self.add_column(&batch, column, &file.name)?;
                    }
                }
            }
        }
        if !found && rows > 0 {
            names.truncate(20);
            let why = format!("the rows of {source} have no column {column:?}; they have {}", names.join(", "));
            return Err(self.fail(why, "Correct `column` of `for_each`."));
        }
        self.finish(&format!("rows of {source}"))
    }

    /// Adds the values of a batch. Returns false when it does not have the column.
    fn add_column(&mut self, batch: &RawBatch, column: &str, file: &str) -> Result<bool> {
        let Some(index) = batch.names.iter().position(|name| name == column) else {
            self.empty += batch.rows() as u64;
            return Ok(false);
        };
        for row in 0..batch.rows() {
            let (kind, bytes) = batch.columns[index].cell(row);
            if kind == CellKind::Nested {
                let why = format!("{file}:{} has an object or array as {column:?}", batch.lines[row]);
                return Err(self.fail(why, "Name a column with single values in `column` of `for_each`."));
            }
            let text = String::from_utf8_lossy(bytes);
            let text = if kind == CellKind::Null { "" } else { &text };
            self.add(text, kind == CellKind::Number, || format!("{file}:{}", batch.lines[row]))?;
        }
        Ok(true)
    }
}

/// Selects the values in the target.
async fn select(
    mut values: ValuesFile,
    each: &ForEach,
    config: &PipelineConfig,
    context: &ExtractContext,
) -> Result<Parents> {
    let ParentsFrom::Sql { sql, timeout } = &each.from else {
        return Err(PipelineError::Internal("values without a query".to_owned()));
    };
    let (database, default) = (&config.target.database, context.default_target.as_ref());
    let mut connection: PgConnection =
        target::connect(database, default, &context.network, APPLICATION_NAME, AnswerLimits::LOAD).await?;
    let table = TableRef::find(&mut connection, &config.target.table).await?;
    let (mut number, mut failed) = (0, None);
    let mut take = |batch: Vec<SelectedValue>| {
        let added = batch.iter().try_for_each(|value| {
            number += 1;
            values.add(value.text.as_deref().unwrap_or_default(), value.is_number, || format!("value {number}"))
        });
        failed = added.err();
        failed.is_none()
    };
    // The server ends the query at its time limit. A server that does not answer any more ends with this one.
    let patience = *timeout + *timeout + std::time::Duration::from_secs(30);
    let selecting = target::select_values(&mut connection, &table, sql, *timeout, &mut take);
    let selected = tokio::time::timeout(patience, selecting).await;
    if let Some(error) = failed {
        return Err(error);
    }
    match selected {
        Ok(Ok(())) => {
            // A failure is ignored, because the server also ends the session when the socket closes.
            let _ = connection.close().await;
            values.finish("rows of the query")
        }
        Ok(Err(error)) => Err(refused(&values, &error, *timeout)),
        Err(_) => Err(PipelineError::lost("could not select the values of for_each", "the server does not answer")),
    }
}

/// The error about a query that the target did not answer.
fn refused(values: &ValuesFile, error: &sqlx::Error, timeout: std::time::Duration) -> PipelineError {
    let seconds = timeout.as_secs();
    let database = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    let why = match database.map(|database| (database.code(), database.message())) {
        Some(("57014" | "55P03", _)) => {
            return values.fail(
                format_args!("the sql took longer than {seconds} s"),
                "Make the query faster, or raise `timeout_seconds` of `for_each`.",
            );
        }
        Some(("25006", _)) => "the sql tries to write, and here it may only read".to_owned(),
        Some(("42601", message)) if message.contains("multiple commands") => {
            "the sql has several statements, and only one SELECT is allowed".to_owned()
        }
        // Names in the sql are in messages of class 42 (syntax and names). Those of other classes can quote a value.
        Some((code, message)) if code.starts_with("42") => format!("the sql is refused: {message}"),
        Some((code, _)) if Outage::of_session(error).is_none() => {
            format!("the target could not answer the sql (SQLSTATE {code})")
        }
        _ => return PipelineError::lost("could not select the values of for_each", "the connection failed"),
    };
    values.fail(why, "Correct the `sql` of `for_each`: one SELECT whose first column has the values.")
}

fn not_kept(path: &Path, source: io::Error) -> PipelineError {
    PipelineError::Io { doing: format!("keep the values of for_each in {}", path.display()), source }
}
