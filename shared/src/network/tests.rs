use super::*;
use crate::settings::UserNetworkSettings;

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
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "::ffff:127.0.0.1", "::1", "0.0.0.0", "::", "localhost"]
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
    let patience = Duration::from_secs(60);
    assert!(connect(&NetworkSettings::default(), "127.0.0.1", port, patience).await.is_ok());
    let denied = settings(&["127.0.0.0/8"], &[]);
    assert!(matches!(connect(&denied, "127.0.0.1", port, patience).await, Err(NetworkError::Refused { .. })));
    // Taken, but not listening: nobody else comes to listen there.
    let closed = tokio::net::TcpSocket::new_v4().expect("a socket");
    closed.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    let port = closed.local_addr().expect("an address").port();
    let gone = connect(&NetworkSettings::default(), "127.0.0.1", port, patience).await.expect_err("nobody listens");
    assert_eq!(gone.to_string(), format!("127.0.0.1:{port} could not be reached"));
}

/// The rules for a user who is not an admin.
fn user_settings(deny: &[&str], allow: &[&str]) -> NetworkSettings {
    let NetworkSettings { net_deny: net_deny_user, net_allow: net_allow_user, .. } = settings(deny, allow);
    let user_rules = UserNetworkSettings { net_deny_user, net_allow_user };
    NetworkSettings { user_rules, is_for_user: true, ..Default::default() }
}

#[tokio::test]
async fn an_allow_list_refuses_what_it_does_not_name() {
    let list = settings(&[], &["10.1.0.0/16", "db.example.com", "*.corp.example", "64:ff9b::/96"]);
    for host in ["10.2.0.1", "127.0.0.1", "localhost", "8.8.8.8", "2001:db8::1", "::", "0.0.0.0"] {
        assert!(refused(&list, host).await, "{host} must be refused");
    }
    for host in ["10.1.2.3", "167838211", "0xa.1.2.3", "::ffff:10.1.2.3", "64:ff9b::808:808"] {
        assert!(!refused(&list, host).await, "{host} must be allowed");
    }
    assert!(refused(&list, "64:ff9b::a9fe:a9fe").await, "an allowed translator leads to a metadata service");
    assert!(refused(&list, "2002:a01:203::1").await, "an address that stands for an allowed one is another address");
    let error = resolve(&list, "8.8.8.8", 80).await.expect_err("not on the list");
    assert_eq!(
        error.to_string(),
        "the host 8.8.8.8 may not be called: ELT_NET_ALLOW does not name it; add it there, or `*` for every host that \
         is not refused"
    );
}

#[tokio::test]
async fn a_star_opens_the_rest_and_neither_metadata_nor_what_is_denied() {
    let open = settings(&["10.0.0.0/8"], &["169.254.170.2", "*"]);
    for host in ["8.8.8.8", "127.0.0.1", "2001:db8::1", "169.254.170.2"] {
        assert!(!refused(&open, host).await, "{host} must be allowed");
    }
    for host in
        ["10.1.2.3", "169.254.169.254", "169.254.170.3", "metadata.google.internal", "fe80::1", "::ffff:a9fe:a9fe"]
    {
        assert!(refused(&open, host).await, "{host} must be refused");
    }
    let all_networks = settings(&[], &["0.0.0.0/0", "::/0"]);
    assert!(!refused(&all_networks, "8.8.8.8").await);
    assert!(refused(&all_networks, "169.254.169.254").await, "a wide network is no exception from a narrow one");
    let wide = settings(&[], &["::/64"]);
    assert!(refused(&wide, "169.254.169.254").await, "a network of IPv6 says little about IPv4");
}

#[tokio::test]
async fn the_most_specific_rule_decides() {
    let nested = settings(&["10.1.2.3", "10.5.0.0/16"], &["10.0.0.0/8", "10.5.6.0/24"]);
    for (host, is_refused) in [("10.1.2.3", true), ("10.1.2.4", false), ("10.5.1.1", true), ("10.5.6.7", false)] {
        assert_eq!(refused(&nested, host).await, is_refused, "{host}");
    }
    let same = settings(&["10.0.0.0/8"], &["10.0.0.0/8"]);
    assert!(refused(&same, "10.1.2.3").await, "between equals, the refusal counts");
    let names = settings(&["*.example.com"], &["db.example.com", "*"]);
    assert!(check_literal(&names, "db.example.com").is_ok());
    assert!(check_literal(&names, "other.example.com").is_err());
    let below = settings(&[], &["*.google.internal"]);
    assert!(check_literal(&below, "metadata.google.internal").is_err());
}

#[tokio::test]
async fn users_reach_no_private_network_in_any_spelling() {
    let user = user_settings(&[], &[]);
    for host in [
        "127.0.0.1",
        "127.255.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "localhost",
        "LOCALHOST",
        "0.0.0.0",
        "0",
        "0.1.2.3",
        "::",
        "::1",
        "[::1]",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "::ffff:0:7f00:1",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "192.0.0.8",
        "198.18.0.1",
        "fc00::1",
        "fd12:3456::1",
        "fec0::1",
        "fe80::1",
        "64:ff9b::a00:1",
        "64:ff9b:1::c0a8:1",
        "2002:c0a8:1::1",
        "2001:0:a00:1::1",
        "2001:db8::5efe:10.0.0.1",
        "169.254.169.254",
        "metadata",
        "１２７.0.0.1",
        "127。0。0。1",
        "ⓛocalhost",
    ] {
        assert!(refused(&user, host).await, "{host} must be refused");
    }
    for host in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "11.0.0.1", "2001:4860::8888", "64:ff9b::808:808"] {
        assert!(!refused(&user, host).await, "{host} must be allowed");
    }
}

#[tokio::test]
async fn users_reach_what_both_pairs_of_settings_allow() {
    let one = user_settings(&[], &["10.1.2.3", "*"]);
    assert!(!refused(&one, "10.1.2.3").await);
    assert!(!refused(&one, "8.8.8.8").await);
    assert!(refused(&one, "10.1.2.4").await);
    assert!(refused(&one, "127.0.0.1").await, "the star does not open private networks");
    let only = user_settings(&[], &["127.0.0.0/8"]);
    assert!(!refused(&only, "127.0.0.1").await);
    assert!(refused(&only, "8.8.8.8").await);
    let denied = user_settings(&["8.0.0.0/8"], &[]);
    assert!(refused(&denied, "8.8.8.8").await);
    let everyone = settings(&["10.1.0.0/16"], &[]);
    let both = NetworkSettings { user_rules: one.user_rules, is_for_user: true, ..everyone };
    assert!(refused(&both, "10.1.2.3").await, "what is denied to everyone is denied to users");
    let error = resolve(&user_settings(&[], &[]), "10.1.2.3", 80).await.expect_err("private");
    assert_eq!(
        error.to_string(),
        "the host 10.1.2.3 may not be called: its address is in a private network, which only admins may reach; \
         ELT_NET_ALLOW_USER can make an exception"
    );
}

mod any_spelling {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::super::policy::Policy;
    use super::*;

    /// Whether a host that the resolver would turn into this address is refused.
    fn is_refused(settings: &NetworkSettings, address: IpAddr) -> bool {
        Policy::for_host(settings, "host.example").is_ok_and(|policy| policy.check(address).is_err())
    }

    /// Addresses of IPv6 that lead to an IPv4 address.
    fn carriers(v4: Ipv4Addr) -> Vec<Ipv6Addr> {
        let low = u128::from(v4.to_bits());
        let at = |prefix: &str, shift: u32| {
            Ipv6Addr::from_bits(prefix.parse::<Ipv6Addr>().expect(prefix).to_bits() | low << shift)
        };
        vec![
            v4.to_ipv6_mapped(),
            at("64:ff9b::", 0),
            at("64:ff9b:1::", 0),
            at("::ffff:0:0:0", 0),
            at("2002::", 80),
            at("2001:0::", 64),
            at("2001:db8::5efe:0:0", 0),
            Ipv6Addr::from_bits(at("2001::", 0).to_bits() ^ u128::from(u32::MAX)),
        ]
    }

    proptest! {
        #[test]
        fn a_denied_address_is_refused_however_it_is_carried(bits: u32, prefix in 0u8..=32) {
            let v4 = Ipv4Addr::from_bits(bits);
            let denied = settings(&[&format!("{v4}/{prefix}")], &[]);
            prop_assert!(is_refused(&denied, v4.into()));
            for carrier in carriers(v4) {
                prop_assert!(is_refused(&denied, carrier.into()), "{carrier}");
            }
        }

        #[test]
        fn an_allow_list_opens_no_closed_address(bits: u32, prefix in 0u8..16) {
            let wide = settings(&[], &[&format!("{}/{prefix}", Ipv4Addr::from_bits(bits)), "*", "::/0"]);
            prop_assert!(is_refused(&wide, Ipv4Addr::new(169, 254, 169, 254).into()));
        }

        #[test]
        fn spelled_as_numbers_an_address_stays_private(last in 1u32..0xff_ffff, form in 0usize..6) {
            let bits = 10 << 24 | last;
            let host = match form {
                0 => format!("{bits}"),
                1 => format!("{bits:#x}"),
                2 => format!("0{bits:o}"),
                3 => format!("10.{last}"),
                4 => format!("0xa.{}.{}", last >> 16, last & 0xffff),
                _ => format!("012.{}.{}.0{:o}", last >> 16, last >> 8 & 0xff, last & 0xff),
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            prop_assert!(runtime.block_on(refused(&user_settings(&[], &[]), &host)), "{host}");
        }

        #[test]
        fn no_text_makes_the_rules_panic(host in "\\PC{0,40}", rule in "\\PC{0,20}") {
            let list = NetworkSettings { net_deny: rule.parse().into_iter().collect(), ..user_settings(&[], &["*"]) };
            let _ = check_literal(&list, &host);
        }
    }
}

#[tokio::test]
async fn a_proxy_is_asked_only_for_hosts_that_are_allowed_as_this_machine_finds_them() {
    let told = async |deny: &[&str], allow: &[&str], host: &str| {
        check_for_proxy(&settings(deny, allow), host).await.err().map(|error| error.to_string())
    };
    assert_eq!(told(&[], &[], "127.0.0.1").await, None);
    assert_eq!(told(&[], &[], "localhost").await, None);
    for (deny, allow, host) in [
        (&["127.0.0.0/8", "::1"][..], &[][..], "localhost"),
        (&["localhost"], &[], "LOCALHOST."),
        (&[], &["10.0.0.0/8"], "127.0.0.1"),
        (&[], &[], "169.254.169.254"),
        (&[], &["*"], "metadata.google.internal"),
    ] {
        let told = told(deny, allow, host).await.expect(host);
        assert!(told.contains("may not be called"), "{host}: {told}");
    }
    assert_eq!(
        told(&[], &["*"], "no-such-host.invalid").await.as_deref(),
        Some("the host no-such-host.invalid could not be found")
    );
    assert_eq!(
        told(&[], &["no-such-host.invalid"], "no-such-host.invalid").await,
        None,
        "its name is allowed by itself"
    );
}

#[test]
fn a_host_behind_a_jump_host_is_checked_by_what_is_written() {
    let allows = |deny: &[&str], allow: &[&str], host: &str| check_behind(&settings(deny, allow), host).is_ok();
    for host in ["files.internal", "10.0.0.5", "127.0.0.1", "[fd00::5]", "face.example", "a.b0"] {
        assert!(allows(&[], &[], host), "{host}");
    }
    for host in [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "metadata.google.internal",
        "2852039166",
        "0xa9fea9fe",
        "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.254.169.254.",
    ] {
        assert!(!allows(&[], &[], host), "{host}");
    }
    assert!(!allows(&["files.internal"], &[], "files.internal") && !allows(&["10.0.0.0/8"], &[], "10.0.0.5"));
    assert!(
        !allows(&[], &["bastion.example.com"], "files.internal"),
        "no address can be checked, so the name must be there"
    );
    for allow in ["files.internal", "*.internal", "*"] {
        assert!(allows(&[], &[allow], "files.internal"), "{allow}");
    }
}
