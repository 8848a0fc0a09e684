//! The YAML a user writes. A [`PipelineConfig`] that exists is runnable: every rule was checked on the way in.
//!
//! # Layout
//! - [`document`]: one YAML mapping with the line and column of every key; limits against bombs; masking
//! - [`reader`]: walks a document, collects warnings for unknown keys and errors with their place
//! - [`source`], [`target`], [`schema`], [`schedule`]: what each section means
//! - [`resolve`]: `${env:NAME}` and `${secret:NAME}`

mod document;
mod error;
mod reader;
mod resolve;
mod schedule;
mod schema;
mod source;
mod target;

use std::path::PathBuf;

pub use document::Document;
pub use error::{ConfigError, ConfigProblem, Warning};
pub use resolve::{NoReferences, Reference, Resolve};
pub use schedule::{CatchUp, MonitorConfig, Overlap, RetryConfig, ScheduleConfig, Window};
pub use schema::{ColumnContract, ColumnType, OnBadRow, OnExtraColumn, RejectLimit, SchemaContract};
pub use source::{
    AfterLoad, ApiSource, AuthScheme, CsvOptions, HostTrust, LocalSource, Pagination, SftpLogin, SftpSource,
    SourceConfig,
};
pub use target::{SslMode, TableName, TargetConfig, TargetDatabase};

/// A checked pipeline: what to extract, what it must look like, and where it goes.
#[derive(Debug, Clone)]
pub struct PipelineConfig {
    /// The pipeline's name; the target table's name when none was given.
    pub name: String,
    /// Never empty.
    pub sources: Vec<SourceConfig>,
    /// The table to load into.
    pub target: TargetConfig,
    /// The contract, when one was written.
    pub schema: Option<SchemaContract>,
    /// Keep only the schema's columns. Without a schema it has no effect.
    pub strict: bool,
    /// What happens to a row that breaks the contract; `None` when not written (PRODUCT rules differ then).
    pub on_bad_row: Option<OnBadRow>,
    /// How rows meet the rows already there.
    pub load: LoadConfig,
    /// `start_time`, `end_time`.
    pub window: Window,
    /// Cron, when written.
    pub schedule: Option<ScheduleConfig>,
    /// Change monitoring.
    pub monitor: MonitorConfig,
    /// Attempts for database and worker losses.
    pub retry: RetryConfig,
    /// Where the combined CSV goes; `None`: `<data dir>/output/<name>-<config id>.csv`.
    pub output_csv_path: Option<PathBuf>,
    /// SQL models run in the target after a load, in this order.
    pub transform: Vec<Transform>,
}

/// A config together with what the user should know about it.
#[derive(Debug, Clone)]
pub struct Checked<T> {
    /// The checked value.
    pub value: T,
    /// Unknown keys and other things that are no error.
    pub warnings: Vec<Warning>,
}

/// How rows meet the rows already there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadConfig {
    /// Append, merge by key, or replace.
    pub mode: LoadMode,
    /// Key columns of a merge; empty otherwise.
    pub key: Vec<String>,
    /// Whether equal rows are loaded once.
    pub dedupe: Dedupe,
}

/// `load.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadMode {
    /// Insert rows that are not there yet.
    Append,
    /// Insert new keys and update known ones; the latest row of a key wins.
    Merge,
    /// The table holds exactly this run's rows afterwards.
    Replace,
}

/// `load.dedupe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dedupe {
    /// Equal rows are loaded once, recognised by their row hash.
    RowHash,
    /// Every row is loaded; the hash stays NULL.
    None,
}

/// One SQL model of `transform:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transform {
    /// Name of the view or table the statement fills.
    pub name: String,
    /// One `select`.
    pub sql: String,
    /// View or table.
    pub materialized: Materialized,
}

/// `transform[].materialized`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Materialized {
    /// `create or replace view`.
    View,
    /// Rebuilt after every load.
    Table,
}
