//! From `postgres://user:password@host:port/database?sslmode=require` to a [`TargetAddress`].

use std::net::Ipv6Addr;
use std::path::PathBuf;

use super::{AddressProblem, Author, CertificateFiles, DEFAULT_PORT, Host, TargetAddress};
use crate::config::SslMode;
use crate::secret::Secret;

/// No URL of a database is longer.
const MAX_BYTES: usize = 8 * 1024;
/// The longest host name of the DNS.
const MAX_HOST_BYTES: usize = 253;

/// A parameter of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parameter {
    SslMode,
    ApplicationName,
    Host,
    Port,
    User,
    Password,
    Database,
    RootCertificate,
    Certificate,
    Key,
}

/// What a config writes in place of a parameter it may not use.
const IN_THE_URL: &str = "write it in the URL itself: postgres://user:password@host:port/database";
/// The same for a host, which may have been meant as the folder of a Unix socket.
const HOST_IN_THE_URL: &str = "a Unix socket is not a host here, and a host stands in the URL itself: postgres://user:password@host:port/database";
const OF_THE_OPERATOR: &str = "elt's operator names certificate authorities in ELT_TARGET_CA_FILE";
const NOT_AT_ALL: &str = "remove it";

/// Names of parameters, what each is for an operator, and what a config writes in its place (`None`: a config may use
/// it too).
const PARAMETERS: [(&str, Option<Parameter>, Option<&str>); 26] = [
    ("sslmode", Some(Parameter::SslMode), None),
    ("ssl-mode", Some(Parameter::SslMode), None),
    ("application_name", Some(Parameter::ApplicationName), None),
    ("host", Some(Parameter::Host), Some(HOST_IN_THE_URL)),
    ("port", Some(Parameter::Port), Some(IN_THE_URL)),
    ("user", Some(Parameter::User), Some(IN_THE_URL)),
    ("password", Some(Parameter::Password), Some(IN_THE_URL)),
    ("dbname", Some(Parameter::Database), Some(IN_THE_URL)),
    ("sslrootcert", Some(Parameter::RootCertificate), Some(OF_THE_OPERATOR)),
    ("ssl-root-cert", Some(Parameter::RootCertificate), Some(OF_THE_OPERATOR)),
    ("ssl-ca", Some(Parameter::RootCertificate), Some(OF_THE_OPERATOR)),
    ("sslcert", Some(Parameter::Certificate), Some("log in with user and password")),
    ("ssl-cert", Some(Parameter::Certificate), Some("log in with user and password")),
    ("sslkey", Some(Parameter::Key), Some("log in with user and password")),
    ("ssl-key", Some(Parameter::Key), Some("log in with user and password")),
    ("hostaddr", None, Some(HOST_IN_THE_URL)),
    ("options", None, Some("elt sets what its session needs; set other values with `alter role … set`")),
    ("passfile", None, Some(IN_THE_URL)),
    ("service", None, Some(IN_THE_URL)),
    ("servicefile", None, Some(IN_THE_URL)),
    ("sslpassword", None, Some(NOT_AT_ALL)),
    ("connect_timeout", None, Some(NOT_AT_ALL)),
    ("target_session_attrs", None, Some("name the server that takes writes")),
    ("channel_binding", None, Some(NOT_AT_ALL)),
    ("gssencmode", None, Some(NOT_AT_ALL)),
    ("statement-cache-capacity", None, Some(NOT_AT_ALL)),
];

/// What the parameters of a URL say.
#[derive(Default)]
struct Parameters {
    sslmode: Option<SslMode>,
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    password: Option<String>,
    database: Option<String>,
    files: CertificateFiles,
    options: Vec<(String, String)>,
}

/// Reads a URL.
pub(super) fn url(text: &str, author: Author) -> Result<TargetAddress, AddressProblem> {
    let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
    let rest = rest.ok_or(AddressProblem::Form)?;
    if text.len() > MAX_BYTES || rest.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(AddressProblem::Character);
    }
    if rest.contains('#') {
        return Err(AddressProblem::Fragment);
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = place.split_once('/').unwrap_or((place, ""));
    let parameters = Parameters::read(query, author)?;
    let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    // Programs disagree on which @ ends the password, so that one of them would connect to another host.
    if login.contains('@') || path.contains('@') {
        return Err(AddressProblem::At);
    }
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let user = chosen(some_text(user)?, parameters.user).or_else(|| own_account(author));
    let user = user.ok_or(AddressProblem::NoUser)?;
    let (host, port) = host_and_port(place, author)?;
    if path.contains('/') {
        return Err(AddressProblem::Path);
    }
    let database = chosen(some_text(path)?, parameters.database).ok_or(AddressProblem::NoDatabase)?;
    let host = match (parameters.host, host) {
        (Some(named), _) if named.starts_with('/') => Host::Socket(PathBuf::from(named)),
        (Some(named), _) => Host::Name(host_name(&named)?),
        (None, Some(host)) => host,
        (None, None) if author == Author::Operator => Host::Name("localhost".into()),
        (None, None) => return Err(AddressProblem::Socket),
    };
    Ok(TargetAddress {
        host,
        port: parameters.port.or(port).unwrap_or(DEFAULT_PORT),
        database,
        user,
        password: Secret::new(chosen(some_text(password)?, parameters.password).unwrap_or_default()),
        sslmode: parameters.sslmode,
        files: parameters.files,
        options: parameters.options,
    })
}

impl Parameters {
    fn read(query: &str, author: Author) -> Result<Self, AddressProblem> {
        let mut read = Self::default();
        let mut seen = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if author == Author::Operator
                && let Some(option) = name.strip_prefix("options[").and_then(|name| name.strip_suffix(']'))
            {
                read.options.push((option_name(option)?, value));
                continue;
            }
            let known = PARAMETERS.into_iter().find(|(known, ..)| *known == name);
            let (name, parameter, instead) = known.ok_or(AddressProblem::Unknown)?;
            let parameter = match (author, parameter, instead) {
                (Author::Config, _, Some(instead)) => return Err(AddressProblem::Refused { name, instead }),
                (_, Some(parameter), _) => parameter,
                (_, None, _) => return Err(AddressProblem::Refused { name, instead: operators_way(name) }),
            };
            if seen.contains(&parameter) {
                return Err(AddressProblem::Twice(name));
            }
            seen.push(parameter);
            read.set(parameter, value)?;
        }
        Ok(read)
    }

    fn set(&mut self, parameter: Parameter, value: String) -> Result<(), AddressProblem> {
        match parameter {
            Parameter::SslMode => self.sslmode = Some(SslMode::by_word(&value).ok_or(AddressProblem::SslMode)?),
            // The session's name says which run it is, so a URL cannot choose it.
            Parameter::ApplicationName => {}
            Parameter::Host => self.host = Some(value).filter(|value| !value.is_empty()),
            Parameter::Port => self.port = Some(port(&value)?),
            Parameter::User => self.user = Some(value).filter(|value| !value.is_empty()),
            Parameter::Password => self.password = Some(value),
            Parameter::Database => self.database = Some(value).filter(|value| !value.is_empty()),
            Parameter::RootCertificate => self.files.authorities = Some(value.into()),
            Parameter::Certificate => self.files.certificate = Some(value.into()),
            Parameter::Key => self.files.key = Some(value.into()),
        }
        Ok(())
    }
}

/// What an operator writes in place of a parameter that elt does not read.
fn operators_way(name: &str) -> &'static str {
    match name {
        "options" => "write each setting as options[name]=value",
        "hostaddr" => "write the address as the host",
        "passfile" | "service" | "servicefile" => IN_THE_URL,
        _ => NOT_AT_ALL,
    }
}

/// A parameter wins over the same thing in the URL itself, as with libpq.
fn chosen(in_the_url: Option<String>, parameter: Option<String>) -> Option<String> {
    parameter.or(in_the_url)
}

/// The account this process runs as, which libpq takes for the user of a URL that names none.
fn own_account(author: Author) -> Option<String> {
    let account = || nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|account| account.name);
    (author == Author::Operator).then(account).flatten()
}

/// The host and port behind the `@`. No host: `None`.
fn host_and_port(text: &str, author: Author) -> Result<(Option<Host>, Option<u16>), AddressProblem> {
    if text.contains(',') {
        return Err(AddressProblem::SeveralHosts);
    }
    let (host, port_text) = match text.strip_prefix('[') {
        Some(inside) => {
            let (address, behind) = inside.split_once(']').ok_or(AddressProblem::Host)?;
            let address: Ipv6Addr = address.parse().map_err(|_| AddressProblem::Host)?;
            let port = match behind.strip_prefix(':') {
                Some(port) => Some(port),
                None if behind.is_empty() => None,
                None => return Err(AddressProblem::Host),
            };
            (Some(Host::Name(address.to_string())), port)
        }
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            let host = decoded(host)?;
            let host = match (host.as_str(), author) {
                ("", _) => None,
                (folder, Author::Operator) if folder.starts_with('/') => Some(Host::Socket(PathBuf::from(folder))),
                (name, _) => Some(Host::Name(host_name(name)?)),
            };
            (host, port)
        }
    };
    let port = port_text.filter(|text| !text.is_empty()).map(port).transpose()?;
    Ok((host, port))
}

/// A host name or an address as a config's `host` and a URL write it, without brackets in the result. An IPv4 address
/// may have any spelling that the resolver takes.
pub(super) fn host_name(text: &str) -> Result<String, AddressProblem> {
    if text.contains('/') || text.starts_with(['@', '~']) {
        return Err(AddressProblem::Socket);
    }
    if text.contains(',') {
        return Err(AddressProblem::SeveralHosts);
    }
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = inside.parse::<Ipv6Addr>() {
        return Ok(address.to_string());
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match !text.starts_with('.') && text.len() <= MAX_HOST_BYTES && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err(AddressProblem::Host),
    }
}

fn port(text: &str) -> Result<u16, AddressProblem> {
    match text.parse() {
        Ok(port) if port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
        _ => Err(AddressProblem::Port),
    }
}

/// The name of a session setting, such as `search_path`: it becomes a command line option of the server's process.
fn option_name(text: &str) -> Result<String, AddressProblem> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    match !text.is_empty() && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err(AddressProblem::Unknown),
    }
}

/// The decoded text, unless it is empty.
fn some_text(text: &str) -> Result<Option<String>, AddressProblem> {
    Ok(Some(decoded(text)?).filter(|text| !text.is_empty()))
}

/// Undoes percent-encoding. Encoded control characters are refused: the protocol ends texts with NUL.
pub(crate) fn decoded(text: &str) -> Result<String, AddressProblem> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return Err(AddressProblem::Encoding);
        };
        bytes.push((high * 16 + low) as u8);
    }
    let text = String::from_utf8(bytes).map_err(|_| AddressProblem::Encoding)?;
    if text.chars().any(char::is_control) { Err(AddressProblem::Encoding) } else { Ok(text) }
}
