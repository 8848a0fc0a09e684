//! The look of a tick at the sources of its schedule, with what the schedule and the target know of them.

use std::time::Duration;

use elt_shared::config::template::{SINCE, Values};
use elt_shared::config::{PipelineConfig, SourceConfig, api_identities};
use elt_shared::cursor::CursorValue;
use elt_shared::explained::{Code, Explained};
use elt_shared::runs::leases::TICK_LEASE;
use elt_shared::store::schedules::{DueTick, SourceLook};
use elt_shared::target::{self, AnswerLimits, TableRef};
use sqlx::Connection;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config_cache;
use crate::error::{PipelineError, Result};
use crate::extract::ExtractContext;
use crate::extract::http::look::{Known, KnownCursor};
use crate::extract::look::{self, Look};
use crate::load::{cursors, records_path, session};
use crate::paths;
use crate::thread::on_own_thread;
use crate::worker_context::WorkerContext;

/// Longest time for a look. It is shorter than the lease of a tick, because the decision must be written before another
/// worker does the tick.
const LOOK_TIMEOUT: Duration = TICK_LEASE.saturating_sub(Duration::from_secs(10));

/// Looks at the sources of a schedule.
pub(super) async fn look(worker: &WorkerContext, due: &DueTick) -> Result<Look> {
    let schedule = &due.schedule;
    let config = worker.configs.get(&worker.db, &worker.settings, schedule.config_id).await?;
    let used = paths::UsedConfig { config_id: schedule.config_id, queue: &schedule.queue, options: &schedule.options };
    let context = paths::change_check_context(
        &worker.settings,
        &config,
        used,
        worker.db.clone(),
        worker.tokens.clone(),
        worker.stopping.clone(),
    );
    let cloud = config_cache::lent_credentials(&worker.db, &worker.settings, schedule.config_id, &config).await?;
    let context = ExtractContext { cloud, ..context };
    let before = schedule.looks.as_ref().map(|looks| looks.0.clone()).unwrap_or_default();
    let worker = worker.clone();
    let cut = CancellationToken::new();
    let _cut = cut.clone().drop_guard();
    let looking = on_own_thread(cut, async move || {
        let known = known(&worker, &config, before).await?;
        let read_before = (0..known.len()).filter(|index| known[*index].cursor.is_some()).collect();
        let context = ExtractContext { values: values(&config, &known)?, read_before, ..context };
        look::look(&config, &context, &known).await
    });
    match timeout(LOOK_TIMEOUT, looking).await {
        Ok(Ok(Some(seen))) => seen,
        Ok(Ok(None)) => Err(PipelineError::Stopped),
        Ok(Err(panicked)) => Err(PipelineError::Internal(format!("looking at the sources: {panicked}"))),
        Err(_) => Err(PipelineError::Extract(Explained {
            code: Code::SourceSlow,
            message: format!("looking at the sources took longer than {} s", LOOK_TIMEOUT.as_secs()),
            next_step: "Look at the source; a longer monitor interval does not help a look that takes this long."
                .into(),
        })),
    }
}

/// What is known of each source: the look before, and the cursor of an incremental source.
async fn known(worker: &WorkerContext, config: &PipelineConfig, before: Vec<SourceLook>) -> Result<Vec<Known>> {
    let identities = api_identities(&config.sources);
    let mut before = before.into_iter();
    let mut known: Vec<Known> = identities
        .iter()
        .map(|identity| Known { before: identity.as_ref().and_then(|_| before.next()), ..Known::default() })
        .collect();
    let is_incremental = |source: &SourceConfig| matches!(source, SourceConfig::Api(api) if api.incremental.is_some() && api.probe.is_none());
    if !config.sources.iter().any(is_incremental) {
        return Ok(known);
    }
    let name = format!("elt:look:{}", worker.id);
    let default = worker.settings.target_url.as_ref();
    let mut connection =
        target::connect(&config.target.database, default, &worker.settings.network, &name, AnswerLimits::LOAD).await?;
    let table = TableRef::find(&mut connection, &config.target.table).await?;
    let state = session::table_state(&mut connection, &table).await?;
    let states = cursors::stored(&mut connection, &table, state.as_ref(), &config.name).await?;
    let records = records_path::stored(&mut connection, &table, state.as_ref()).await?;
    // A failure is ignored, because the server also ends the session when the socket closes.
    let _ = connection.close().await;
    for ((known, identity), source) in known.iter_mut().zip(identities).zip(&config.sources) {
        let (Some(identity), SourceConfig::Api(api)) = (identity, source) else { continue };
        let Some(incremental) = &api.incremental else { continue };
        // What stands for the whole document is what is read without a path.
        known.records = records.get(&identity).filter(|path| !["$", "$[*]"].contains(&path.as_str())).cloned();
        let state = states.iter().find(|state| state.source == identity && state.cursor_path == incremental.cursor);
        known.cursor = state.and_then(|state| {
            Some(KnownCursor {
                value: state.cursor()?,
                edge: state.edge.clone(),
                page_rows: state.page_rows.try_into().unwrap_or(0),
                version: state.moved_at.timestamp_micros(),
            })
        });
    }
    Ok(known)
}

/// The values of the placeholders in the requests of a look. Lookback is left out, because the first page would have nothing but
/// rows that are loaded already.
fn values(config: &PipelineConfig, known: &[Known]) -> Result<Vec<Values>> {
    let mut all = Vec::new();
    for (source, known) in config.sources.iter().zip(known) {
        let mut values = Values::default();
        if let SourceConfig::Api(api) = source
            && let Some(incremental) = &api.incremental
        {
            let begin = known.cursor.as_ref().map(|cursor| cursor.value.clone());
            let begin = begin.or_else(|| incremental.start.as_deref().and_then(CursorValue::of));
            let since = begin.map(|begin| begin.sent(incremental.format)).transpose().map_err(|error| {
                PipelineError::Extract(Explained {
                    code: Code::CursorUnusable,
                    message: format!("a source cannot be asked for what is new: {error}"),
                    next_step: "Correct `format` of `incremental` to the kind of the cursor.".into(),
                })
            })?;
            values.set(SINCE, since.map(|since| incremental.value(since)));
        }
        all.push(values);
    }
    Ok(all)
}
