//! Connecting to a target. What a config does not say is never filled in from this process's environment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

use super::address::{Author, CertificateFiles, Host, TargetAddress};
use super::guard::{self, AnswerLimits, LoggedIn, PrivateSocket, Watch, Wire};
use super::standing::Asker;
use super::tls::{self, TlsError};
use super::{TargetError, quote_ident};
use crate::config::{PemCertificates, SslMode, TargetDatabase};
use crate::network::{self, keepalive};
use crate::secret::Secret;
use crate::settings::NetworkSettings;

/// A server that does not answer within this time is not reachable.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A failed attempt of a caller who may not explore the network takes this long.
const EVEN: Duration = Duration::from_secs(5);

/// Settings of every session, so that it reads and writes dates, times and numbers the same way whatever the server's
/// own settings are.
const SESSION: [(&str, &str); 5] = [
    ("DateStyle", "ISO,YMD"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "1"),
    ("client_min_messages", "warning"),
];

/// Connects to a target's database, and reads at most what `limits` says. `default` is the process's own target, used by
/// configs that name no server.
///
/// A host that a config names is checked by its address and called at this address, so that a name cannot lead
/// elsewhere. The process's own target is its operator's choice and not checked.
///
/// # Errors
/// See [`TargetError`]: no default target, a host that may not be called, a wrong login, a missing database, a server
/// that cannot be reached or that cannot be trusted, a pooler in transaction mode.
pub async fn connect(
    database: &TargetDatabase,
    default: Option<&Secret>,
    network: &NetworkSettings,
    application_name: &str,
    limits: AnswerLimits,
) -> Result<PgConnection, TargetError> {
    Route::of(database, default, network)?.connect(application_name, limits, None).await
}

/// Connects like [`connect()`] for a run, whose statements may take as long as they take. When the server does not answer
/// for `network.target_silence`, and says on another connection that the session has ended or waits for this side, or cannot
/// be asked, the connection ends with an error ([`guard::silence`]). `application_name` must belong to this session alone.
///
/// # Errors
/// As [`connect()`].
pub async fn connect_watched(
    database: &TargetDatabase,
    default: Option<&Secret>,
    network: &NetworkSettings,
    application_name: &str,
    limits: AnswerLimits,
) -> Result<PgConnection, TargetError> {
    let route = Route::of(database, default, network)?;
    let asker = Asker { route: route.clone(), application_name: application_name.to_owned() };
    let watch = Watch { silence: network.target_silence(), server: Arc::new(asker) };
    route.connect(application_name, limits, Some(watch)).await
}

/// All that it takes to connect to a server, also more than once.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) address: TargetAddress,
    certificates: Option<PemCertificates>,
    network: NetworkSettings,
    /// Whether it is the process's own target, whose host is not checked.
    is_own: bool,
}

impl Route {
    pub(super) fn of(
        database: &TargetDatabase,
        default: Option<&Secret>,
        network: &NetworkSettings,
    ) -> Result<Self, TargetError> {
        Ok(Self {
            address: address(database, default)?,
            certificates: certificates_of(database).cloned(),
            network: network.clone(),
            is_own: matches!(database, TargetDatabase::Default { .. }),
        })
    }

    /// Logs in, at a pooler as well.
    pub(super) async fn log_in(
        &self,
        application_name: &str,
        limits: AnswerLimits,
        watch: Option<Watch>,
    ) -> Result<LoggedIn, TargetError> {
        let address = &self.address;
        let connecting = async {
            let socket = PrivateSocket::make(address.port)
                .map_err(|source| TargetError::TempFolder { folder: tempfile::env::temp_dir(), source })?;
            let server = reach(address, self.certificates.as_ref(), &self.network, self.is_own).await?;
            let options = self.options();
            let session = guard::Session { address, application_name, options, limits, watch };
            guard::log_in(server, socket, session).await.map_err(|error| refused(address, error))
        };
        match tokio::time::timeout(TIMEOUT, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(timed_out(address, TIMEOUT)),
        }
    }

    /// The settings of a session: those of the address, and behind them elt's own, which win.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.address.options.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        own.chain(SESSION)
    }

    /// The same as command line options of the server's process.
    fn options(&self) -> String {
        let options = self.settings().map(|(name, value)| {
            let value = value.replace('\\', "\\\\").replace(' ', "\\ ");
            format!("-c {name}={value}")
        });
        options.collect::<Vec<_>>().join(" ")
    }
}

/// Connects like [`connect()`], for a caller who must not learn which servers exist: every failure that depends on the
/// server or the network takes the same time.
///
/// # Errors
/// As [`connect()`]. A server that takes longer is [`TargetError::Unreachable`].
pub async fn connect_evenly(
    database: &TargetDatabase,
    default: Option<&Secret>,
    network: &NetworkSettings,
    application_name: &str,
    limits: AnswerLimits,
) -> Result<PgConnection, TargetError> {
    let address = address(database, default)?;
    let end = Instant::now() + EVEN;
    let connecting = connect(database, default, network, application_name, limits);
    let timed_out = |_| Err(unreachable(&address, std::io::ErrorKind::TimedOut.into()));
    let connected = tokio::time::timeout_at(end, connecting).await.unwrap_or_else(timed_out);
    if connected.is_err() {
        tokio::time::sleep_until(end).await;
    }
    connected
}

/// The address a config means.
pub(super) fn address(database: &TargetDatabase, default: Option<&Secret>) -> Result<TargetAddress, TargetError> {
    match database {
        TargetDatabase::Default { database } => {
            let url = default.ok_or(TargetError::NoDefault)?;
            let own = TargetAddress::parse(url.expose(), Author::Operator)?;
            match database {
                Some(named) if *named != own.database => {
                    Err(TargetError::OtherDatabase { named: named.clone(), default: own.database })
                }
                _ => Ok(own),
            }
        }
        TargetDatabase::Url(url) => Ok(TargetAddress::parse(url.expose(), Author::Config)?),
        TargetDatabase::Server { host, port, database, user, password, sslmode } => Ok(TargetAddress {
            host: Host::Name(TargetAddress::host_name(host)?),
            port: *port,
            database: database.clone(),
            user: user.clone(),
            password: password.clone().unwrap_or_default(),
            sslmode: Some(*sslmode),
            files: CertificateFiles::default(),
            options: Vec::new(),
        }),
        TargetDatabase::WithCertificates { server, certificates } => {
            let server = address(server, default)?;
            // Who names authorities wants to know who the server is.
            let default = certificates.authorities.is_some().then_some(SslMode::VerifyFull);
            Ok(TargetAddress { sslmode: server.sslmode.or(default), ..server })
        }
    }
}

/// The certificates that a config names.
fn certificates_of(database: &TargetDatabase) -> Option<&PemCertificates> {
    match database {
        TargetDatabase::WithCertificates { certificates, .. } => Some(certificates),
        TargetDatabase::Default { .. } | TargetDatabase::Url(_) | TargetDatabase::Server { .. } => None,
    }
}

/// Opens a connection to the server, encrypted as the address says.
async fn reach(
    address: &TargetAddress,
    named: Option<&PemCertificates>,
    network: &NetworkSettings,
    is_own: bool,
) -> Result<Box<dyn Wire>, TargetError> {
    let host = match &address.host {
        Host::Socket(folder) => {
            let socket = folder.join(format!(".s.PGSQL.{}", address.port));
            let stream = UnixStream::connect(socket).await.map_err(|error| unreachable(address, error))?;
            return Ok(Box::new(stream));
        }
        Host::Name(host) => host,
    };
    let addresses: Vec<SocketAddr> = if is_own {
        let found = tokio::net::lookup_host((host.as_str(), address.port)).await;
        found.map_err(|error| unreachable(address, error))?.collect()
    } else {
        network::resolve(network, host, address.port).await?
    };
    // `localhost` has two addresses, and a server may listen on one of them.
    let stream = TcpStream::connect(addresses.as_slice()).await.map_err(|error| unreachable(address, error))?;
    // The guard forwards whole requests, so that waiting for more bytes would only delay them.
    stream.set_nodelay(true).map_err(|error| unreachable(address, error))?;
    keepalive::keep_alive(&stream).map_err(|error| unreachable(address, error))?;
    let encrypted = async {
        let names_authorities =
            address.files.authorities.is_some() || named.is_some_and(|named| named.authorities.is_some());
        let mode = match address.encryption() {
            // libpq verifies the authority as soon as one is named.
            SslMode::Require if names_authorities => SslMode::VerifyCa,
            mode => mode,
        };
        let mut certificates = tls::read(&address.files, network.target_ca_file.as_ref()).await?;
        if let Some(named) = named {
            certificates.prefer(named)?;
        }
        tls::negotiate(stream, host, mode, &certificates).await
    };
    encrypted.await.map_err(|error| untrusted(address, error))
}

fn unreachable(address: &TargetAddress, error: std::io::Error) -> TargetError {
    TargetError::Unreachable { server: address.server(), source: sqlx::Error::Io(error) }
}

pub(super) fn timed_out(address: &TargetAddress, after: Duration) -> TargetError {
    let message = format!("no answer within {} s", after.as_secs());
    unreachable(address, std::io::Error::new(std::io::ErrorKind::TimedOut, message))
}

fn untrusted(address: &TargetAddress, error: TlsError) -> TargetError {
    let server = address.server();
    match error {
        TlsError::NotOffered => TargetError::NoTls { server },
        TlsError::Certificate(reason) => TargetError::Certificate { server, reason },
        TlsError::Answer(_) => TargetError::Unreachable { server, source: sqlx::Error::Protocol(error.to_string()) },
        TlsError::Io(error) => unreachable(address, error),
    }
}

/// Why a server did not let the session in.
pub(super) fn refused(address: &TargetAddress, error: sqlx::Error) -> TargetError {
    let server = address.server();
    let user = &address.user;
    if guard::is_violation(&error) {
        return TargetError::TooMuch(guard::reason(&error));
    }
    let Some(database) = error.as_database_error() else {
        return TargetError::Unreachable { server, source: error };
    };
    match database.code().as_deref() {
        Some("3D000") => TargetError::NoDatabase { server },
        Some("28000" | "28P01") => {
            TargetError::Login { server, user: user.clone(), reason: database.message().to_owned() }
        }
        Some("42501") => {
            let grant =
                format!("grant connect on database {} to {}", quote_ident(&address.database), quote_ident(user));
            TargetError::NoConnect { grant, server }
        }
        // A database that accepts no connections, and a pooler that does not accept how this session begins.
        Some("55000" | "08004") => TargetError::Refused { server, reason: database.message().to_owned() },
        Some("08P01") if !is_passing(database.message()) => {
            TargetError::Refused { server, reason: database.message().to_owned() }
        }
        _ => TargetError::Unreachable { server, source: error },
    }
}

/// Whether a pooler's refusal is temporary. The message decides, because poolers use one code (08P01) for everything
/// and always write English.
fn is_passing(message: &str) -> bool {
    [
        "cannot connect to server",
        "server conn",
        "no more connections",
        "timeout",
        "shut",
        "paused",
        "login has been failing",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// Whether a server, or a proxy without one, closed the connection before it said anything. sqlx takes that for the
/// answer 0 to its first question, whether there is TLS.
pub fn hung_up(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Protocol(message) if message.contains("unexpected response from SSLRequest: 0x00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_url_is_refused_without_showing_it() {
        for text in ["mysql://a@b/c", "postgres://", "postgres://:pw@host/db", "host=x user=y"] {
            let error = address(&TargetDatabase::Url(Secret::new(text)), None).unwrap_err();
            assert_eq!(error.code().as_str(), "target_url", "{text}");
            assert!(!error.to_string().contains("pw"));
        }
    }

    #[test]
    fn a_pooler_that_refuses_a_setting_will_refuse_it_again() {
        assert!(!is_passing("unsupported startup parameter: options"));
        assert!(!is_passing("no such user"));
        assert!(is_passing("pgbouncer cannot connect to server"));
        assert!(is_passing("query_wait_timeout"));
    }

    #[tokio::test]
    async fn a_connection_that_is_closed_at_once_is_lost_like_any_other() {
        use tokio::io::AsyncReadExt;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            // All that was asked is read, so that the end is an orderly one.
            connection.read_exact(&mut [0; 8]).await.unwrap();
        });
        let database = TargetDatabase::Url(Secret::new(format!("postgres://ann:x@{address}/shop")));
        let Err(TargetError::Unreachable { source: sqlx::Error::Io(error), .. }) =
            connect(&database, None, &NetworkSettings::default(), "t", AnswerLimits::LOAD).await
        else {
            panic!("a lost connection");
        };
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn an_open_a_closed_and_a_silent_port_look_the_same_to_who_may_not_explore() {
        use tokio::io::AsyncWriteExt;
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        // Taken, but not listening: nobody else comes to listen there.
        let closed = tokio::net::TcpSocket::new_v4().unwrap();
        closed.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let ports = [&silent.local_addr(), &open.local_addr(), &closed.local_addr()];
        let ports = ports.map(|address| address.as_ref().unwrap().port());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = open.accept().await {
                stream.write_all(b"HTTP/1.1 400 Bad Request").await.ok();
            }
        });
        // Each of them takes the same time. A busy machine may add to it, so this is tried until it adds little.
        for _ in 0..8 {
            let attempts = ports.map(async |port| {
                let database = TargetDatabase::Url(Secret::new(format!("postgres://ann:x@127.0.0.1:{port}/shop")));
                let (network, started) = (NetworkSettings::default(), Instant::now());
                let tried = connect_evenly(&database, None, &network, "t", AnswerLimits::VIEW).await.map(drop);
                assert!(matches!(tried, Err(TargetError::Unreachable { .. })), "{tried:?}");
                started.elapsed()
            });
            let elapsed = futures::future::join_all(attempts).await;
            assert!(elapsed.iter().all(|elapsed| *elapsed >= EVEN), "{elapsed:?}");
            if elapsed.iter().all(|elapsed| *elapsed < EVEN + Duration::from_secs(1)) {
                return;
            }
        }
        panic!("one of the ports takes longer than the others");
    }

    #[test]
    fn the_default_target_is_used_only_for_its_own_database() {
        let default = Secret::new("postgres://elt@127.0.0.1:5432/elt_db");
        let named = |name: Option<&str>| TargetDatabase::Default { database: name.map(Into::into) };
        assert!(address(&named(None), Some(&default)).is_ok());
        assert!(address(&named(Some("elt_db")), Some(&default)).is_ok());
        assert_eq!(
            address(&named(Some("other")), Some(&default)).unwrap_err().code().as_str(),
            "target_other_database"
        );
        assert_eq!(address(&named(None), None).unwrap_err().code().as_str(), "target_no_default");
    }
}
