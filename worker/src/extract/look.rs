//! A look at the sources of a pipeline: whether they may have something that is not loaded. It is cheap enough to be taken every
//! few seconds: files are listed, and an API gets one request at most.

use std::time::{Duration, Instant};

use elt_shared::config::{PipelineConfig, SourceConfig};
use elt_shared::store::schedules::SourceLook;
use xxhash_rust::xxh3::Xxh3;

use super::http::HttpLimits;
use super::http::look::{self, Known};
use super::{ExtractContext, inbox, local, places, sftp};
use crate::error::Result;

/// Longest time for the looks at all APIs. It is shorter than the time that a tick has, so that APIs which are slow together
/// are left to a run instead of failing every look.
const APIS_WITHIN: Duration = Duration::from_secs(40);

/// The result of a look at the sources of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look {
    /// A value that changes when a source that is compared with the look before may have changed.
    pub fingerprint: [u8; 16],
    /// Hash of what incremental sources have that is not loaded. `None`: nothing.
    pub news: Option<String>,
    /// Whether only a run finds out if a source has anything new.
    pub needs_run: bool,
    /// How each API was looked at, in the order of the sources.
    pub looks: Vec<SourceLook>,
}

/// Looks at every source. `known` has what is known of each, in the order of the sources; a source beyond its end is looked at
/// for the first time.
///
/// # Errors
/// A source that is missing, unreachable or refused; [`PipelineError::Stopped`](crate::error::PipelineError::Stopped) when
/// asked to stop. A source that cannot be checked counts as unchanged.
pub async fn look(config: &PipelineConfig, context: &ExtractContext, known: &[Known]) -> Result<Look> {
    let (mut all, mut news) = (Xxh3::new(), Xxh3::new());
    let mut look = Look::default();
    let mut has_news = false;
    let unknown = Known::default();
    let began = Instant::now();
    for (index, source) in config.sources.iter().enumerate() {
        let fingerprint = match source {
            SourceConfig::Local(local) => local::fingerprint(index, local, context).await?,
            SourceConfig::Inbox(inbox) => inbox::fingerprint(index, inbox, context).await?,
            SourceConfig::Sftp(sftp) => sftp::fingerprint(sftp, context).await?,
            SourceConfig::Api(api) => {
                let known = known.get(index).unwrap_or(&unknown);
                let total = APIS_WITHIN.saturating_sub(began.elapsed());
                let limits = HttpLimits { total, ..HttpLimits::default() };
                let seen = look::look_within(index, api, context, known, &limits).await?;
                if let Some(hash) = seen.news {
                    news.update(&hash.to_le_bytes());
                    has_news = true;
                }
                look.needs_run |= seen.needs_run;
                look.looks.push(seen.look);
                seen.fingerprint
            }
            place => {
                let seen = places::look(place, context).await?;
                look.needs_run |= seen.needs_run;
                seen.fingerprint
            }
        };
        all.update(&fingerprint.to_le_bytes());
    }
    look.fingerprint = all.digest128().to_le_bytes();
    look.news = has_news.then(|| format!("{:032x}", news.digest128()));
    Ok(look)
}

/// The fingerprint of a look, taken by a run before it reads the sources. Of the APIs only those are asked that the next look
/// compares with it.
///
/// # Errors
/// As [`look()`].
pub async fn fingerprint(config: &PipelineConfig, context: &ExtractContext) -> Result<[u8; 16]> {
    let mut all = Xxh3::new();
    for (index, source) in config.sources.iter().enumerate() {
        let fingerprint = match source {
            SourceConfig::Local(local) => local::fingerprint(index, local, context).await?,
            SourceConfig::Inbox(inbox) => inbox::fingerprint(index, inbox, context).await?,
            SourceConfig::Sftp(sftp) => sftp::fingerprint(sftp, context).await?,
            SourceConfig::Api(api) if look::is_compared(api) => {
                look::look(index, api, context, &Known::default()).await?.fingerprint
            }
            SourceConfig::Api(_) => 0,
            place => places::look(place, context).await?.fingerprint,
        };
        all.update(&fingerprint.to_le_bytes());
    }
    Ok(all.digest128().to_le_bytes())
}
