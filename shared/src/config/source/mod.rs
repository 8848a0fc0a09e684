//! `sources:`: where rows come from.

mod after_load;
mod api;
mod archive;
mod csv;
mod excel;
mod files;
mod fixed_width;
mod format;
mod ftp;
mod http_files;
mod inbox;
mod local;
mod path_columns;
mod pgp;
mod place_keys;
mod s3;
mod sftp;
mod ssh;
mod xml;

pub use after_load::AfterLoad;
pub use api::{
    ApiAuth, ApiKey, ApiSource, ApiTimeouts, AuthScheme, Body, ClientAuth, CursorOrder, Encoding, ForEach, Grant,
    HmacAlgorithm, Include, Included, Incremental, JsonTemplate, JwtAlgorithm, JwtBearer, LoginRequest, Lookback,
    Method, NextIs, OAuth2, OnParent, Pagination, ParentsFrom, Probe, SendToken, SignRequests, TimeForm, TimeFormat,
    TokenPlace, Total, api_identities, template,
};
pub use archive::ArchiveOptions;
pub use csv::{CsvOptions, HeaderPlace, NumberFormat, Quote, TextEncoding, Thousands};
pub use excel::{CellRange, ExcelOptions, SheetChoice, SheetHeader};
pub use files::FileOptions;
pub use fixed_width::{FixedColumn, FixedWidth, Surplus, WidthUnit};
pub use format::{FileContainer, FileFormat};
pub use ftp::{FtpSource, FtpTls};
pub use http_files::HttpFilesSource;
pub use inbox::{InboxRules, InboxSource};
pub use local::LocalSource;
pub use path_columns::PathColumns;
pub use pgp::PgpOptions;
pub use place_keys::PlaceOptions;
pub use s3::{BucketLogin, BucketService, BucketUrl, S3Source};
pub use sftp::SftpSource;
pub use ssh::{HostTrust, SshKey, SshLogin, SshServer};
pub use xml::{NamePrefixes, XmlOptions};

use std::sync::Arc;

use super::field::Field;
use super::keys::{Key, Variant};
use super::section::Section;
use super::shaping::Shaping;
use crate::json_path::JsonPath;

/// One source. A new place of files is a variant here with its file beside this one, and in the worker a
/// `FileStore` with its line in `extract/places/mod.rs`.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceConfig {
    /// Files a worker can read.
    Local(LocalSource),
    /// A JSON HTTP API.
    Api(ApiSource),
    /// Files on an SFTP server.
    Sftp(SftpSource),
    /// Objects in a bucket.
    S3(S3Source),
    /// Files on web servers.
    Http(HttpFilesSource),
    /// Files on an FTP server.
    Ftp(FtpSource),
    /// Files that are uploaded to the pipeline.
    Inbox(InboxSource),
}

impl SourceConfig {
    /// The value of `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Local(_) => "local",
            Self::Api(_) => "api",
            Self::Sftp(_) => "sftp",
            Self::S3(_) => "s3",
            Self::Http(_) => "http",
            Self::Ftp(_) => "ftp",
            Self::Inbox(_) => "inbox",
        }
    }

    /// The options that all places of files have. `None`: its files are reached in another way, or it has no files.
    pub fn place(&self) -> Option<&PlaceOptions> {
        match self {
            Self::Local(_) | Self::Api(_) | Self::Sftp(_) | Self::Inbox(_) => None,
            Self::S3(source) => Some(&source.place),
            Self::Http(source) => Some(&source.place),
            Self::Ftp(source) => Some(&source.place),
        }
    }

    /// How its files are read. `None`: it has no files.
    pub fn files(&self) -> Option<&FileOptions> {
        match self {
            Self::Local(source) | Self::Inbox(InboxSource { local: source, .. }) => Some(&source.files),
            Self::Sftp(source) => Some(&source.files),
            Self::Api(_) => None,
            Self::S3(_) | Self::Http(_) | Self::Ftp(_) => self.place().map(|place| &place.files),
        }
    }

    /// How its rows are shaped. `None`: the source has no `shape:`.
    pub fn shape(&self) -> Option<&Shaping> {
        match self {
            Self::Api(source) => source.shape.as_deref(),
            _ => self.files().and_then(|files| files.shape.as_deref()),
        }
    }

    /// Where the files are, without anything secret, which stays the same between runs. `None`: as for [`Self::place`].
    pub fn address(&self) -> Option<String> {
        match self {
            Self::Local(_) | Self::Api(_) | Self::Sftp(_) | Self::Inbox(_) => None,
            Self::S3(source) => Some(source.address()),
            Self::Http(source) => Some(source.address()),
            Self::Ftp(source) => Some(source.address()),
        }
    }
}

impl SourceConfig {
    /// Shapes the columns of the source, unless it has a `shape` of its own.
    pub(super) fn shape_by(&mut self, shape: &Arc<Shaping>) {
        let own = match self {
            Self::Local(source) | Self::Inbox(InboxSource { local: source, .. }) => &mut source.files.shape,
            Self::Api(source) => &mut source.shape,
            Self::Sftp(source) => &mut source.files.shape,
            Self::S3(source) => &mut source.place.files.shape,
            Self::Http(source) => &mut source.place.files.shape,
            Self::Ftp(source) => &mut source.place.files.shape,
        };
        own.get_or_insert_with(|| shape.clone());
    }
}

pub(super) const VARIANTS: &[Variant] = &[
    Variant { word: "local", about: "Files a worker can read.", keys: local::KEYS },
    Variant { word: "api", about: "A JSON HTTP API.", keys: api::KEYS },
    Variant { word: "sftp", about: "Files on an SFTP server.", keys: sftp::KEYS },
    Variant { word: "s3", about: "Objects in a bucket of S3, Google Cloud Storage or Azure.", keys: s3::KEYS },
    Variant { word: "http", about: "Files on web servers.", keys: http_files::KEYS },
    Variant { word: "ftp", about: "Files on an FTP server.", keys: ftp::KEYS },
    Variant { word: "inbox", about: "Files that are uploaded to the pipeline.", keys: inbox::KEYS },
];

/// Default number of seconds that a file must stay unchanged before it is loaded.
const SETTLE_SECONDS: u64 = 5;

const SETTLE_KEY: Key = Key::whole(
    "settle_seconds",
    0,
    86_400,
    "Seconds that a file must stay unchanged before it is loaded, because it may still be being written; default 5.",
);

fn settle_seconds(section: &Section<'_>) -> u64 {
    section.whole("settle_seconds").unwrap_or(SETTLE_SECONDS)
}

/// Reads a path into JSON.
fn json_path(section: &Section<'_>, name: &str) -> Option<String> {
    let path = section.filled_text(name)?;
    section.field(name)?.accepted(|text| match text.parse::<JsonPath>() {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    });
    Some(path)
}

/// Reads one item of `sources:`.
pub(super) fn read(source: &Field<'_>) -> Option<SourceConfig> {
    let variant = source.variant(VARIANTS)?;
    let section = || Section::open(vec![source.clone()], variant.keys, Some("type"));
    match variant.word {
        "local" => local::read(&section()?).map(SourceConfig::Local),
        "api" => api::read(&section()?).map(SourceConfig::Api),
        "s3" => s3::read(&section()?).map(SourceConfig::S3),
        "http" => http_files::read(&section()?).map(SourceConfig::Http),
        "ftp" => ftp::read(&section()?).map(SourceConfig::Ftp),
        "inbox" => inbox::read(&section()?).map(SourceConfig::Inbox),
        _ => sftp::read(source).map(SourceConfig::Sftp),
    }
}

/// Notes what is wrong between the sources of a config: their names, and what `for_each` uses of another source.
pub(super) fn check_together(fields: &[Field<'_>], sources: &[Option<SourceConfig>]) {
    let apis: Vec<_> = fields
        .iter()
        .zip(sources)
        .filter_map(|(field, source)| match source {
            Some(SourceConfig::Api(api)) => Some((field, api)),
            _ => None,
        })
        .collect();
    api::check_together(&apis);
}
