//! `sources:`: where rows come from.

use crate::secret::Secret;

/// One source. A new kind is a variant here, one arm in the worker's `extract`, and one file.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceConfig {
    /// Files a worker can read.
    Local(LocalSource),
    /// A JSON HTTP API.
    Api(ApiSource),
    /// Files on an SFTP server.
    Sftp(SftpSource),
}

/// `type: local`.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalSource {
    /// A folder, a file or a glob, as written (relative to the worker's working folder).
    pub path: String,
    /// Joined to a folder: which files below it.
    pub glob: Option<String>,
    /// Look into folders below.
    pub recursive: bool,
    /// How CSV and TXT files are read.
    pub csv: CsvOptions,
    /// JSON path to the rows of JSON files.
    pub records: Option<String>,
    /// A file changed more recently than this waits for the next tick.
    pub settle_seconds: u64,
}

/// `csv:`. `None` means "find out".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CsvOptions {
    /// One byte; `None`: by suffix, sniffed for `.txt`.
    pub delimiter: Option<u8>,
    /// One byte; `None`: `"`.
    pub quote: Option<u8>,
    /// A WHATWG encoding label; `None`: by BOM, else UTF-8.
    pub encoding: Option<String>,
    /// Whether the first record names the columns; `None`: yes.
    pub header: Option<bool>,
    /// Texts that are NULL in every column; `None`: the default rules.
    pub null_values: Option<Vec<String>>,
}

/// `type: api`.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiSource {
    /// `http://` or `https://`.
    pub url: String,
    /// Sent as the scheme says.
    pub auth_token: Option<Secret>,
    /// How the token is sent.
    pub auth_scheme: AuthScheme,
    /// Further headers; values may be secret.
    pub headers: Vec<(String, Secret)>,
    /// Query parameters; values may be secret.
    pub params: Vec<(String, Secret)>,
    /// Sent as `?path=`.
    pub folder_param: Option<String>,
    /// JSON path to the rows in an answer.
    pub records: Option<String>,
    /// How to get the next page.
    pub pagination: Option<Pagination>,
}

/// How an API token is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AuthScheme {
    /// As it is when it contains a space, else `Bearer <token>`.
    #[default]
    Auto,
    /// `Authorization: Bearer <token>`.
    Bearer,
    /// `Authorization: <token>`.
    Raw,
    /// `Authorization: Basic <base64 of the token>` (`user:password`).
    Basic,
    /// The named header carries the token.
    Header(String),
}

/// How to get the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pagination {
    /// `?page=1`, `?page=2`, … until a page has no rows.
    Page {
        /// Query parameter of the page number.
        param: String,
        /// First page number.
        start: u64,
        /// Query parameter and value of the page size.
        size: Option<(String, u64)>,
        /// Stop with an error after this many.
        max_pages: u64,
    },
    /// `?offset=0&limit=100`, … until a page has no rows.
    Offset {
        /// Query parameter of the offset.
        param: String,
        /// Query parameter of the limit.
        limit_param: String,
        /// Rows a page.
        limit: u64,
        /// Stop with an error after this many.
        max_pages: u64,
    },
    /// The answer names the next page's cursor.
    Cursor {
        /// JSON path to the cursor.
        path: String,
        /// Query parameter the cursor is sent in.
        param: String,
        /// Stop with an error after this many.
        max_pages: u64,
    },
    /// RFC 8288 `Link: <…>; rel="next"`.
    LinkHeader {
        /// Stop with an error after this many.
        max_pages: u64,
    },
}

/// `type: sftp`, flat or nested.
#[derive(Debug, Clone, PartialEq)]
pub struct SftpSource {
    /// Host name or address.
    pub host: String,
    /// Default 22.
    pub port: u16,
    /// Account.
    pub username: String,
    /// How to log in.
    pub login: SftpLogin,
    /// A file, a folder or a glob on the server.
    pub path: String,
    /// How CSV and TXT files are read.
    pub csv: CsvOptions,
    /// JSON path to the rows of JSON files.
    pub records: Option<String>,
    /// Which host keys are accepted.
    pub trust: HostTrust,
    /// What happens to a file after its load committed.
    pub after_load: AfterLoad,
}

/// How to log in to an SFTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SftpLogin {
    /// With a password.
    Password(Secret),
    /// With a private key in PEM or OpenSSH format, or the path of its file.
    PrivateKey {
        /// The key's text or its file's path.
        key: Secret,
        /// Passphrase of the key.
        passphrase: Option<Secret>,
    },
}

/// Which host keys are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HostTrust {
    /// The first key seen is pinned; another one fails.
    #[default]
    FirstUse,
    /// Only keys an admin approved.
    Strict,
    /// Only the key with this `SHA256:…` fingerprint.
    Pinned(String),
}

/// What happens to a remote file after its load committed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AfterLoad {
    /// Nothing.
    #[default]
    Keep,
    /// It is moved into this folder.
    Move(String),
    /// It is deleted.
    Delete,
}
