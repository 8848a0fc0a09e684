//! FTP sources against a real FTP server, on good and bad days.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::time::Duration;

use elt_shared::config::{AfterLoad, FtpSource, FtpTls, PlaceOptions, SourceConfig};
use elt_shared::secret::Secret;
use elt_worker::error::PipelineError;
use elt_worker::extract::Extracted;
use elt_worker::extract::places::{self, StoreLimits};

use crate::support::app::PATIENCE;
use crate::support::authority::Authority;
use crate::support::extraction::{Extraction, failure, texts};
use crate::support::ftp_server::{Fate, FtpServer, Habits, PASSWORD, Tls, USER};

/// Short pauses, but as much time for each answer as a busy machine needs.
fn quick() -> StoreLimits {
    StoreLimits {
        connect: PATIENCE,
        idle: PATIENCE,
        backoff: Duration::from_millis(10),
        settle: Duration::ZERO,
        ..StoreLimits::default()
    }
}

fn source(server: &FtpServer, path: &str) -> FtpSource {
    FtpSource {
        host: server.address.ip().to_string(),
        port: server.address.port(),
        username: USER.into(),
        password: Some(PASSWORD.into()),
        path: path.into(),
        tls: FtpTls::None,
        authorities: Some(Secret::new(server.authority.certificate.clone())),
        place: PlaceOptions { settle_seconds: 0, ..PlaceOptions::default() },
    }
}

async fn extract(lab: &Extraction, source: FtpSource) -> Result<Extracted, PipelineError> {
    places::extract_within(0, &SourceConfig::Ftp(source), &lab.context, &quick()).await
}

/// The names below the server, and the texts.
fn found(extracted: &Extracted, server: &FtpServer) -> Vec<(String, String)> {
    let place = format!("://{}", server.address);
    texts(extracted)
        .into_iter()
        .map(|(name, text)| (name.split_once(&place).expect("its name").1.to_owned(), text))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[tokio::test]
async fn files_folders_and_globs_are_read_from_servers_of_every_kind() {
    let lab = Extraction::new().await;
    for (facts, extended) in [(true, true), (true, false), (false, true), (false, false)] {
        let server = FtpServer::start(Habits { facts, extended, ..Habits::default() }).await;
        server.write("b.csv", "id\n1\n");
        server.write("a [1].csv", "id\n2\n");
        server.write("-rf.csv", "id\n3\n");
        server.write("notes.pdf", "no rows");
        server.write(".hidden.csv", "id\n9\n");
        server.write("deep/er/c.csv", "id\n4\n");
        server.write(OsStr::from_bytes(b"deep/Gr\xf6\xdfe.csv"), "id\n5\n");
        symlink("b.csv", server.local("link.csv")).expect("a link");
        symlink("..", server.local("deep/up")).expect("a link");
        let read =
            async |path: &str| extract(&lab, source(&server, path)).await.unwrap_or_else(|e| panic!("{path}: {e}"));

        for path in ["b.csv", "/b.csv"] {
            assert_eq!(found(&read(path).await, &server), pairs(&[("/b.csv", "id\n1\n")]), "{facts} {extended}");
        }
        assert_eq!(
            found(&read("a [1].csv").await, &server),
            pairs(&[("/a [1].csv", "id\n2\n")]),
            "the file with this name"
        );
        let folder = read("/").await;
        let all = [("/-rf.csv", "id\n3\n"), ("/a [1].csv", "id\n2\n"), ("/b.csv", "id\n1\n"), ("/link.csv", "id\n1\n")];
        assert_eq!(found(&folder, &server), pairs(&all), "{facts} {extended}");
        let [pdf] = &folder.left_out[..] else { panic!("{:?}", folder.left_out) };
        assert!(pdf.name.ends_with("/notes.pdf"), "{pdf:?}");
        let deep = read("deep/**/*.csv").await;
        assert_eq!(
            found(&deep, &server),
            pairs(&[("/deep/Gr\\xf6\\xdfe.csv", "id\n5\n"), ("/deep/er/c.csv", "id\n4\n")])
        );
    }
}

#[tokio::test]
async fn the_connections_are_encrypted_unless_the_config_says_otherwise() {
    let lab = Extraction::new().await;
    let content = format!("id\n{}", "12345678\n".repeat(50_000));
    for (tls, kind) in [(Tls::Explicit, FtpTls::Explicit), (Tls::Implicit, FtpTls::Implicit)] {
        let server = FtpServer::start(Habits { tls, ..Habits::default() }).await;
        server.write("a.csv", &content);
        let good = FtpSource { tls: kind, ..source(&server, "*.csv") };
        assert_eq!(
            found(&extract(&lab, good.clone()).await.expect("encrypted"), &server),
            pairs(&[("/a.csv", &content)])
        );
        let said = server.commands();
        let clear: Vec<_> = said.iter().filter(|said| said.starts_with("in the clear: ")).collect();
        assert_eq!(clear.len(), usize::from(tls == Tls::Explicit), "nothing but AUTH TLS: {clear:?}");
        assert!(said.contains(&"PROT P".to_owned()));

        let stranger = Secret::new(Authority::new("a stranger").certificate);
        for (authorities, host, expected) in [
            (None, "127.0.0.1", "its certificate was signed by an authority that is not known here"),
            (Some(stranger), "127.0.0.1", "its certificate was signed by an authority that is not known here"),
            (good.authorities.clone(), "localhost", "its certificate was issued for another host name"),
        ] {
            let other = FtpSource { authorities, host: host.into(), ..good.clone() };
            let failed = failure(extract(&lab, other).await, server.address.port());
            assert!(failed.starts_with("ftp_protocol: ") && failed.ends_with(expected), "{failed}");
        }
    }
    let plain = FtpServer::start(Habits::default()).await;
    let failed = extract(&lab, FtpSource { tls: FtpTls::Explicit, ..source(&plain, "a.csv") }).await;
    insta::assert_snapshot!(failure(failed, plain.address.port()), @"ftp_protocol: ftp://127.0.0.1:PORT does not offer encryption by AUTH TLS");
    assert!(plain.told("USER").is_empty() && plain.told("PASS").is_empty(), "nothing was sent in the clear");
}

#[tokio::test]
async fn a_broken_transfer_goes_on_where_it_broke() {
    let lab = Extraction::new().await;
    let content = format!("id\n{}", "12345678\n".repeat(100_000));
    for (facts, tls) in [(true, Tls::None), (false, Tls::Explicit)] {
        let server = FtpServer::start(Habits { facts, tls, ..Habits::default() }).await;
        server.write("a.csv", &content);
        for fate in [Fate::Cut(300_000), Fate::Short(200_000), Fate::Lost(100_000), Fate::Cut(1)] {
            server.meet(fate);
        }
        let tls = if tls == Tls::None { FtpTls::None } else { FtpTls::Explicit };
        let read = extract(&lab, FtpSource { tls, ..source(&server, "a.csv") }).await.expect("read");
        assert!(texts(&read)[0].1 == content, "every byte once and in its place");
        assert!(server.told("REST").len() >= 2, "{:?}", server.told("REST"));
    }
    let server = FtpServer::start(Habits { rest: false, ..Habits::default() }).await;
    server.write("a.csv", &content);
    server.meet(Fate::Cut(300_000));
    let read = extract(&lab, source(&server, "a.csv")).await.expect("read");
    assert!(texts(&read)[0].1 == content, "from the start again, because the server knows no REST");
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let (server, lab) = (FtpServer::start(Habits::default()).await, Extraction::new().await);
    server.write("a.csv", "id\n1\n2\n");
    for _ in 0..3 {
        server.meet(Fate::Silent(0));
    }
    let limits = StoreLimits { idle: Duration::from_millis(500), ..quick() };
    let failed = places::extract_within(0, &SourceConfig::Ftp(source(&server, "a.csv")), &lab.context, &limits).await;
    let failed = failure(failed, server.address.port());
    insta::assert_snapshot!(failed, @"source_timeout: ftp://127.0.0.1:PORT sent nothing more for 0.5 s (3 attempts)");
}

#[tokio::test]
async fn a_server_cannot_lead_elt_to_another_machine() {
    let lab = Extraction::new().await;
    // Nobody answers there, and elt does not call there.
    let habits = Habits { extended: false, named: [192, 0, 2, 1], ..Habits::default() };
    let server = FtpServer::start(habits).await;
    server.write("a.csv", "id\n1\n");
    let read = extract(&lab, source(&server, "a.csv")).await.expect("from the machine of the control connection");
    assert_eq!(found(&read, &server), pairs(&[("/a.csv", "id\n1\n")]));
    assert!(!server.told("PASV").is_empty());

    let denied = Extraction::new().await.with_network(&["127.0.0.1"], &[]);
    for tls in [FtpTls::None, FtpTls::Explicit, FtpTls::Implicit] {
        let failed = extract(&denied, FtpSource { tls, ..source(&server, "a.csv") }).await;
        let failed = failure(failed, server.address.port());
        assert!(failed.starts_with("source_refused: ") && failed.contains("denied by ELT_NET_DENY"), "{failed}");
    }
}

#[tokio::test]
async fn a_name_never_becomes_a_second_command() {
    let lab = Extraction::new().await;
    let listing = b"type=file;size=5;modify=20260101000000; good.csv\r\n\
        type=file;size=5;modify=20260101000000; a.csv\rDELE good.csv\r\n\
        type=file;size=5;modify=20260101000000; x/../../etc/passwd.csv\r\n\
        type=file;size=5;modify=20260101000000; b\0.csv\r\n\
        no facts at all\r\n";
    let server = FtpServer::start(Habits { listing: Some(listing), ..Habits::default() }).await;
    let path = server.write("good.csv", "id\n1\n");
    let at = std::time::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    std::fs::File::options().write(true).open(path).expect("the file").set_modified(at).expect("its time");
    let read = extract(&lab, source(&server, "/")).await.expect("the good one");
    assert_eq!(found(&read, &server), pairs(&[("/good.csv", "id\n1\n")]));
    let reasons: Vec<_> = read.left_out.iter().map(|left| left.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "1 line of its listing cannot be understood",
            "the server lists it under a name that is not a file name",
            "the server lists it under a name that is not a file name",
            "the server lists it under a name that is not a file name"
        ]
    );
    for source in [
        source(&server, "a.csv\r\nDELE good.csv"),
        source(&server, "a\n*.csv"),
        FtpSource { username: "ann\r\nDELE good.csv".into(), ..source(&server, "a.csv") },
        FtpSource { password: Some("x\r\nDELE good.csv".into()), ..source(&server, "a.csv") },
    ] {
        let failed = failure(extract(&lab, source).await, server.address.port());
        assert!(failed.contains("line break"), "{failed}");
        assert!(!failed.contains("x\\r"), "no password: {failed}");
    }
    assert!(server.told("DELE").is_empty() && server.local("good.csv").exists());
}

#[tokio::test]
async fn a_listing_without_an_end_is_refused() {
    let lab = Extraction::new().await;
    let mut messages = String::new();
    for (facts, listing) in [
        (true, &b"type=file;size=5;modify=20260101000000; a.csv\r\n"[..]),
        (false, b"-rw-r--r-- 1 ftp ftp 5 Nov 29 22:00 a.csv\r\n"),
        (true, &[b'x'; 1000]),
    ] {
        let habits = Habits { facts, listing: Some(listing), endless: true, ..Habits::default() };
        let server = FtpServer::start(habits).await;
        server.write("a.csv", "id\n1\n");
        let limits = StoreLimits { entries: 1000, ..quick() };
        let failed = places::extract_within(0, &SourceConfig::Ftp(source(&server, "/")), &lab.context, &limits).await;
        messages.push_str(&failure(failed, server.address.port()));
        messages.push('\n');
    }
    insta::assert_snapshot!(messages, @r"
    source_too_large: ftp://127.0.0.1:PORT/ has too many files, more than the 1000 elt takes from one source
    source_too_large: ftp://127.0.0.1:PORT/ has too many files, more than the 1000 elt takes from one source
    ftp_protocol: ftp://127.0.0.1:PORT lists a name without an end
    ");
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let (server, lab) = (FtpServer::start(Habits::default()).await, Extraction::new().await);
    server.write("a.csv", "id\n1\n");
    server.write("report.pdf", "no rows");
    let closed = crate::support::closed_port::ClosedPort::new();
    let mut messages = String::new();
    for source in [
        FtpSource { password: Some("wrong-canary".into()), ..source(&server, "a.csv") },
        FtpSource { password: None, ..source(&server, "a.csv") },
        source(&server, "missing.csv"),
        source(&server, "missing/*.csv"),
        source(&server, "a[.csv"),
        FtpSource { port: closed.address.port(), ..source(&server, "a.csv") },
        FtpSource { authorities: Some("canary".into()), tls: FtpTls::Explicit, ..source(&server, "a.csv") },
    ] {
        let port = source.port;
        messages.push_str(&failure(extract(&lab, source).await, port));
        messages.push('\n');
    }
    let other_suffix = failure(extract(&lab, source(&server, "report.pdf")).await, server.address.port());
    assert!(other_suffix.contains("/report.pdf cannot be read: its suffix is not loaded"), "{other_suffix}");
    assert!(!messages.contains("canary"), "{messages}");
    assert_eq!(server.told("PASS").len(), 5, "a refused password is not sent again");
    insta::assert_snapshot!(messages, @r#"
    source_login: ftp://127.0.0.1:PORT did not let elt in: it answered 530 to the login (user "ann")
    source_login: ftp://127.0.0.1:PORT did not let elt in: it answered 530 to the login (user "ann")
    source_missing: there is no ftp://127.0.0.1:PORT/missing.csv
    source_missing: there is no ftp://127.0.0.1:PORT/missing/
    bad_glob: ftp://127.0.0.1:PORT/a[.csv is not a valid glob pattern: unclosed character class; missing ']'
    source_unreachable: ftp://127.0.0.1:PORT could not be reached: Connection refused (os error 111) (3 attempts)
    source_config: the `ca_certificate` for ftp://127.0.0.1:PORT cannot be used: it has no certificate in PEM form
    "#);
}

#[tokio::test]
async fn loaded_files_are_moved_or_deleted() {
    let lab = Extraction::new().await;
    for facts in [true, false] {
        let server = FtpServer::start(Habits { facts, ..Habits::default() }).await;
        server.write("in/a.csv", "id\n1\n");
        server.write("in/b.csv", "id\n2\n");
        server.write("done/a.csv", "an older one");
        let finish = async |action: AfterLoad, change: &dyn Fn()| {
            let place = PlaceOptions { after_load: action, ..PlaceOptions::default() };
            let source = FtpSource { place, ..source(&server, "in/*.csv") };
            let loaded = extract(&lab, source.clone()).await.expect("read");
            change();
            places::after_load_within(&[SourceConfig::Ftp(source)], &loaded.files, &lab.context, &quick()).await
        };
        let change = || std::fs::write(server.local("in/b.csv"), "id\n2\n3\n").expect("changed");
        let warnings = finish(AfterLoad::Move("done".into()), &change).await;
        let [warning] = &warnings[..] else { panic!("{warnings:?}") };
        assert!(warning.contains("/in/b.csv was loaded and stays") && warning.contains("changed since"), "{warning}");
        let content = |name: &str| std::fs::read_to_string(server.local(name)).expect("a file");
        assert_eq!((content("done/a.csv"), content("done/a-2.csv")), ("an older one".into(), "id\n1\n".into()));

        server.write("in/b.csv", "id\n2\n");
        assert_eq!(finish(AfterLoad::Move("new/folder".into()), &|| ()).await.len(), 1, "no folder above it");
        assert_eq!(finish(AfterLoad::Move("new".into()), &|| ()).await, Vec::<String>::new());
        assert_eq!(content("new/b.csv"), "id\n2\n");
        server.write("in/c.csv", "id\n3\n");
        assert_eq!(finish(AfterLoad::Delete, &|| ()).await, Vec::<String>::new());
        assert!(!server.local("in/c.csv").exists());
    }
}
