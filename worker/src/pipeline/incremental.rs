//! Incremental sources in a run: where each begins to read, and what its rows make of its cursor.

use std::cmp::Ordering;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use elt_shared::backfills::Window;
use elt_shared::config::template::{SINCE, UNTIL, Values};
use elt_shared::config::{ApiSource, CursorOrder, Incremental, SourceConfig, TimeFormat, api_identities};
use elt_shared::cursor::{CursorError, CursorKind, CursorValue};
use elt_shared::explained::{Code, Explained};
use elt_shared::json_path::JsonPath;
use elt_shared::runs::report::IncrementalReport;
use elt_shared::target::source_state::SourceState;

use crate::error::{PipelineError, Result};
use crate::extract::http::incremental::{Cursors, request_hash};
use crate::input::InputFile;
use crate::load::cursors::{self, NewCursor};
use crate::load::session::Session;
use crate::run_context::RunContext;

/// The incremental sources of a run, and what each is asked for.
#[derive(Debug, Default)]
pub struct Asking {
    sources: Vec<Asked>,
    /// Sentences for the report.
    pub warnings: Vec<String>,
}

/// An incremental source, and what this run asks it for.
#[derive(Debug)]
struct Asked {
    index: usize,
    identity: String,
    incremental: Incremental,
    request: String,
    /// The cursor of an earlier run, or one that a person set. `None`: no cursor is there that can be used.
    stored: Option<CursorValue>,
    version: Option<DateTime<Utc>>,
    page_rows: i64,
    /// Whether the run loads a window of a backfill, which never moves the cursor.
    is_window: bool,
    /// The value that rows are read from.
    begin: Option<CursorValue>,
    since: Option<String>,
    until: Option<String>,
}

impl Asking {
    /// Reads the cursors from the target and decides what each source is asked for.
    /// `writes`: the run is not a dry run, so that the table of the cursors may be created.
    ///
    /// # Errors
    /// Database failures; a cursor that cannot be sent as the config says.
    pub async fn read(context: &RunContext, session: &mut Session, writes: bool) -> Result<Self> {
        let config = &context.config;
        let identities = api_identities(&config.sources);
        let incremental = config.sources.iter().zip(identities).enumerate();
        let incremental: Vec<_> = incremental
            .filter_map(|(index, (source, identity))| match source {
                SourceConfig::Api(api) => Some((index, api, api.incremental.as_ref()?, identity?)),
                _ => None,
            })
            .collect();
        let mut asking = Self::default();
        if incremental.is_empty() {
            return Ok(asking);
        }
        if writes {
            cursors::ensure(&mut session.connection, &session.table).await?;
        }
        let before = session.table_state().await?;
        let table = session.table.clone();
        let states = cursors::stored(&mut session.connection, &table, before.as_ref(), &config.name).await?;
        if !states.is_empty() && cursors::is_empty(session, before.as_ref()).await? {
            asking.warnings.push(format!(
                "{table} has no rows, but its sources were read before and only what is new is read: `elt state clear` with \
                 the config lets the next run read everything again"
            ));
        }
        for (index, source, incremental, identity) in incremental {
            let state = states.iter().find(|state| state.source == identity);
            let asked = Asked::of(index, source, incremental, identity, state, &mut asking.warnings);
            asking.sources.push(asked.asking_for(context.run.window())?);
        }
        // They are about where the next run begins to read, and a window is asked for itself.
        if context.run.window().is_some() {
            asking.warnings.clear();
        }
        Ok(asking)
    }

    /// Sets the values of the placeholders of each source that is incremental.
    pub fn set_values(&self, values: &mut [Values]) {
        for asked in &self.sources {
            if let Some(values) = values.get_mut(asked.index) {
                values.set(SINCE, asked.since.clone().map(|since| asked.incremental.value(since)));
                values.set(UNTIL, asked.until.clone().map(|until| asked.incremental.value(until)));
            }
        }
    }

    /// For each source that sends its newest rows first: the value below which rows are old.
    pub fn old_below(&self) -> Vec<(usize, CursorValue)> {
        let descending = self.sources.iter().filter(|asked| asked.incremental.order == CursorOrder::Desc);
        descending.filter_map(|asked| Some((asked.index, asked.begin.clone()?))).collect()
    }

    /// The sources of which earlier runs have loaded rows.
    pub fn read_before(&self) -> Vec<usize> {
        self.sources.iter().filter(|asked| asked.stored.is_some()).map(|asked| asked.index).collect()
    }

    /// The cursors after the rows in these files.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub async fn new_cursors(&self, files: &[InputFile], warnings: &mut Vec<String>) -> Result<Vec<NewCursor>> {
        let mut new = Vec::new();
        for asked in &self.sources {
            let of_source = files.iter().filter(|file| file.source == asked.index);
            let files: Vec<_> = of_source.map(|file| (file.path.clone(), file.records.clone())).collect();
            new.push(asked.new_cursor(files, warnings).await?);
        }
        Ok(new)
    }
}

impl Asked {
    fn of(
        index: usize,
        source: &ApiSource,
        incremental: &Incremental,
        identity: String,
        state: Option<&SourceState>,
        warnings: &mut Vec<String>,
    ) -> Self {
        let request = request_hash(source);
        let mut stored = state.and_then(SourceState::cursor);
        let mut ignore = |because: String| {
            warnings.push(format!(
                "{identity} is read from the beginning, because {because}; `elt state set` with the config names a value to \
                 read from instead"
            ));
            stored = None;
        };
        if let Some(state) = state {
            if state.cursor_path != incremental.cursor {
                ignore(format!("its cursor is `{}` now and was `{}` before", incremental.cursor, state.cursor_path));
            } else if state.request.as_ref().is_some_and(|before| *before != request) {
                ignore("its parameters are others than those of the runs before".to_owned());
            } else if state.cursor().is_none() {
                ignore("the cursor that the target keeps of it cannot be read".to_owned());
            }
        }
        Self {
            index,
            identity,
            incremental: incremental.clone(),
            request,
            version: state.map(|state| state.moved_at),
            page_rows: state.map_or(0, |state| state.page_rows),
            stored,
            is_window: false,
            begin: None,
            since: None,
            until: None,
        }
    }

    /// Decides what the source is asked for.
    fn asking_for(mut self, window: Option<Window>) -> Result<Self> {
        let format = self.incremental.format;
        if let Some(window) = window {
            let format = format.unwrap_or(TimeFormat::Rfc3339);
            self.is_window = true;
            self.since = Some(format.write(window.from));
            self.until = Some(format.write(window.to));
            return Ok(self);
        }
        let begin = match &self.stored {
            Some(stored) => Some(self.incremental.begin(stored).map_err(|error| self.unusable(error))?),
            None => self.incremental.start.as_deref().and_then(CursorValue::of),
        };
        if let Some(begin) = &begin {
            self.since = Some(begin.sent(format).map_err(|error| self.unusable(error))?);
        }
        self.begin = begin;
        Ok(self)
    }

    fn unusable(&self, error: CursorError) -> PipelineError {
        PipelineError::Extract(Explained {
            code: Code::CursorUnusable,
            message: format!("{} cannot be asked for what is new: {error}", self.identity),
            next_step: "Correct `lookback` and `format` of `incremental` to the kind of the cursor, or look at the cursor with \
                        `elt state show` and set another one."
                .into(),
        })
    }

    async fn new_cursor(&self, files: Vec<(PathBuf, Option<String>)>, warnings: &mut Vec<String>) -> Result<NewCursor> {
        let cursors = read(files, self.incremental.cursor.clone()).await?;
        let start = self.incremental.start.as_deref().and_then(CursorValue::of);
        let compared = cursors.compared(self.stored.as_ref(), start.as_ref());
        if compared.rows_without > 0 && !self.is_window {
            warnings.push(self.about_rows_without(compared.rows_without, cursors.rows, &compared.other_kinds));
        }
        let tomorrow = CursorValue::of(&TimeFormat::Rfc3339.write(Utc::now() + TimeDelta::days(1)));
        let is_ahead = |value: &CursorValue| {
            tomorrow.as_ref().is_some_and(|tomorrow| value.compare(tomorrow) == Some(Ordering::Greater))
        };
        let ahead = compared.greatest.as_ref().is_some_and(is_ahead) || self.stored.as_ref().is_some_and(is_ahead);
        if ahead && !self.is_window {
            warnings.push(format!(
                "{}: the greatest `{}` lies in the future, so that rows before it are not asked for any more: correct the \
                 row, and set the cursor back with `elt state set`",
                self.identity, self.incremental.cursor
            ));
        }
        let report = IncrementalReport {
            source: self.identity.clone(),
            cursor: self.incremental.cursor.clone(),
            since: self.since.clone(),
            until: self.until.clone(),
            rows_without: compared.rows_without,
            ..IncrementalReport::default()
        };
        Ok(NewCursor {
            source: self.identity.clone(),
            incremental: self.incremental.clone(),
            stored: self.stored.clone(),
            version: self.version,
            greatest: compared.greatest,
            moves: !self.is_window,
            request: self.request.clone(),
            page_rows: i64::try_from(cursors.page_rows).unwrap_or(i64::MAX).max(self.page_rows),
            edge: compared.edge,
            report,
        })
    }

    fn about_rows_without(&self, without: u64, rows: u64, kinds: &[CursorKind]) -> String {
        let cursor = &self.incremental.cursor;
        let identity = &self.identity;
        if kinds.is_empty() && without == rows {
            return format!(
                "{identity}: none of the {rows} rows has a `{cursor}`, so that every run reads everything: correct `cursor` of \
                 `incremental`"
            );
        }
        let also = match kinds {
            [] => String::new(),
            kinds => {
                let kinds: Vec<_> = kinds.iter().map(|kind| format!("a {kind}")).collect();
                format!(", or have {} there, which cannot be compared with the others", kinds.join(" or "))
            }
        };
        format!(
            "{identity}: {without} of {rows} rows have no `{cursor}`{also}: they are loaded, and do not move the cursor"
        )
    }
}

/// Reads the cursors of all rows.
async fn read(files: Vec<(PathBuf, Option<String>)>, cursor: String) -> Result<Cursors> {
    let reading = tokio::task::spawn_blocking(move || {
        let mut all = Cursors::default();
        let Ok(cursor) = cursor.parse::<JsonPath>() else { return Ok(all) };
        for (path, records) in files {
            let records = records.and_then(|records| records.parse::<JsonPath>().ok());
            all.join(Cursors::read(&path, records.as_ref(), &cursor)?);
        }
        Ok(all)
    });
    let failed = |source| PipelineError::Io { doing: "look for the cursors in the answers".into(), source };
    reading.await.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(failed)
}
