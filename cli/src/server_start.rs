//! What `elt serve` and `elt worker` do first, before they open their databases.

use elt_shared::settings::{DatabaseSettings, TelemetrySettings};
use elt_shared::telemetry::{self, Telemetry, TelemetryOptions};

use crate::account::RunAs;
use crate::databases::{LocalMode, Place};
use crate::exit::both;
use crate::signals::{self, Stop};
use crate::waiting::{WaitSettings, Waiting};

/// The settings that the start of a server reads.
pub struct StartSettings<'a> {
    pub database: &'a DatabaseSettings,
    pub account: &'a RunAs,
    pub telemetry: &'a TelemetrySettings,
    pub wait: WaitSettings,
}

/// A server that logs and can be stopped, and has no connection yet.
pub struct Started<K> {
    pub place: Place,
    pub keys: K,
    pub telemetry: Telemetry,
    pub stop: Stop,
    pub waiting: Waiting,
}

/// Starts a server. `name` is what its log lines and traces call it.
///
/// # Errors
/// When the keys or the place of the control database are refused, both with one error; when the rights of root cannot be given
/// up; when the log cannot be opened.
pub fn start<K>(
    name: &'static str,
    settings: StartSettings<'_>,
    keys: anyhow::Result<K>,
) -> anyhow::Result<Started<K>> {
    let data_dir = settings.database.data_dir();
    // Keys and place are checked before anything is written, because a refused start should leave nothing behind. The log comes
    // after the change of account, because its file belongs to that account.
    let (place, keys) = both(Place::choose(settings.database, LocalMode::Join), keys)?;
    settings.account.drop_root(&data_dir)?;
    let options = TelemetryOptions { data_dir: Some(data_dir), ..TelemetryOptions::new(name) };
    let telemetry = telemetry::init(settings.telemetry, options)?;
    let stop = signals::listen()?;
    let waiting = settings.wait.begin(stop.gracefully.clone());
    Ok(Started { place, keys, telemetry, stop, waiting })
}
