//! `target:`: the table rows go to.

use super::certificates::{self, CERTIFICATES, PemCertificates};
use super::field::{Field, Reading};
use super::keys::{Choice, Key, Shape};
use super::load::LoadMode;
use super::partition::{self, PartitionConfig};
use super::section::Section;
use super::table_name::{self, TableName};
use super::table_pattern::{self, TablePattern};
use crate::secret::Secret;
use crate::target::{AddressProblem, Author, TargetAddress, is_loopback};

/// A table in a PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetConfig {
    /// Which database.
    pub database: TargetDatabase,
    /// Which table; default `raw_data`. The pattern as it is written where a config has a table for each file.
    pub table: TableName,
    /// The pattern by which each file has its table. `None`: all rows go to one table.
    pub pattern: Option<TablePattern>,
    /// Whether a load makes the table's schema when it is missing.
    pub create_schema: bool,
    /// How a table that a run creates is partitioned. `None`: it is an ordinary table.
    pub partition: Option<PartitionConfig>,
}

impl TargetConfig {
    /// Whether `table` is a pattern: the config has a table for each file, and this is not the target of one of them.
    pub fn has_tables(&self) -> bool {
        self.pattern.as_ref().is_some_and(|pattern| self.table.table == pattern.to_string())
    }

    /// The target of a run, which keeps the name of its table: for a config with a table for each file, that of one of them.
    pub fn of_run(&self, target_table: &str) -> Self {
        match target_table.parse::<TableName>() {
            Ok(table) if self.pattern.is_some() => Self { table, ..self.clone() },
            _ => self.clone(),
        }
    }

    /// The same with another table in the same schema.
    pub fn with_table(&self, table: &str) -> Self {
        Self { table: TableName { table: table.to_owned(), ..self.table.clone() }, ..self.clone() }
    }
}

/// Which database a target is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetDatabase {
    /// The config names none of host, port, user, password, url: the server's own target (`ELT_TARGET_URL`).
    Default {
        /// `database`, when written: must be the default target's.
        database: Option<String>,
    },
    /// A connection URL.
    Url(Secret),
    /// Host by host. Inherits nothing.
    Server {
        /// Never a Unix socket.
        host: String,
        /// Default 5432.
        port: u16,
        /// Database name.
        database: String,
        /// Account.
        user: String,
        /// May be absent for trust authentication.
        password: Option<Secret>,
        /// Default: see [`SslMode::default_for`].
        sslmode: SslMode,
    },
    /// A URL or a server whose connections use certificates of the config.
    WithCertificates {
        /// A URL or a server.
        server: Box<TargetDatabase>,
        /// The certificates.
        certificates: PemCertificates,
    },
}

/// `sslmode`, as libpq names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS if the server insists.
    Allow,
    /// TLS if the server has it.
    #[default]
    Prefer,
    /// TLS.
    Require,
    /// TLS with a certificate a known authority signed.
    VerifyCa,
    /// The same, for this host name.
    VerifyFull,
}

impl SslMode {
    /// The mode by the name that libpq gives it, in any case.
    pub fn by_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, mode)| *mode)
    }

    /// The name that libpq gives it.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, mode)| *mode == self).map_or("", |(word, _)| word)
    }

    /// The mode of a target that names none: `prefer` on this machine and `require` beyond it, because others can
    /// listen and answer only there.
    pub fn default_for(on_this_machine: bool) -> Self {
        if on_this_machine { Self::Prefer } else { Self::Require }
    }
}

#[derive(Debug, Clone, Copy)]
struct Postgres;

impl Choice for Postgres {
    const WORDS: &'static [(&'static str, Self)] = &[("postgres", Self), ("postgresql", Self)];
}

impl Choice for SslMode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("disable", Self::Disable),
        ("allow", Self::Allow),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];
}

pub(super) const KEYS: &[Key] = &[
    Key::choice::<Postgres>("type", "The kind of database."),
    Key::secret("url", "A connection URL, instead of host, port, database, user and password."),
    Key::text("host", "Host name or address. Needed when port, user or password is written."),
    Key::whole("port", 1, 65_535, "Default 5432."),
    Key::text("database", "Database name. Needed when host, port, user or password is written.").or(&["dbname"]),
    Key::text("user", "Account.").or(&["username"]),
    Key::secret("password", "Password of the account."),
    Key::text(
        "table",
        "`table` or `schema.table`, taken as written. Default `raw_data`. With `{file}`, `{folder}`, `{sheet}` or a column of \
         `path_columns` each file has its table.",
    ),
    Key::flag(
        "create_schema",
        "Make the schema of `table` when it is missing. Default: true for a schema of letters, digits and `_` that does \
         not begin with a digit, else false.",
    ),
    Key::choice::<SslMode>(
        "sslmode",
        "How the connection is encrypted, as libpq names it. Default: `prefer` for localhost, else `require`.",
    ),
    Key::secret(
        "ca_certificate",
        "`${secret:NAME}`: the only authorities that may have signed the server's certificate, in PEM form. The default of \
         `sslmode` is `verify-full` then.",
    ),
    Key::secret(
        "client_certificate",
        "`${secret:NAME}`: the certificate to show to the server, with its chain, in PEM form.",
    ),
    Key::secret("client_key", "`${secret:NAME}`: the private key of `client_certificate`, in PEM form."),
    Key::of(
        "partition",
        Shape::Section(partition::KEYS),
        "Divide the table into partitions, which are created as rows need them.",
    ),
    Key::choice::<LoadMode>("mode", "The same as `load.mode`."),
];

/// The keys that say whose database it is: a target that names none of them uses the default target.
const IDENTITY: [&str; 5] = ["url", "host", "port", "user", "password"];

pub(super) fn read(section: &Section<'_>) -> Option<TargetConfig> {
    section.choice::<Postgres>("type");
    let table = section.field("table").map_or_else(|| Some(TableName::raw_data()), table_name::table);
    let database = database(section);
    let create_schema = section.flag("create_schema");
    let partition = match section.field("partition") {
        Some(field) => field.section(partition::KEYS).as_ref().and_then(partition::read).map(Some),
        None => Some(None),
    };
    let table = table?;
    let pattern = table_pattern::read(section.field("table"), &table)?;
    let create_schema = create_schema.unwrap_or_else(|| table.schema.as_deref().is_none_or(is_plain));
    Some(TargetConfig { database: database?, table, pattern, create_schema, partition: partition? })
}

/// Whether a name has only letters (of any script), digits and `_`, and does not start with a digit.
fn is_plain(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_numeric()) && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn database(section: &Section<'_>) -> Option<TargetDatabase> {
    if !IDENTITY.iter().any(|key| section.wrote(key)) {
        for key in ["sslmode"].iter().chain(&CERTIFICATES) {
            if let Some(field) = section.field(key) {
                field.warn("has no effect on the default target");
            }
        }
        let database = match section.field("database") {
            Some(_) => Some(section.required_text("database")?),
            None => None,
        };
        return Some(TargetDatabase::Default { database });
    }
    if let Some(field) = section.field("url") {
        for key in ["host", "port", "database", "user", "password", "sslmode"] {
            if let Some(field) = section.field(key) {
                field.problem("write it in the url, or leave the url out");
            }
        }
        let url = url(field);
        let mode = url.as_ref().and_then(|url| TargetAddress::parse(url.expose(), Author::Config).ok()?.sslmode);
        let certificates = checked_certificates(section, mode)?;
        return Some(with_certificates(TargetDatabase::Url(url?), certificates));
    }
    let sslmode = section.choice("sslmode");
    let certificates = checked_certificates(section, sslmode);
    let host = section.required("host").and_then(host);
    let database = section.required_text("database");
    let user = section.required_text("user");
    let port = section.small("port").unwrap_or(5432);
    let password = section.secret("password");
    let default = SslMode::default_for(host.as_deref().is_some_and(is_loopback));
    let certificates = certificates?;
    let default = if certificates.authorities.is_some() { SslMode::VerifyFull } else { default };
    let sslmode = sslmode.unwrap_or(default);
    let server = TargetDatabase::Server { host: host?, port, database: database?, user: user?, password, sslmode };
    Some(with_certificates(server, certificates))
}

fn with_certificates(server: TargetDatabase, certificates: PemCertificates) -> TargetDatabase {
    match certificates == PemCertificates::default() {
        true => server,
        false => TargetDatabase::WithCertificates { server: Box::new(server), certificates },
    }
}

/// The certificates; `mode` is the one that is written.
fn checked_certificates(section: &Section<'_>, mode: Option<SslMode>) -> Option<PemCertificates> {
    let [authorities, certificate, _] = CERTIFICATES.map(|key| section.field(key));
    if let Some(field) = authorities
        && matches!(mode, Some(SslMode::Disable | SslMode::Allow | SslMode::Prefer))
    {
        field.problem("has no effect with this sslmode: write verify-full, or leave sslmode out");
    }
    if let Some(field) = certificate
        && matches!(mode, Some(SslMode::Disable | SslMode::Allow))
    {
        field.problem("has no effect with this sslmode: write require or verify-full, or leave sslmode out");
    }
    certificates::read(section)
}

/// A host name or an address, without brackets.
fn host(field: &Field<'_>) -> Option<String> {
    let text = match field.reading()? {
        Reading::Open(text) => return Some(text),
        Reading::Known(text) => text.trim().to_owned(),
    };
    if text.is_empty() {
        field.problem("must not be empty");
        return None;
    }
    if is_socket(&text) {
        field.problem("a Unix socket is not a host here, expected a host name or an address");
        return None;
    }
    match TargetAddress::host_name(&text) {
        Ok(host) => Some(host),
        Err(AddressProblem::SeveralHosts) => {
            field.problem("names several hosts, expected the one that rows go to");
            None
        }
        Err(_) => {
            field.problem("expected a host name or an address, without a port or an IPv6 zone");
            None
        }
    }
}

fn is_socket(host: &str) -> bool {
    host.starts_with(['/', '@', '.', '~']) || host.contains('/') || host.to_ascii_lowercase().contains("%2f")
}

/// A PostgreSQL URL that leads to a host by TCP.
fn url(field: &Field<'_>) -> Option<Secret> {
    let text = match field.reading()? {
        Reading::Open(text) => return Some(Secret::new(text)),
        Reading::Known(text) => text.trim().to_owned(),
    };
    match TargetAddress::parse(&text, Author::Config) {
        Ok(_) => Some(Secret::new(text)),
        Err(problem) => {
            field.problem(problem.to_string());
            None
        }
    }
}
