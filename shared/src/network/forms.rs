//! The addresses that one address may stand for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address and the IPv4 addresses it may stand for, where it carries one: mapped, compatible, translated, NAT64, 6to4,
/// Teredo, ISATAP, unspecified.
pub(super) fn forms(address: IpAddr) -> Vec<IpAddr> {
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
