//! The YAML a user writes. A [`PipelineConfig`] that exists is runnable: every rule was checked on the way in.
//!
//! # Layout
//! - [`Document`]: one YAML mapping; what it says, and how it may be shown
//! - `tree`, `node`: from text to values that know their line and column, within limits against bombs;
//!   `yaml_rules`: refuses what YAML forbids but the parser accepts; `second_parser`: refuses a text that two parsers
//!   read differently
//! - `keys`: how the keys of a section are declared, once, for reading and for [`json_schema()`];
//!   `reader`, `field`, `section`: walk a document by them, collect warnings and problems with their place
//! - `pipeline`, `source`, `target`, `table_name`, `table_pattern`, `partition`, `keep`, `schema`, `column_type`, `load`, `checks`, `schedule`,
//!   `retry`, `transform`, `notify`: what each section means
//! - [`expression`], `shaping`: what becomes of the columns before the schema sees them
//! - `moment`, `duration`: points in time, and lengths of time
//! - [`TimeLimit`]: the time limit of a check
//! - `mask`, `secret_detection`: hiding secrets where they stand, and what counts as one
//! - `resolve`: `${env:NAME}` and `${secret:NAME}`; `content_key`: what "the same YAML" means

mod certificates;
mod checks;
mod column_type;
mod content_key;
mod document;
mod duration;
mod error;
mod field;
mod json_schema;
mod keep;
pub(crate) mod keys;
mod load;
mod mask;
mod moment;
mod node;
mod notify;
mod output;
mod partition;
mod pipeline;
mod provenance;
mod reader;
#[cfg(test)]
mod reference;
mod resolve;
mod retry;
mod schedule;
mod schema;
mod second_parser;
mod secret_detection;
mod section;
mod shaping;
mod source;
mod table_name;
mod table_pattern;
mod target;
mod time_limit;
mod transform;
mod tree;
mod yaml_rules;

pub use certificates::PemCertificates;
pub use checks::{Check, CheckRule, CheckScope, OnFail};
pub use column_type::ColumnType;
pub use content_key::content_key;
pub use document::Document;
pub use duration::{parse as parse_duration, shown as shown_duration};
pub use error::{ConfigError, ConfigProblem, Warning};
pub use json_schema::json_schema;
pub use keep::{KeepConfig, Then};
pub use keys::nearest;
pub use load::{Dedupe, LoadConfig, LoadMode, ProfileLevel};
pub(crate) use mask::Finder;
pub use notify::{EmailAddress, MailEncryption, MailServer, NotifyAddress, WebhookAddress};
pub use output::{OutputCompression, OutputConfig, OutputFormat, is_output_name};
pub use partition::{Every, PartitionConfig};
pub use pipeline::PipelineConfig;
pub use provenance::Provenance;
pub use resolve::{NoReferences, Reference, Resolve, SecretRefusal, Unresolved};
pub use retry::{Outages, RetryConfig};
pub use schedule::{CatchUp, MonitorConfig, Overlap, ScheduleConfig, StartRules, Window};
pub use schema::{ColumnContract, OnBadRow, OnExtraColumn, RejectLimit, SchemaContract};
pub use secret_detection::{is_secret_header, is_secret_name, is_secret_parameter, looks_secret, masked_path};
pub use shaping::{Computed, Condition, Keep, Mask, Masked, Named, Renamed, Shaping, Written, expression};
pub use source::{
    AfterLoad, ApiAuth, ApiKey, ApiSource, ApiTimeouts, ArchiveOptions, AuthScheme, Body, BucketLogin, BucketService,
    BucketUrl, CellRange, ClientAuth, CsvOptions, CursorOrder, Encoding, ExcelOptions, FileContainer, FileFormat,
    FileOptions, FixedColumn, FixedWidth, ForEach, FtpSource, FtpTls, Grant, HeaderPlace, HmacAlgorithm, HostTrust,
    HttpFilesSource, InboxRules, InboxSource, Include, Included, Incremental, JsonTemplate, JwtAlgorithm, JwtBearer,
    LocalSource, LoginRequest, Lookback, Method, NamePrefixes, NextIs, NumberFormat, OAuth2, OnParent, Pagination,
    ParentsFrom, PathColumns, PgpOptions, PlaceOptions, Probe, Quote, S3Source, SendToken, SftpSource, SheetChoice,
    SheetHeader, SignRequests, SourceConfig, SshKey, SshLogin, SshServer, Surplus, TextEncoding, Thousands, TimeForm,
    TimeFormat, TokenPlace, Total, WidthUnit, XmlOptions, api_identities, template,
};
pub use table_name::TableName;
pub use table_pattern::{NamedTable, TablePattern};
pub use target::{SslMode, TargetConfig, TargetDatabase};
pub use time_limit::TimeLimit;
pub use transform::{Materialized, Transform};

/// A config together with what the user should know about it.
#[derive(Debug, Clone)]
pub struct Checked<T> {
    /// The checked value.
    pub value: T,
    /// Unknown keys and other things that do not keep the config from running.
    pub warnings: Vec<Warning>,
}

#[cfg(test)]
mod tests;
