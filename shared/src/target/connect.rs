//! Connecting to a target. What a config does not say is never filled in from this process's environment.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::{TargetError, quote_ident};
use crate::config::{SslMode, TargetDatabase};
use crate::network;
use crate::secret::Secret;
use crate::settings::NetworkSettings;

/// A server that does not answer within this time is not reachable.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to a target's database. `default` is the process's own target, used by configs that name no server.
///
/// The session reads and writes dates, times and numbers the same way whatever the server's settings are.
///
/// # Errors
/// See [`TargetError`]: no default target, a wrong login, a missing database, a server that cannot be reached.
pub async fn connect(
    database: &TargetDatabase,
    default: Option<&Secret>,
    application_name: &str,
) -> Result<PgConnection, TargetError> {
    open(options(database, default)?, application_name).await
}

/// Connects like [`connect()`], to a host that may be called: a server a config names is checked by its address, so
/// that a name cannot lead elsewhere. The process's own target is its operator's choice and not checked.
///
/// # Errors
/// [`TargetError::Host`] when the host may not be called; else as [`connect()`].
pub async fn connect_allowed(
    database: &TargetDatabase,
    default: Option<&Secret>,
    network: &NetworkSettings,
    application_name: &str,
) -> Result<PgConnection, TargetError> {
    let options = options(database, default)?;
    if matches!(database, TargetDatabase::Default { .. }) {
        return open(options, application_name).await;
    }
    let addresses = network::resolve(network, options.get_host(), options.get_port()).await?;
    // A certificate is checked against the name, so the name is kept then.
    if matches!(options.get_ssl_mode(), PgSslMode::VerifyFull) {
        return open(options, application_name).await;
    }
    let mut opened = open(options.clone().host(&addresses[0].ip().to_string()), application_name).await;
    // `localhost` has two addresses, and a server may listen on one of them.
    for address in &addresses[1..] {
        if !matches!(opened, Err(TargetError::Unreachable { .. })) {
            break;
        }
        opened = open(options.clone().host(&address.ip().to_string()), application_name).await;
    }
    opened
}

async fn open(options: PgConnectOptions, application_name: &str) -> Result<PgConnection, TargetError> {
    let options = options.application_name(application_name).options([
        ("DateStyle", "ISO,YMD"),
        ("IntervalStyle", "postgres"),
        ("TimeZone", "UTC"),
        ("extra_float_digits", "1"),
        ("client_min_messages", "warning"),
    ]);
    let server = format!(
        "{}:{}/{}",
        options.get_host(),
        options.get_port(),
        options.get_database().unwrap_or_else(|| options.get_username())
    );
    let connecting = PgConnection::connect_with(&options);
    match tokio::time::timeout(TIMEOUT, connecting).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(refused(server, options.get_username(), error)),
        Err(_) => Err(TargetError::Unreachable {
            server,
            source: sqlx::Error::Io(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                format!("no answer within {} s", TIMEOUT.as_secs()),
            )),
        }),
    }
}

fn options(database: &TargetDatabase, default: Option<&Secret>) -> Result<PgConnectOptions, TargetError> {
    let options = match database {
        TargetDatabase::Default { database } => {
            let options = from_url(default.ok_or(TargetError::NoDefault)?)?;
            let own = options.get_database().unwrap_or_else(|| options.get_username()).to_owned();
            match database {
                Some(named) if *named != own => {
                    return Err(TargetError::OtherDatabase { named: named.clone(), default: own });
                }
                _ => options,
            }
        }
        TargetDatabase::Url(url) => {
            let options = from_url(url)?;
            if options.get_socket().is_some() || options.get_host().starts_with('/') {
                return Err(TargetError::Socket);
            }
            options
        }
        TargetDatabase::Server { host, port, database, user, password, sslmode } => {
            if host.starts_with('/') || host.is_empty() {
                return Err(TargetError::Socket);
            }
            PgConnectOptions::new_without_pgpass()
                .host(host)
                .port(*port)
                .username(user)
                .database(database)
                .password(password.as_ref().map_or("", Secret::expose))
                .ssl_mode(ssl_mode(*sslmode))
        }
    };
    Ok(options.disable_statement_logging())
}

/// Reads a URL so that whatever it leaves out is a fixed default, not `PGHOST`, `PGUSER` or a password file.
fn from_url(url: &Secret) -> Result<PgConnectOptions, TargetError> {
    let text = url.expose();
    let rest =
        text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")).ok_or(TargetError::Url)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (login, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let named_by_query = |key: &str| rest.contains(&format!("?{key}=")) || rest.contains(&format!("&{key}="));
    if (login.is_empty() || login.starts_with(':')) && !named_by_query("user") {
        return Err(TargetError::Url);
    }
    let mut options = PgConnectOptions::from_str(text).map_err(|_| TargetError::Url)?;
    if (host.is_empty() || host.starts_with(':')) && !named_by_query("host") && !named_by_query("hostaddr") {
        options = options.host("localhost");
    }
    if !host.rsplit(']').next().unwrap_or_default().contains(':') && !named_by_query("port") {
        options = options.port(5432);
    }
    if !login.contains(':') && !named_by_query("password") {
        options = options.password("");
    }
    let path = rest[authority.len()..].trim_start_matches('/');
    if (path.is_empty() || path.starts_with(['?', '#'])) && !named_by_query("dbname") {
        let user = options.get_username().to_owned();
        options = options.database(&user);
    }
    if !named_by_query("sslmode") && !named_by_query("ssl-mode") {
        options = options.ssl_mode(PgSslMode::Prefer);
    }
    Ok(options)
}

fn ssl_mode(mode: SslMode) -> PgSslMode {
    match mode {
        SslMode::Disable => PgSslMode::Disable,
        SslMode::Allow => PgSslMode::Allow,
        SslMode::Prefer => PgSslMode::Prefer,
        SslMode::Require => PgSslMode::Require,
        SslMode::VerifyCa => PgSslMode::VerifyCa,
        SslMode::VerifyFull => PgSslMode::VerifyFull,
    }
}

fn refused(server: String, user: &str, error: sqlx::Error) -> TargetError {
    let error = if hung_up(&error) { closed_at_once() } else { error };
    let Some(database) = error.as_database_error() else {
        return TargetError::Unreachable { server, source: error };
    };
    match database.code().as_deref() {
        Some("3D000") => TargetError::NoDatabase { server },
        Some("28000" | "28P01") => {
            TargetError::Login { server, user: user.to_owned(), reason: database.message().to_owned() }
        }
        Some("42501") => {
            let database = server.split_once('/').map_or("", |(_, database)| database);
            let grant = format!("grant connect on database {} to {}", quote_ident(database), quote_ident(user));
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
    matches!(error, sqlx::Error::Protocol(told) if told.contains("unexpected response from SSLRequest: 0x00"))
}

fn closed_at_once() -> sqlx::Error {
    let closed = "the connection was closed before the server said anything";
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, closed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<PgConnectOptions, TargetError> {
        from_url(&Secret::new(text))
    }

    #[test]
    fn a_url_inherits_nothing() {
        let options = url("postgres://ann@db.example").unwrap();
        assert_eq!(options.get_host(), "db.example");
        assert_eq!(options.get_port(), 5432);
        assert_eq!(options.get_username(), "ann");
        assert_eq!(options.get_database(), Some("ann"));
    }

    #[test]
    fn a_url_says_everything_itself() {
        let options = url("postgresql://ann:s3cr%2Ft@[::1]:6000/shop?sslmode=disable").unwrap();
        assert_eq!((options.get_host(), options.get_port()), ("[::1]", 6000));
        assert_eq!(options.get_database(), Some("shop"));
        assert!(matches!(options.get_ssl_mode(), PgSslMode::Disable));
    }

    #[test]
    fn what_is_no_url_is_refused_without_showing_it() {
        for text in ["mysql://a@b/c", "postgres://", "postgres://:pw@host/db", "host=x user=y"] {
            let error = url(text).unwrap_err();
            assert_eq!(error.code(), "target_url", "{text}");
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
        let Err(TargetError::Unreachable { source: sqlx::Error::Io(error), .. }) = connect(&database, None, "t").await
        else {
            panic!("a lost connection");
        };
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn the_default_target_is_used_only_for_its_own_database() {
        let default = Secret::new("postgres://elt@127.0.0.1:5432/elt_db");
        let named = |name: Option<&str>| TargetDatabase::Default { database: name.map(Into::into) };
        assert!(options(&named(None), Some(&default)).is_ok());
        assert!(options(&named(Some("elt_db")), Some(&default)).is_ok());
        assert_eq!(options(&named(Some("other")), Some(&default)).unwrap_err().code(), "target_other_database");
        assert_eq!(options(&named(None), None).unwrap_err().code(), "target_no_default");
    }
}
