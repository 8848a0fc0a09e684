//! Rules for hosts: networks and names.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::normal;

/// One rule of `ELT_NET_DENY`, `ELT_NET_ALLOW` or their counterparts for users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostRule {
    /// A network in CIDR notation, or one address.
    Network(Network),
    /// A host name, in lower case.
    Name(String),
    /// `*.example.com`: every name below, kept as `.example.com`.
    Below(String),
    /// `*`: every host.
    Any,
}

/// A range of addresses. IPv4 is kept in its IPv6-mapped form, so that both spellings of an address are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: u128,
    bits: u8,
}

/// A text that is not a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is neither a network like 10.0.0.0/8, nor a host name like db.example.com or *.example.com, nor `*` for all hosts"
)]
pub struct HostRuleError(String);

impl Network {
    pub(super) const fn v4(address: [u8; 4], bits: u8) -> Self {
        Self::mapped(Ipv4Addr::new(address[0], address[1], address[2], address[3]).to_ipv6_mapped(), 96 + bits)
    }

    pub(super) const fn mapped(address: Ipv6Addr, bits: u8) -> Self {
        let mask = if bits == 0 { 0 } else { u128::MAX << (128 - bits) };
        Self { first: address.to_bits() & mask, bits }
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let address = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self::mapped(address, self.bits) == *self
    }

    /// How specific the network is for an address it contains: more for a longer prefix, at least 1. A network of IPv6
    /// that contains all of IPv4 is no more specific for an IPv4 address than 0.0.0.0/0.
    pub(super) fn specificity(&self, address: IpAddr) -> u8 {
        1 + if address.to_canonical().is_ipv4() { self.bits.saturating_sub(96) } else { self.bits }
    }
}

impl FromStr for HostRule {
    type Err = HostRuleError;

    fn from_str(text: &str) -> Result<Self, HostRuleError> {
        let refuse = || HostRuleError(text.to_owned());
        let rule = text.trim();
        if rule == "*" {
            return Ok(Self::Any);
        }
        let (address, bits) = match rule.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| refuse())?)),
            None => (rule, None),
        };
        match address.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(IpAddr::V4(v4)) if bits.is_none_or(|bits| bits <= 32) => {
                Ok(Self::Network(Network::v4(v4.octets(), bits.unwrap_or(32))))
            }
            Ok(IpAddr::V6(v6)) if bits.is_none_or(|bits| bits <= 128) => {
                Ok(Self::Network(Network::mapped(v6, bits.unwrap_or(128))))
            }
            Err(_) if bits.is_none() => name_rule(rule).ok_or_else(refuse),
            _ => Err(refuse()),
        }
    }
}

fn name_rule(rule: &str) -> Option<HostRule> {
    let name = normal(rule);
    let below = name.strip_prefix('*').filter(|below| below.starts_with('.'));
    let plain = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
    };
    match below {
        Some(below) if plain(below) => Some(HostRule::Below(below.to_owned())),
        None if plain(&name) && !is_number(&name) => Some(HostRule::Name(name)),
        _ => None,
    }
}

/// Whether a name ends in a number. It is then another spelling of an address, such as `10.0.0.1.` or `0x7f.1`, and as
/// a name it would never match.
fn is_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").is_some_and(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()));
    hexadecimal || last.chars().all(|c| c.is_ascii_digit())
}

impl HostRule {
    /// How specific the rule is for a name; `None` when it does not hold the name. An exact name has the highest value.
    pub(super) fn of_name(&self, host: &str) -> Option<usize> {
        match self {
            Self::Name(name) => (name == host).then_some(usize::MAX),
            Self::Below(below) => host.ends_with(below.as_str()).then_some(below.len()),
            Self::Network(_) | Self::Any => None,
        }
    }

    /// How specific the rule is for an address; `None` when it does not hold the address.
    pub(super) fn of_address(&self, address: IpAddr) -> Option<u8> {
        match self {
            Self::Network(network) => network.contains(address).then(|| network.specificity(address)),
            Self::Any => Some(0),
            Self::Name(_) | Self::Below(_) => None,
        }
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Name(name) => f.write_str(name),
            Self::Below(below) => write!(f, "*{below}"),
            Self::Network(Network { first, bits }) => match Ipv6Addr::from_bits(*first).to_ipv4_mapped() {
                Some(v4) if *bits >= 96 => write!(f, "{v4}/{}", bits - 96),
                _ => write!(f, "{}/{bits}", Ipv6Addr::from_bits(*first)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_network_or_a_name_and_nothing_else() {
        for (text, shown) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("fe80::1/10", "fe80::/10"),
            ("::/0", "::/0"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            (" Db.Example.com. ", "db.example.com"),
            ("*.example.com", "*.example.com"),
            (" * ", "*"),
        ] {
            assert_eq!(text.parse::<HostRule>().expect(text).to_string(), shown);
        }
        for text in [
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "a/b",
            "",
            "**",
            "*.",
            "a b",
            "http://x",
            "10.0.0.0/x",
            "10.0.0.1.",
            "0x7f.1",
            "2130706433",
        ] {
            assert!(text.parse::<HostRule>().is_err(), "{text} is no rule");
        }
    }
}
