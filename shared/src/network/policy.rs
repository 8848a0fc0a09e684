//! The rules that apply to one host, and what they say about its addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use super::forms::forms;
use super::normal;
use super::rules::{HostRule, Network};
use crate::settings::{NetworkSettings, UserNetworkSettings};

/// A network that is refused unless a rule at least as specific allows it, and why.
type Closed = (Network, &'static str);

/// Closed to everyone: link-local addresses, where clouds answer with credentials, and addresses that are not a host's.
const CLOSED: [Closed; 9] = [
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

/// Closed to users who are not admins: this machine and networks that the internet does not reach.
const CLOSED_TO_USERS: [Closed; 12] = [
    (Network::v4([127, 0, 0, 0], 8), PRIVATE),
    (Network::mapped(Ipv6Addr::LOCALHOST, 128), PRIVATE),
    (Network::v4([0, 0, 0, 0], 8), PRIVATE),
    (Network::mapped(Ipv6Addr::UNSPECIFIED, 128), PRIVATE),
    (Network::v4([10, 0, 0, 0], 8), PRIVATE),
    (Network::v4([172, 16, 0, 0], 12), PRIVATE),
    (Network::v4([192, 168, 0, 0], 16), PRIVATE),
    (Network::v4([100, 64, 0, 0], 10), PRIVATE),
    (Network::v4([192, 0, 0, 0], 24), PRIVATE),
    (Network::v4([198, 18, 0, 0], 15), PRIVATE),
    (Network::mapped(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7), PRIVATE),
    (Network::mapped(Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10), PRIVATE),
];
const PRIVATE: &str = "its address is in a private network, which only admins may reach";

const OWN: &str = "its address is one of this machine, which only admins may reach";

/// Names of metadata services, wherever they resolve to.
const CLOSED_NAMES: [&str; 3] = ["metadata", "metadata.google.internal", "instance-data"];

/// What the settings say about one host. All layers must allow an address.
pub(super) struct Policy<'a> {
    layers: Vec<Layer<'a>>,
}

/// One pair of settings, and what the name of the host means for it.
struct Layer<'a> {
    allow: &'a [HostRule],
    deny: &'a [HostRule],
    /// The settings' names, for messages: allow, deny.
    settings: [&'static str; 2],
    closed: Vec<Closed>,
    /// Tells the addresses of this machine, which are closed like those in `closed`.
    is_own: fn(IpAddr) -> bool,
    name: Name,
}

/// What a layer says about the name of a host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    /// It is allowed by itself: its addresses need no look.
    Allowed,
    /// It lies below an allowed name: its addresses may be in any network that is not closed.
    AllowedBelow,
    /// Nothing: its addresses decide.
    Open,
}

impl<'a> Policy<'a> {
    /// Finds the rules for a host.
    ///
    /// # Errors
    /// Why the host is refused whatever its addresses are.
    pub fn for_host(settings: &'a NetworkSettings, host: &str) -> Result<Self, String> {
        if !host.is_ascii() {
            // Programs differ in the ASCII name they make of it.
            return Err("its name has letters beyond ASCII: write it as `xn--…`".into());
        }
        let host = normal(host);
        let everyone = Layer::new(
            &settings.net_allow,
            &settings.net_deny,
            ["ELT_NET_ALLOW", "ELT_NET_DENY"],
            (CLOSED.to_vec(), |_| false),
            &host,
        )?;
        let mut layers = vec![everyone];
        if settings.is_for_user {
            let UserNetworkSettings { net_allow_user, net_deny_user } = &settings.user_rules;
            let closed = [CLOSED.as_slice(), &CLOSED_TO_USERS].concat();
            let names = ["ELT_NET_ALLOW_USER", "ELT_NET_DENY_USER"];
            layers.push(Layer::new(net_allow_user, net_deny_user, names, (closed, is_of_this_machine), &host)?);
        }
        Ok(Self { layers })
    }

    /// Whether the name is allowed by itself, wherever it leads to.
    pub fn allows_name(&self) -> bool {
        self.layers.iter().all(|layer| layer.name == Name::Allowed)
    }

    /// Checks a name whose addresses cannot be seen from here.
    ///
    /// # Errors
    /// Why it is refused: only some hosts are allowed, and the name is not one of them.
    pub fn check_unseen(&self) -> Result<(), String> {
        let unnamed = |layer: &&Layer<'_>| {
            layer.name == Name::Open && !layer.allow.is_empty() && !layer.allow.contains(&HostRule::Any)
        };
        match self.layers.iter().find(unnamed) {
            Some(layer) => Err(layer.not_named()),
            None => Ok(()),
        }
    }

    /// Checks an address in every form that a kernel or a translator on the way may take it for.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check(&self, address: IpAddr) -> Result<(), String> {
        self.layers.iter().try_for_each(|layer| layer.check(address))
    }
}

impl<'a> Layer<'a> {
    fn new(
        allow: &'a [HostRule],
        deny: &'a [HostRule],
        settings: [&'static str; 2],
        (closed, is_own): (Vec<Closed>, fn(IpAddr) -> bool),
        host: &str,
    ) -> Result<Self, String> {
        let best = |rules: &'a [HostRule]| {
            rules.iter().filter_map(|rule| Some((rule.of_name(host)?, rule))).max_by_key(|found| found.0)
        };
        let name = match (best(allow), best(deny)) {
            (allowed, Some((denied, rule))) if allowed.is_none_or(|(allowed, _)| allowed <= denied) => {
                return Err(format!("`{rule}` is denied by {}", settings[1]));
            }
            (Some((usize::MAX, _)), _) => Name::Allowed,
            // An exact name is more specific than the one that allows it.
            (_, _) if CLOSED_NAMES.contains(&host) => {
                return Err(format!(
                    "it is the name of a cloud's metadata service; {} can make an exception",
                    settings[0]
                ));
            }
            (Some(_), _) => Name::AllowedBelow,
            (None, _) => Name::Open,
        };
        Ok(Self { allow, deny, settings, closed, is_own, name })
    }

    fn check(&self, address: IpAddr) -> Result<(), String> {
        if self.name == Name::Allowed {
            return Ok(());
        }
        for form in forms(address) {
            self.check_form(form, form == address)?;
        }
        Ok(())
    }

    /// Checks one form. Only the address itself must be on the list of what is allowed, because a form is a guess.
    fn check_form(&self, form: IpAddr, is_itself: bool) -> Result<(), String> {
        let best = |rules: &'a [HostRule]| {
            rules.iter().filter_map(|rule| Some((rule.of_address(form)?, rule))).max_by_key(|found| found.0)
        };
        let allowed = best(self.allow).map(|(bits, _)| bits);
        if let Some((bits, rule)) = best(self.deny)
            && self.name == Name::Open
            && allowed.is_none_or(|allowed| allowed <= bits)
        {
            return Err(format!("its address is in `{rule}`, denied by {}", self.settings[1]));
        }
        // Any network that a rule names is more specific, so that an operator opens this machine together with its network.
        let own = (self.is_own)(form).then_some((Network::mapped(Ipv6Addr::UNSPECIFIED, 0), OWN));
        let closed = self.closed.iter().copied().chain(own).filter(|(network, _)| network.contains(form));
        let closed = closed.map(|(network, reason)| (network.specificity(form), reason));
        if let Some((bits, reason)) = closed.max_by_key(|(bits, _)| *bits)
            && allowed.is_none_or(|allowed| allowed < bits)
        {
            return Err(format!("{reason}; {} can make an exception", self.settings[0]));
        }
        if allowed.is_none() && is_itself && self.name == Name::Open && !self.allow.is_empty() {
            return Err(self.not_named());
        }
        Ok(())
    }

    fn not_named(&self) -> String {
        let allow = self.settings[0];
        format!("{allow} does not name it; add it there, or `*` for every host that is not refused")
    }
}

/// Whether an address is one of this machine's own: only then a socket can have it. False on a machine that lets sockets
/// have any address (`ip_nonlocal_bind`), because nothing is known there.
fn is_of_this_machine(address: IpAddr) -> bool {
    // Addresses for documentation: a machine that can bind them lets sockets have any address.
    let never_own: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    };
    let can_have = |address: IpAddr| UdpSocket::bind((address, 0)).is_ok();
    can_have(address) && !can_have(never_own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_reaches_no_address_of_this_machine_unless_a_rule_names_it() {
        let address: IpAddr = Ipv4Addr::new(198, 51, 100, 7).into();
        let refusal = |allow: &[&str]| {
            let net_allow_user = allow.iter().map(|rule| rule.parse().unwrap()).collect();
            let user_rules = UserNetworkSettings { net_allow_user, ..UserNetworkSettings::default() };
            let settings = NetworkSettings { user_rules, is_for_user: true, ..NetworkSettings::default() };
            let mut policy = Policy::for_host(&settings, "db.example.com").unwrap();
            policy.layers[1].is_own = |address| address == Ipv4Addr::new(198, 51, 100, 7);
            (policy.check(address).err(), policy.check(Ipv4Addr::new(198, 51, 100, 8).into()).err())
        };
        let (own, other) = refusal(&[]);
        assert_eq!(
            own.as_deref(),
            Some(
                "its address is one of this machine, which only admins may reach; ELT_NET_ALLOW_USER can make an exception"
            )
        );
        assert_eq!(other, None);
        assert!(refusal(&["*"]).0.is_some() && refusal(&["*", "10.0.0.0/8"]).0.is_some());
        assert_eq!(refusal(&["198.51.100.7"]).0, None);
        assert_eq!(refusal(&["198.51.100.0/24"]).0, None);
        assert_eq!(refusal(&["db.example.com"]).0, None);
    }

    #[test]
    fn the_addresses_of_this_machine_are_told_from_others() {
        assert!(is_of_this_machine(Ipv4Addr::LOCALHOST.into()));
        for other in [[192, 0, 2, 1], [192, 0, 2, 99], [198, 51, 100, 7], [203, 0, 113, 9]] {
            assert!(!is_of_this_machine(IpAddr::from(other)), "{other:?}");
        }
    }
}
