//! Which hosts may be called, and the way to a checked address: a name is looked up once, its addresses are checked,
//! and the connection goes to one of those addresses, so that a name cannot change its mind in between.
//!
//! Link-local and metadata addresses are refused unless allowed. `ELT_NET_DENY` refuses further networks and names;
//! `ELT_NET_ALLOW` makes exceptions from both.

mod rules;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

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
        /// What the resolver said.
        source: std::io::Error,
    },
    /// Looking up or connecting took too long.
    #[error("{host}:{port} did not accept a connection within {} s", .after.as_secs_f32())]
    TimedOut {
        /// As written in the config.
        host: String,
        /// Port.
        port: u16,
        /// How long we waited.
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

/// What is refused unless allowed: link-local addresses, where clouds answer with credentials, and what is no host at all.
const NEVER: [(Network, &str); 9] = [
    (Network::v4([169, 254, 0, 0], 16), LINK_LOCAL),
    (Network::mapped(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10), LINK_LOCAL),
    (Network::v4([100, 100, 100, 200], 32), METADATA),
    (Network::v4([168, 63, 129, 16], 32), METADATA),
    (Network::v4([192, 0, 0, 192], 32), METADATA),
    (Network::mapped(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128), METADATA),
    (Network::mapped(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128), METADATA),
    (Network::v4([224, 0, 0, 0], 3), NO_HOST),
    (Network::mapped(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8), NO_HOST),
];
const LINK_LOCAL: &str = "its address is link-local, where cloud metadata services answer";
const METADATA: &str = "its address is a cloud's metadata service";
const NO_HOST: &str = "its address is a multicast or reserved one";
/// Names of metadata services, wherever they resolve to.
const NEVER_NAMES: [&str; 3] = ["metadata", "metadata.google.internal", "instance-data"];

/// The addresses of a host that may be called, never empty. Every address that a refused rule holds is left out.
///
/// # Errors
/// When the name or all of its addresses are refused, or when it has none.
pub async fn resolve(settings: &NetworkSettings, host: &str, port: u16) -> Result<Vec<SocketAddr>, NetworkError> {
    let host = host.trim_matches(['[', ']']);
    let refused = |reason: String| NetworkError::Refused { host: host.to_owned(), reason };
    let allowed = name_is_allowed(settings, host).map_err(refused)?;
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|source| NetworkError::NotFound { host: host.to_owned(), source })?
        .collect();
    let mut reason = None;
    let mut addresses = Vec::new();
    for address in found {
        match address_is_refused(settings, address.ip()).filter(|_| !allowed) {
            Some(why) => reason = Some(why),
            None if addresses.contains(&address) => {}
            None => addresses.push(address),
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

/// Checks a host that is an address already, in any of its spellings; names are checked when they are looked up.
///
/// # Errors
/// When the address is refused.
pub fn check_literal(settings: &NetworkSettings, host: &str) -> Result<(), NetworkError> {
    let refused = |reason: String| NetworkError::Refused { host: host.to_owned(), reason };
    let allowed = name_is_allowed(settings, host).map_err(refused)?;
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) if !allowed => address_is_refused(settings, address).map_or(Ok(()), |reason| Err(refused(reason))),
        _ => Ok(()),
    }
}

/// Connects to a host that may be called, trying its addresses in turn, within `limit` altogether.
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
        TcpStream::connect(addresses.as_slice()).await.map_err(|source| NetworkError::Unreachable {
            host: host.to_owned(),
            port,
            source,
        })
    };
    let timed_out = |_| NetworkError::TimedOut { host: host.to_owned(), port, after: limit };
    tokio::time::timeout(limit, attempt).await.map_err(timed_out)?
}

/// Whether a name is allowed by name, so that its addresses need no look; the error says which rule refuses it.
fn name_is_allowed(settings: &NetworkSettings, host: &str) -> Result<bool, String> {
    let name = normal(host);
    if settings.net_allow.iter().any(|rule| rule.names(&name)) {
        return Ok(true);
    }
    if let Some(rule) = settings.net_deny.iter().find(|rule| rule.names(&name)) {
        return Err(format!("`{rule}` is denied by ELT_NET_DENY"));
    }
    match NEVER_NAMES.contains(&name.as_str()) {
        true => Err("it is the name of a cloud's metadata service".into()),
        false => Ok(false),
    }
}

/// Why an address may not be called, looked at in every form a kernel would take it for.
fn address_is_refused(settings: &NetworkSettings, address: IpAddr) -> Option<String> {
    let forms = forms(address);
    let any = |rules: &[HostRule]| rules.iter().find(|rule| forms.iter().any(|form| rule.holds(*form))).cloned();
    if any(&settings.net_allow).is_some() {
        return None;
    }
    if let Some(rule) = any(&settings.net_deny) {
        return Some(format!("its address is in `{rule}`, denied by ELT_NET_DENY"));
    }
    let never = NEVER.iter().find(|(network, _)| forms.iter().any(|form| network.contains(*form)));
    never.map(|(_, reason)| format!("{reason}; ELT_NET_ALLOW can make an exception"))
}

/// An address and the IPv4 addresses it may stand for, where it carries one: mapped, compatible, translated, NAT64, 6to4,
/// Teredo, ISATAP, unspecified.
fn forms(address: IpAddr) -> Vec<IpAddr> {
    let mut forms = vec![address];
    let v6 = match address {
        // A connection to the unspecified address reaches this machine.
        IpAddr::V4(v4) if v4.is_unspecified() => {
            forms.push(Ipv4Addr::LOCALHOST.into());
            return forms;
        }
        IpAddr::V4(_) => return forms,
        IpAddr::V6(v6) => v6,
    };
    let bits = v6.to_bits();
    let last = Ipv4Addr::from_bits(bits as u32);
    let embedded = match v6.segments() {
        _ if v6.is_unspecified() => {
            forms.push(Ipv6Addr::LOCALHOST.into());
            vec![Ipv4Addr::LOCALHOST]
        }
        _ if v6 == Ipv6Addr::LOCALHOST => Vec::new(),
        [0, 0, 0, 0, 0, 0xffff | 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => vec![last],
        // A private network may translate with a prefix of 48, 56, 64 or 96 bits; the byte after 64 bits is left out.
        [0x64, 0xff9b, 1, ..] => {
            let split = |high: u32, low: u32| {
                let high_part = (bits >> 64) as u64 & ((1 << high) - 1);
                let low_part = (bits >> (56 - low)) as u64 & ((1 << low) - 1);
                Ipv4Addr::from_bits((high_part << low | low_part) as u32)
            };
            [split(16, 16), split(8, 24), split(0, 32), last].into_iter().filter(|v4| !v4.is_unspecified()).collect()
        }
        [0x2002, ..] => vec![Ipv4Addr::from_bits((bits >> 80) as u32)],
        // Teredo: the server, and the client with its bits turned over.
        [0x2001, 0, ..] => vec![Ipv4Addr::from_bits((bits >> 64) as u32), Ipv4Addr::from_bits(!bits as u32)],
        [.., 0 | 0x200, 0x5efe, _, _] => vec![last],
        _ => Vec::new(),
    };
    for v4 in embedded {
        forms.push(v4.into());
        if v4.is_unspecified() {
            forms.push(Ipv4Addr::LOCALHOST.into());
        }
    }
    forms
}

/// `Db.Example.com.` and `db.example.com` are one name.
fn normal(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(deny: &[&str], allow: &[&str]) -> NetworkSettings {
        let rules = |texts: &[&str]| texts.iter().map(|text| text.parse().expect(text)).collect();
        NetworkSettings { net_deny: rules(deny), net_allow: rules(allow), ..Default::default() }
    }

    async fn refused(settings: &NetworkSettings, host: &str) -> bool {
        matches!(resolve(settings, host, 80).await, Err(NetworkError::Refused { .. }))
    }

    #[tokio::test]
    async fn metadata_is_refused_in_every_spelling_and_loopback_is_not() {
        let default = NetworkSettings::default();
        for host in [
            "169.254.169.254",
            "169.254.170.2",
            "2852039166",
            "0xa9fea9fe",
            "0xa9.0xfe.0xa9.0xfe",
            "0251.0376.0251.0376",
            "::ffff:169.254.169.254",
            "[::ffff:a9fe:a9fe]",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::ffff:0:169.254.169.254",
            "64:ff9b:1::a9fe:a9fe",
            "64:ff9b:1:a9fe:a9:fe00::",
            "64:ff9b:1:a9:fe:a9fe::",
            "64:ff9b:1:0:a9:fea9:fe00:0",
            "2001:0:a9fe:a9fe::1",
            "2001:0:1:2:3:4:5601:5601",
            "2001:db8::5efe:169.254.169.254",
            "2001:db8::200:5efe:a9fe:a9fe",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "metadata.google.internal",
            "METADATA.google.internal.",
            "224.0.0.1",
            "255.255.255.255",
            "ff02::1",
        ] {
            assert!(refused(&default, host).await, "{host} must be refused");
        }
        for host in ["127.0.0.1", "::1", "[::1]", "localhost", "10.1.2.3", "100.100.100.201", "0.0.0.0"] {
            assert!(!refused(&default, host).await, "{host} must be allowed");
        }
    }

    #[tokio::test]
    async fn deny_refuses_every_spelling_and_allow_makes_exceptions() {
        let loopback = settings(&["127.0.0.0/8", "::1"], &[]);
        for host in
            ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "::ffff:127.0.0.1", "::1", "0.0.0.0", "::", "localhost"]
        {
            assert!(refused(&loopback, host).await, "{host} must be refused");
        }
        let exception = settings(&["10.0.0.0/8"], &["10.1.2.3", "169.254.7.0/24"]);
        assert!(refused(&exception, "10.1.2.4").await);
        assert!(!refused(&exception, "10.1.2.3").await);
        assert!(!refused(&exception, "169.254.7.9").await);
        let only = settings(&["0.0.0.0/0", "::/0"], &["localhost"]);
        assert!(refused(&only, "127.0.0.1").await);
        assert!(!refused(&only, "LOCALHOST").await);
    }

    #[tokio::test]
    async fn names_are_refused_without_looking_them_up() {
        let names = settings(&["*.corp.example", "db.example.com"], &["ok.corp.example"]);
        for host in ["a.corp.example", "A.B.Corp.Example.", "db.example.com"] {
            assert!(refused(&names, host).await, "{host} must be refused");
        }
        assert!(check_literal(&names, "ok.corp.example").is_ok());
        assert!(check_literal(&names, "corp.example").is_ok(), "the star stands for at least one label");
    }

    #[test]
    fn the_message_names_the_rule() {
        let denied = check_literal(&settings(&["10.0.0.0/8"], &[]), "10.9.9.9").unwrap_err();
        assert_eq!(
            denied.to_string(),
            "the host 10.9.9.9 may not be called: its address is in `10.0.0.0/8`, denied by ELT_NET_DENY"
        );
        let metadata = check_literal(&NetworkSettings::default(), "[::ffff:169.254.169.254]").unwrap_err();
        assert!(metadata.to_string().ends_with("answer; ELT_NET_ALLOW can make an exception"), "{metadata}");
    }

    #[tokio::test]
    async fn connecting_goes_to_a_checked_address_and_says_what_failed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let second = Duration::from_secs(1);
        assert!(connect(&NetworkSettings::default(), "127.0.0.1", port, second).await.is_ok());
        let denied = settings(&["127.0.0.0/8"], &[]);
        assert!(matches!(connect(&denied, "127.0.0.1", port, second).await, Err(NetworkError::Refused { .. })));
        drop(listener);
        let gone = connect(&NetworkSettings::default(), "127.0.0.1", port, second).await.expect_err("nobody listens");
        assert_eq!(gone.to_string(), format!("127.0.0.1:{port} could not be reached"));
    }
}
