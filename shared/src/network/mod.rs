//! Which hosts may be called, and the way to a checked address: a name is looked up once, its addresses are checked,
//! and the connection goes to one of those addresses, so that a name cannot change its mind in between.
//!
//! The most specific rule that holds an address or a name decides: a longer prefix before a shorter one, a name before a
//! network, and `*` last. Link-local and metadata addresses are refused by rules of elt's own. As soon as
//! `ELT_NET_ALLOW` is set, hosts that it does not name are refused as well.

pub mod client;
mod forms;
pub mod keepalive;
mod policy;
mod rules;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

use self::policy::Policy;
pub use self::rules::{HostRule, HostRuleError, Network};
use crate::settings::NetworkSettings;

/// Why a host was not called. Each is a sentence.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The rules refuse the name.
    #[error("the host {host} may not be called: {reason}")]
    Refused {
        /// As written in the config.
        host: String,
        /// Which rule.
        reason: String,
    },
    /// The name has no address.
    #[error("the host {host} could not be found")]
    NotFound {
        /// As written in the config.
        host: String,
        /// Error of the resolver.
        source: std::io::Error,
    },
    /// Looking up or connecting took too long.
    #[error("{host}:{port} did not accept a connection within {} s", .after.as_secs_f32())]
    TimedOut {
        /// As written in the config.
        host: String,
        /// Port.
        port: u16,
        /// Time that was waited.
        after: Duration,
    },
    /// No address accepted a connection.
    #[error("{host}:{port} could not be reached")]
    Unreachable {
        /// As written in the config.
        host: String,
        /// Port.
        port: u16,
        /// What the last address answered.
        source: std::io::Error,
    },
}

/// The addresses of a host that may be called, never empty. Every address that a refused rule holds is left out.
///
/// # Errors
/// When the name or all of its addresses are refused, or when it has none.
pub async fn resolve(settings: &NetworkSettings, host: &str, port: u16) -> Result<Vec<SocketAddr>, NetworkError> {
    let host = host.trim_matches(['[', ']']);
    let refused = |reason: String| NetworkError::Refused { host: host.to_owned(), reason };
    let policy = Policy::for_host(settings, host).map_err(refused)?;
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|source| NetworkError::NotFound { host: host.to_owned(), source })?
        .collect();
    let mut reason = None;
    let mut addresses = Vec::new();
    for address in found {
        match policy.check(address.ip()) {
            Err(why) => reason = Some(why),
            Ok(()) if addresses.contains(&address) => {}
            Ok(()) => addresses.push(address),
        }
    }
    match reason {
        Some(reason) if addresses.is_empty() => Err(refused(reason)),
        None if addresses.is_empty() => Err(NetworkError::NotFound {
            host: host.to_owned(),
            source: std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address"),
        }),
        _ => Ok(addresses),
    }
}

/// Checks a host that is an address already, in the spelling that a parsed URL gives it; names are checked when they are
/// looked up.
///
/// # Errors
/// When the address is refused.
pub fn check_literal(settings: &NetworkSettings, host: &str) -> Result<(), NetworkError> {
    check_unresolved(settings, host, |_, _| Ok(()))
}

/// Checks a host that a proxy will connect to. The proxy looks the name up by itself, so every address that this machine finds
/// must be allowed, and a name that it does not find must be one that the rules allow by itself.
///
/// # Errors
/// When the name or one of its addresses is refused, or when it has none here.
pub async fn check_for_proxy(settings: &NetworkSettings, host: &str) -> Result<(), NetworkError> {
    let host = host.trim_matches(['[', ']']);
    let refused = |reason: String| NetworkError::Refused { host: host.to_owned(), reason };
    let policy = Policy::for_host(settings, host).map_err(refused)?;
    if policy.allows_name() {
        return Ok(());
    }
    let not_found = |source| NetworkError::NotFound { host: host.to_owned(), source };
    let mut found = tokio::net::lookup_host((host, 0)).await.map_err(not_found)?.peekable();
    if found.peek().is_none() {
        return Err(not_found(std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address")));
    }
    found.try_for_each(|address| policy.check(address.ip())).map_err(refused)
}

/// Checks a host that another server connects to for us, as it sees it: behind a jump host a name may lead to addresses that
/// this machine does not know. An address is checked as any other. A name must not be refused, and with `ELT_NET_ALLOW` it must be
/// allowed as a name.
///
/// # Errors
/// When the address or the name is refused.
pub fn check_behind(settings: &NetworkSettings, host: &str) -> Result<(), NetworkError> {
    check_unresolved(settings, host, |policy, name| {
        if ends_in_a_number(name) {
            return Err("it is an address in an unusual spelling: write it as `192.0.2.1`".into());
        }
        policy.check_unseen()
    })
}

/// Checks a host without a lookup of its name: an address by the rules for addresses, a name by `check_name`, which returns the
/// reason why it is refused.
fn check_unresolved(
    settings: &NetworkSettings,
    host: &str,
    check_name: impl FnOnce(&Policy<'_>, &str) -> Result<(), String>,
) -> Result<(), NetworkError> {
    let host_only = host.trim_matches(['[', ']']);
    let checked = Policy::for_host(settings, host_only).and_then(|policy| match host_only.parse::<IpAddr>() {
        Ok(address) => policy.check(address),
        Err(_) => check_name(&policy, host_only),
    });
    checked.map_err(|reason| NetworkError::Refused { host: host.to_owned(), reason })
}

/// Whether a resolver may take a host for an IPv4 address, though it is not written as one: `0x7f.1`, `2130706433`.
fn ends_in_a_number(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let digits = last.strip_prefix("0x").unwrap_or(&last);
    digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        && (last.starts_with("0x") || digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Connects to a host that may be called, trying its addresses in turn, within `limit` altogether. The kernel ends the
/// connection when the other machine no longer answers.
///
/// # Errors
/// When the host is refused, has no address, or none of them accepts in time.
pub async fn connect(
    settings: &NetworkSettings,
    host: &str,
    port: u16,
    limit: Duration,
) -> Result<TcpStream, NetworkError> {
    let attempt = async {
        let addresses = resolve(settings, host, port).await?;
        let unreachable = |source| NetworkError::Unreachable { host: host.to_owned(), port, source };
        let stream = TcpStream::connect(addresses.as_slice()).await.map_err(unreachable)?;
        keepalive::end_when_unanswered(&stream).map_err(unreachable)?;
        Ok(stream)
    };
    let timed_out = |_| NetworkError::TimedOut { host: host.to_owned(), port, after: limit };
    tokio::time::timeout(limit, attempt).await.map_err(timed_out)?
}

/// `Db.Example.com.` and `db.example.com` are one name.
fn normal(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
