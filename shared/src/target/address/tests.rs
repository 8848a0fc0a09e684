//! Which URLs are addresses, and what they say.

use proptest::prelude::*;

use super::*;

fn config(url: &str) -> Result<TargetAddress, AddressProblem> {
    TargetAddress::parse(url, Author::Config)
}

fn operator(url: &str) -> Result<TargetAddress, AddressProblem> {
    TargetAddress::parse(url, Author::Operator)
}

#[test]
fn what_a_url_leaves_out_is_a_fixed_default() {
    let address = config("postgres://ann@db.example/shop").unwrap();
    assert_eq!(address.host, Host::Name("db.example".into()));
    assert_eq!((address.port, address.password.expose(), address.sslmode), (5432, "", None));
    for url in ["postgres://u:@h/d", "postgres://u@h:/d", "postgresql://u@h/d?", "postgres://u@h/d?&"] {
        let address = config(url).unwrap();
        assert_eq!((address.port, address.password.expose()), (5432, ""), "{url}");
    }
}

#[test]
fn every_part_is_decoded() {
    let address = config("postgresql://an%40n:s3cr%2Ft%3A@[::1]:6000/sh%2Fop?ssl-mode=Verify-Full").unwrap();
    assert_eq!(address.host, Host::Name("::1".into()));
    assert_eq!((address.port, address.user.as_str(), address.password.expose()), (6000, "an@n", "s3cr/t:"));
    assert_eq!((address.database.as_str(), address.sslmode), ("sh/op", Some(SslMode::VerifyFull)));
    assert_eq!(address.server(), "[::1]:6000/sh/op");
}

#[test]
fn encryption_is_required_beyond_this_machine_unless_the_address_says_otherwise() {
    for local in ["localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"] {
        let address = config(&format!("postgres://a@{local}/d")).unwrap();
        assert_eq!(address.encryption(), SslMode::Prefer, "{local}");
    }
    for far in ["db", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com", "[::2]", "0.0.0.0"] {
        let address = config(&format!("postgres://a@{far}/d")).unwrap();
        assert_eq!(address.encryption(), SslMode::Require, "{far}");
    }
    assert_eq!(config("postgres://a@db/d?sslmode=disable").unwrap().encryption(), SslMode::Disable);
    assert_eq!(operator("postgres://a@/d?host=/run/pg").unwrap().encryption(), SslMode::Prefer);
}

#[test]
fn a_config_may_name_no_file_no_socket_and_no_second_place_for_a_part() {
    for name in [
        "sslcert",
        "sslkey",
        "sslrootcert",
        "ssl-ca",
        "ssl-cert",
        "ssl-key",
        "ssl-root-cert",
        "options",
        "host",
        "hostaddr",
        "port",
        "user",
        "password",
        "dbname",
        "passfile",
        "service",
        "servicefile",
        "sslpassword",
        "statement-cache-capacity",
    ] {
        for spelled in [name.to_owned(), name.replacen('s', "%73", 1).replacen('p', "%70", 1)] {
            let refused = config(&format!("postgres://u:hunter2@h/d?{spelled}=/dev/zero")).unwrap_err();
            let AddressProblem::Refused { name: told, .. } = refused else { panic!("{spelled}: {refused:?}") };
            assert_eq!(told, name);
        }
    }
    for unknown in ["options[search_path]", "SSLMODE", "sslmode ", "x", "sslrootcert%00", "sslmod"] {
        let refused = config(&format!("postgres://u:p@h/d?{}=x", unknown.replace(' ', "%20"))).unwrap_err();
        assert!(matches!(refused, AddressProblem::Unknown | AddressProblem::Encoding), "{unknown}: {refused:?}");
    }
    assert_eq!(config("postgres://u:p@h/d?application_name=x&sslmode=allow").unwrap().sslmode, Some(SslMode::Allow));
}

#[test]
fn a_url_with_two_meanings_is_refused() {
    use AddressProblem::*;
    for (url, problem) in [
        ("postgres://u@h/d#&password=", Fragment),
        ("postgres://u:p@evil@h/d", At),
        ("postgres://u:p@h,evil/d", SeveralHosts),
        ("postgres://u:p@h:1,evil:2/d", SeveralHosts),
        ("postgres://u:p@[fe80::1%25eth0]/d", Host),
        ("postgres://u:p@[::1/d", Host),
        ("postgres://u:p@::1/d", Port),
        ("postgres://u:p@h:0/d", Port),
        ("postgres://u:p@h:65536/d", Port),
        ("postgres://u:p@h:+1/d", Port),
        ("postgres://u:p@h%00.example/d", Encoding),
        ("postgres://u%0A:p@h/d", Encoding),
        ("postgres://u:p%0D@h/d", Encoding),
        ("postgres://u:p%zz@h/d", Encoding),
        ("postgres://u:p%ff@h/d", Encoding),
        ("postgres://u:p@h/d\n", Character),
        ("postgres://u:p@h /d", Character),
        ("postgres://u:p@%2Fvar%2Frun/d", Socket),
        ("postgres://u:p@%2e%2Fsock/d", Socket),
        ("postgres://u:p@/d", Socket),
        ("postgres://u:p@h/d/e", Path),
        ("postgres://u:p@h//d", Path),
        ("postgres://u:p@h/", NoDatabase),
        ("postgres://:p@h/d", NoUser),
        ("postgres://h/d", NoUser),
        ("postgres://u:p@h/d?sslmode=on", SslMode),
        ("postgres://u:p@h/d?sslmode=require&ssl-mode=disable", Twice("ssl-mode")),
        ("postgresql+ssl://u:p@h/d", Form),
        ("POSTGRES://u:p@h/d", Form),
    ] {
        assert_eq!(config(url).unwrap_err(), problem, "{url}");
    }
    // The `?` belongs to the database's name here, and nothing behind it is a parameter.
    assert_eq!(config("postgres://u@h/d%3F&password=").unwrap().database, "d?&password=");
}

#[test]
fn an_operator_may_name_sockets_files_and_settings() {
    let socket = operator("postgres:///elt?host=/run/pg&user=ann").unwrap();
    assert_eq!((socket.host, socket.user.as_str()), (Host::Socket("/run/pg".into()), "ann"));
    let socket = operator("postgres://ann@%2Frun%2Fpg:6432/elt").unwrap();
    assert_eq!((socket.host, socket.port), (Host::Socket("/run/pg".into()), 6432));
    let files = operator("postgres://a@h/d?sslrootcert=/ca&sslcert=/c&sslkey=/k").unwrap().files;
    assert_eq!((files.authorities, files.key), (Some("/ca".into()), Some("/k".into())));
    let options = operator("postgres://a@h/d?options[search_path]=a%20b&options%5Bwork_mem%5D=1MB").unwrap().options;
    assert_eq!(options, [("search_path".into(), "a b".into()), ("work_mem".into(), "1MB".into())]);
    assert!(operator("postgres://a@h/d?options[a%20-c%20b]=x").is_err(), "a name cannot add options");
    assert_eq!(operator("postgres://a@h?dbname=d").unwrap().database, "d");
    assert!(matches!(operator("postgres://a@h/d?passfile=/p"), Err(AddressProblem::Refused { name: "passfile", .. })));
}

fn an_address() -> impl Strategy<Value = TargetAddress> {
    let text = "[^\\p{C}]{1,12}";
    let host = prop_oneof![
        "[a-z0-9][a-z0-9._-]{0,20}".prop_map(Host::Name),
        any::<std::net::Ipv6Addr>().prop_map(|address| Host::Name(address.to_string())),
        "/[^\\p{C}]{0,12}".prop_map(|folder| Host::Socket(folder.into())),
    ];
    let mode = prop::option::of(prop::sample::select(vec![
        SslMode::Disable,
        SslMode::Allow,
        SslMode::Prefer,
        SslMode::Require,
        SslMode::VerifyCa,
        SslMode::VerifyFull,
    ]));
    let options = prop::collection::vec(("[a-z_.]{1,8}", "[^\\p{C}]{0,8}"), 0..3);
    (host, 1_u16.., text, text, "[^\\p{C}]{0,12}", mode, options).prop_map(
        |(host, port, database, user, password, sslmode, options)| TargetAddress {
            host,
            port,
            database,
            user,
            password: Secret::new(password),
            sslmode,
            files: CertificateFiles::default(),
            options,
        },
    )
}

proptest! {
    #[test]
    fn a_written_address_reads_back_the_same(address in an_address()) {
        let url = address.to_url();
        prop_assert_eq!(operator(url.expose()), Ok(address));
    }

    /// The marker stands in every part of a URL, and no sentence about the URL shows it.
    #[test]
    fn no_text_makes_the_reader_panic_and_no_sentence_repeats_it(
        before in "[a-z:/?#@%\\[\\]=&,.0-9]{0,20}",
        behind in "[ -~\\u{0}-\\u{ff}]{0,20}",
    ) {
        for prefix in ["", "postgres://", "postgres://u:", "postgres://u:p@h/d?", "postgres://u:p@h/d?sslmode="] {
            let url = format!("{prefix}{before}hunter2{behind}");
            for read in [config(&url), operator(&url)] {
                if let Err(problem) = read {
                    prop_assert!(!problem.to_string().contains("hunter2"));
                }
            }
        }
    }
}
