//! Logins beyond a password and a key: certificates of users and hosts, agents, jump hosts, and questions of a server,
//! against real OpenSSH servers.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use elt_shared::config::{AfterLoad, HostTrust, SftpSource, SourceConfig, SshLogin, SshServer};
use elt_shared::store::known_hosts;
use elt_worker::error::PipelineError;
use elt_worker::extract::Extracted;
use elt_worker::extract::sftp::{self, SftpLimits};
use russh::server::{self, Auth, Response};
use russh::{MethodKind, MethodSet};

use crate::support::chaos_proxy::{ChaosProxy, Fate};
use crate::support::closed_port::ClosedPort;
use crate::support::extraction::{Extraction, failure, texts};
use crate::support::ssh_keys::{SshAgent, SshAuthority};
use crate::support::sshd::{PASSWORD, Sshd, is_root};

fn quick() -> SftpLimits {
    SftpLimits { backoff: Duration::from_millis(10), settle: Duration::ZERO, ..SftpLimits::default() }
}

async fn extract(lab: &Extraction, source: &SftpSource) -> Result<Extracted, PipelineError> {
    sftp::extract_within(0, source, &lab.context, &quick()).await
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a text")
}

/// A server that lets in whom this authority has signed.
fn sshd_that_trusts(authority: &SshAuthority) -> Sshd {
    let mut sshd = Sshd::start();
    std::fs::write(sshd.etc("ca.pub"), authority.public_key()).expect("the authority");
    let line = format!("TrustedUserCAKeys {}", sshd.etc("ca.pub").display());
    sshd.configure(&line);
    sshd.write("a.csv", "id\n1\n");
    sshd
}

#[tokio::test]
async fn a_certificate_logs_in_with_a_key_that_the_server_does_not_know() {
    let (authority, lab) = (SshAuthority::new(), Extraction::new().await);
    let sshd = sshd_that_trusts(&authority);
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let key = authority.key(kind);
        let certificate = authority.sign_user(&key, &sshd.user(), "-1h:+1h");
        let alone = SshLogin::private_key(text(&key), None);
        extract(&lab, &sshd.source_with(alone.clone(), "a.csv")).await.expect_err("nobody knows the key");
        let login = alone.clone().and_certificate(certificate.as_str());
        extract(&lab, &sshd.source_with(login, "a.csv")).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        lab.folder.write("keys/id-cert.pub", &certificate);
        let login = alone.and_certificate("keys/id-cert.pub");
        extract(&lab, &sshd.source_with(login, "a.csv")).await.expect("a certificate's file");
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_refused_before_a_connection_is_made() {
    let (authority, lab) = (SshAuthority::new(), Extraction::new().await);
    let sshd = sshd_that_trusts(&authority);
    let (key, other) = (authority.key("ed25519"), authority.key("ecdsa"));
    let user = sshd.user();
    let mut messages = String::new();
    for certificate in [
        authority.sign_user(&key, &user, "20200101000000Z:20210101000000Z"),
        authority.sign_user(&key, &user, "21000101000000Z:21010101000000Z"),
        authority.sign_user(&other, &user, "-1h:+1h"),
        authority.sign_host(&key, "127.0.0.1"),
        "ssh-ed25519-cert-v01@openssh.com canary".to_owned(),
        "keys/missing-cert.pub".to_owned(),
        authority.sign_user(&key, "somebody-else", "-1h:+1h"),
    ] {
        let login = SshLogin::private_key(text(&key), None).and_certificate(certificate);
        let failed = failure(extract(&lab, &sshd.source_with(login, "a.csv")).await, sshd.address.port());
        messages.push_str(&failed.replace(&user, "USER"));
        messages.push('\n');
    }
    insta::assert_snapshot!(messages, @r#"
    source_login: the certificate for sftp://127.0.0.1:PORT cannot be used: it was valid until 2021-01-01 00:00 UTC
    source_login: the certificate for sftp://127.0.0.1:PORT cannot be used: it is valid from 2100-01-01 00:00 UTC on
    source_login: the certificate for sftp://127.0.0.1:PORT cannot be used: it is for another key than `private_key`
    source_login: the certificate for sftp://127.0.0.1:PORT cannot be used: it is a host's, not a user's
    source_login: the certificate for sftp://127.0.0.1:PORT cannot be used: it is not an OpenSSH certificate
    source_login: the certificate for sftp://127.0.0.1:PORT cannot be used: it is not a certificate, and as the path of one it cannot be followed: it is missing
    source_login: sftp://127.0.0.1:PORT did not accept the login of "USER" with its private key and certificate; it accepts publickey, password
    "#);
}

#[tokio::test]
async fn a_key_of_the_agent_logs_in_where_the_worker_may_use_the_agent() {
    let (authority, agent, mut lab) = (SshAuthority::new(), SshAgent::start(), Extraction::new().await);
    let mut sshd = sshd_that_trusts(&authority);
    let source = sshd.source_with(SshLogin::agent(), "a.csv");
    let mut messages = String::new();
    let mut note = |failed| messages.push_str(&format!("{}\n", failure(failed, sshd.address.port())));
    note(extract(&lab, &source).await);
    lab.context.ssh_agent = Some(agent.socket().with_file_name("nowhere"));
    note(extract(&lab, &source).await);
    lab.context.ssh_agent = Some(agent.socket());
    note(extract(&lab, &source).await);
    agent.add(&authority.key("ecdsa"));
    note(extract(&lab, &source).await);
    insta::assert_snapshot!(messages.replace(&sshd.user(), "USER"), @r#"
    source_login: the login at sftp://127.0.0.1:PORT wants an SSH agent, and this worker may not use one
    source_login: the SSH agent for sftp://127.0.0.1:PORT cannot be used: its socket (ELT_SSH_AGENT) cannot be used: it is missing
    source_login: the SSH agent for sftp://127.0.0.1:PORT cannot be used: it holds no keys
    source_login: sftp://127.0.0.1:PORT did not accept the login of "USER" with its SSH agent's keys; it accepts publickey, password
    "#);

    agent.add(&sshd.another_key("rsa", ""));
    extract(&lab, &source).await.expect("its second key");

    // The agent holds the key, the config the certificate for it.
    let key = authority.key("ecdsa");
    let certificate = authority.sign_user(&key, &sshd.user(), "-1h:+1h");
    let login = SshLogin::agent().and_certificate(certificate.as_str());
    extract(&lab, &sshd.source_with(login, "a.csv")).await.expect("its key with a certificate");
    let stranger = authority.sign_user(&authority.key("ed25519"), &sshd.user(), "-1h:+1h");
    let login = SshLogin::agent().and_certificate(stranger);
    let failed = failure(extract(&lab, &sshd.source_with(login, "a.csv")).await, sshd.address.port());
    assert!(failed.ends_with("it does not hold the key of the `certificate`"), "{failed}");

    if is_root() {
        sshd.require("publickey,password");
        let both = SshLogin::agent().and_password(PASSWORD);
        extract(&lab, &sshd.source_with(both, "a.csv")).await.expect("a key of the agent, and the password");
    }
}

#[tokio::test]
async fn a_certificate_in_the_agent_logs_in() {
    let (authority, agent, mut lab) = (SshAuthority::new(), SshAgent::start(), Extraction::new().await);
    let sshd = sshd_that_trusts(&authority);
    let key = authority.key("rsa");
    let certificate = authority.sign_user(&key, &sshd.user(), "-1h:+1h");
    std::fs::write(key.with_file_name("key_rsa-cert.pub"), certificate).expect("beside its key");
    agent.add(&key);
    lab.context.ssh_agent = Some(agent.socket());
    extract(&lab, &sshd.source_with(SshLogin::agent(), "a.csv")).await.expect("the certificate in the agent");
}

#[tokio::test]
async fn a_host_is_known_by_a_certificate_of_the_authority_that_the_config_names() {
    let (authority, other, lab) = (SshAuthority::new(), SshAuthority::new(), Extraction::new().await);
    let mut sshd = Sshd::start();
    sshd.write("a.csv", "id\n1\n");
    let by = |sshd: &Sshd, authority: &SshAuthority| {
        sshd.trusted_source(HostTrust::Authority(authority.fingerprint()), "a.csv")
    };
    let mut messages = String::new();
    let mut note = async |source: &SftpSource| {
        let failed = extract(&lab, source).await;
        messages.push_str(&failure(failed, source.server.port));
        messages.push('\n');
    };
    note(&by(&sshd, &authority)).await;
    let key = sshd.etc("host_ed25519");
    let shown = sshd.fingerprint("ed25519");
    for (names, good) in [("files.example.com", false), ("files.example.com,127.0.0.?", true)] {
        std::fs::write(sshd.etc("host-cert.pub"), authority.sign_host(&key, names)).expect("a certificate");
        let line = format!("HostCertificate {}", sshd.etc("host-cert.pub").display());
        sshd.configure(&line);
        if good {
            extract(&lab, &by(&sshd, &authority)).await.expect("vouched for");
            sshd.change_host_key();
            std::fs::write(sshd.etc("host-cert.pub"), authority.sign_host(&key, names)).expect("a certificate");
            sshd.configure(&line);
            extract(&lab, &by(&sshd, &authority)).await.expect("another key with a certificate of the same authority");
        } else {
            note(&by(&sshd, &authority)).await;
        }
    }
    note(&by(&sshd, &other)).await;
    let messages = messages.replace(&shown, "SHOWN").replace(&authority.fingerprint(), "AUTHORITY");
    insta::assert_snapshot!(messages, @r"
    host_key_unknown: sftp://127.0.0.1:PORT shows no certificate that `host_ca` vouches for: it shows the key ssh-ed25519 SHOWN
    host_key_unknown: sftp://127.0.0.1:PORT shows no certificate that `host_ca` vouches for: its certificate is for files.example.com, not for 127.0.0.1
    host_key_unknown: sftp://127.0.0.1:PORT shows no certificate that `host_ca` vouches for: another authority has signed it, AUTHORITY
    ");
    assert_eq!(sshd.refused_logins(), 0, "no login was tried");
    let known = known_hosts::list(&lab.context.control).await.expect("known hosts");
    assert!(known.is_empty(), "nothing is pinned: {known:?}");
    // Without `host_ca` the server is asked for its key, as before.
    extract(&lab, &sshd.source("a.csv")).await.expect("its key is pinned");
}

/// The source through a jump host.
fn through(jump: &Sshd, source: SftpSource) -> SftpSource {
    SftpSource { jump: Some(jump.server()), ..source }
}

#[tokio::test]
async fn a_server_behind_a_jump_host_is_read_and_its_files_moved() {
    let (jump, sshd, lab) = (Sshd::start(), Sshd::start(), Extraction::new().await);
    let content = format!("id\n{}", "12345678\n".repeat(200_000));
    sshd.write("a.csv", &content);
    let source = through(&jump, sshd.source("a.csv"));
    let read = extract(&lab, &source).await.expect("read");
    let [(name, text)] = &texts(&read)[..] else { panic!("one file") };
    assert!(name.starts_with(&format!("sftp://{}", sshd.address)) && *text == content);

    // The two servers are known each by its own name, because an address behind a jump host is not one of this network.
    let known = known_hosts::list(&lab.context.control).await.expect("known hosts");
    let mut names: Vec<_> = known.iter().map(|known| (known.host.clone(), known.port)).collect();
    names.sort();
    let jump_port = jump.address.port();
    let behind = (format!("127.0.0.1 through 127.0.0.1:{jump_port}"), i32::from(sshd.address.port()));
    assert_eq!(names, [("127.0.0.1".to_owned(), i32::from(jump_port)), behind]);

    let source = SftpSource { after_load: AfterLoad::Delete, ..source };
    let loaded = extract(&lab, &source).await.expect("read");
    let warnings = sftp::after_load(&[SourceConfig::Sftp(source)], &loaded.files, &lab.context).await;
    assert_eq!(warnings, Vec::<String>::new());
    assert!(!sshd.local("a.csv").exists());
}

#[tokio::test]
async fn a_download_through_a_jump_host_goes_on_where_its_connection_broke() {
    let (jump, sshd, lab) = (Sshd::start(), Sshd::start(), Extraction::new().await);
    let content = format!("id\n{}", "12345678\n".repeat(300_000));
    sshd.write("a.csv", &content);
    let proxy = ChaosProxy::start(jump.address, [Fate::CutAfter(1_000_000), Fate::CutAfter(1_500_000)]).await;
    let port = proxy.address.port();
    let source = SftpSource { jump: Some(SshServer { port, ..jump.server() }), ..sshd.source("a.csv") };
    // A cut may show as silence only. A busy machine that is taken for silent costs another connection, not the test.
    let limits = SftpLimits { idle: Duration::from_secs(5), attempts: 10, ..quick() };
    let read = sftp::extract_within(0, &source, &lab.context, &limits).await.expect("read");
    assert!(texts(&read)[0].1 == content, "every byte once and in its place");
    assert!(proxy.connections() >= 3, "{}", proxy.connections());
}

#[tokio::test]
async fn what_is_wrong_with_a_jump_host_is_told_apart_from_what_is_wrong_with_the_server() {
    let (mut jump, sshd, lab) = (Sshd::start(), Sshd::start(), Extraction::new().await);
    sshd.write("a.csv", "id\n1\n");
    let source = through(&jump, sshd.source("a.csv"));
    let (closed, stranger) = (ClosedPort::new(), SshAuthority::new());
    let wrong = SshLogin::private_key(text(&stranger.key("ed25519")), None);
    let mut messages = String::new();
    let mut note = |failed: Result<Extracted, PipelineError>| {
        let failed = failure(failed, sshd.address.port());
        messages.push_str(&failed.replace(&format!(":{}", jump.address.port()), ":JUMP").replace(&sshd.user(), "USER"));
        messages.push('\n');
    };
    let at_jump = |login: &SshLogin| SftpSource {
        jump: Some(SshServer { login: login.clone(), ..jump.server() }),
        ..source.clone()
    };
    let at_end =
        |login: &SshLogin| SftpSource { server: SshServer { login: login.clone(), ..sshd.server() }, ..source.clone() };
    note(extract(&lab, &at_jump(&wrong)).await);
    note(extract(&lab, &at_end(&wrong)).await);
    let nowhere = SshServer { port: closed.address.port(), ..sshd.server() };
    let unreachable = extract(&lab, &SftpSource { server: nowhere, ..source.clone() }).await;
    let said = failure(unreachable, closed.address.port()).replace(&format!(":{}", jump.address.port()), ":JUMP");
    let denied = Extraction::new().await.with_network(&["10.1.2.3", "files.internal"], &[]);
    for host in ["10.1.2.3", "files.internal", "169.254.169.254"] {
        let server = SshServer { host: host.into(), ..sshd.server() };
        note(extract(&denied, &SftpSource { server, ..source.clone() }).await);
    }
    let denied_jump = Extraction::new().await.with_network(&["127.0.0.1"], &[]);
    let server = SshServer { host: "files.internal".into(), ..sshd.server() };
    note(extract(&denied_jump, &SftpSource { server, ..source.clone() }).await);
    insta::assert_snapshot!(messages, @r#"
    source_login: ssh://127.0.0.1:JUMP did not accept the login of "USER" with its private key; it accepts publickey, password
    source_login: sftp://127.0.0.1:PORT did not accept the login of "USER" with its private key; it accepts publickey, password
    source_refused: sftp://10.1.2.3:PORT may not be called: its address is in `10.1.2.3/32`, denied by ELT_NET_DENY
    source_refused: sftp://files.internal:PORT may not be called: `files.internal` is denied by ELT_NET_DENY
    source_refused: sftp://169.254.169.254:PORT may not be called: its address is link-local, where cloud metadata services answer; ELT_NET_ALLOW can make an exception
    source_refused: ssh://127.0.0.1:JUMP may not be called: its address is in `127.0.0.1/32`, denied by ELT_NET_DENY
    "#);
    insta::assert_snapshot!(said, @"source_unreachable: sftp://127.0.0.1:PORT could not be reached: ssh://127.0.0.1:JUMP could not connect to it (3 attempts)");
    assert_eq!(sshd.refused_logins(), 1, "the wrong key was shown to it once");

    jump.configure("AllowTcpForwarding no");
    let failed = failure(extract(&lab, &through(&jump, sshd.source("a.csv"))).await, sshd.address.port());
    let failed = failed.replace(&format!(":{}", jump.address.port()), ":JUMP").replace(&sshd.user(), "USER");
    insta::assert_snapshot!(failed, @r#"source_unreachable: ssh://127.0.0.1:JUMP let "USER" in, but does not connect to sftp://127.0.0.1:PORT: its settings forbid that"#);

    jump.change_host_key();
    let failed = failure(extract(&lab, &through(&jump, sshd.source("a.csv"))).await, jump.address.port());
    assert!(failed.starts_with("host_key_changed: the host key of ssh://127.0.0.1:PORT has changed"), "{failed}");
}

/// An SSH server that asks these questions, one after the other, and lets in whoever answers `right` to the first one.
#[derive(Clone)]
struct Asking {
    questions: &'static [(&'static str, bool)],
    asked: usize,
    /// What it was told.
    told: Arc<Mutex<Vec<String>>>,
}

impl server::Handler for Asking {
    type Error = russh::Error;

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        for answer in response.into_iter().flatten() {
            self.told.lock().expect("answers").push(String::from_utf8_lossy(&answer).into_owned());
        }
        let Some((question, echo)) = self.questions.get(self.asked) else { return Ok(Auth::reject()) };
        self.asked += 1;
        Ok(Auth::Partial {
            name: Cow::Borrowed(""),
            instructions: Cow::Borrowed(""),
            prompts: Cow::Owned(vec![(Cow::Borrowed(*question), *echo)]),
        })
    }
}

impl Asking {
    /// Asks the questions of every client at the returned port.
    async fn start(questions: &'static [(&'static str, bool)]) -> (u16, Arc<Mutex<Vec<String>>>) {
        let asking = Self { questions, asked: 0, told: Arc::default() };
        let told = Arc::clone(&asking.told);
        let keys = SshAuthority::new();
        let key = russh::keys::load_secret_key(keys.key("ed25519"), None).expect("a host key");
        let config = Arc::new(server::Config {
            methods: MethodSet::from(&[MethodKind::KeyboardInteractive][..]),
            auth_rejection_time: Duration::ZERO,
            keys: vec![key],
            ..server::Config::default()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(session) = server::run_stream(Arc::clone(&config), client, asking.clone()).await {
                    tokio::spawn(session);
                }
            }
        });
        (port, told)
    }
}

#[tokio::test]
async fn the_password_is_given_to_a_question_for_it_and_to_no_other() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    let mut messages = String::new();
    for (questions, told) in [
        (&[("Password: ", false), ("Verification code: ", false)][..], &["pass-canary-7"][..]),
        (&[("One-time password (OATH): ", false)], &[]),
        (&[("(current) UNIX password: ", false), ("New password: ", false)], &[]),
        (&[("Which folder?", true)], &[]),
        (&[("Password: ", false), ("Password: ", false)], &["pass-canary-7"]),
        (&[("Passwort für ann: ", false)], &["pass-canary-7"]),
    ] {
        let (port, answers) = Asking::start(questions).await;
        let source = sshd.source_with(SshLogin::password(PASSWORD), "a.csv");
        let server = SshServer { port, username: "ann".into(), ..source.server.clone() };
        messages.push_str(&failure(extract(&lab, &SftpSource { server, ..source }).await, port));
        messages.push('\n');
        assert_eq!(*answers.lock().expect("answers"), told, "{questions:?}");
    }
    insta::assert_snapshot!(messages, @r#"
    source_login: sftp://127.0.0.1:PORT asks "ann" for more than the password: "Verification code:"
    source_login: sftp://127.0.0.1:PORT asks "ann" for more than the password: "One-time password (OATH):"
    source_login: sftp://127.0.0.1:PORT asks "ann" for more than the password: "(current) UNIX password:"
    source_login: sftp://127.0.0.1:PORT asks "ann" for more than the password: "Which folder?"
    source_login: sftp://127.0.0.1:PORT did not accept the login of "ann" with its password; it accepts keyboard-interactive
    source_login: sftp://127.0.0.1:PORT did not accept the login of "ann" with its password; it accepts keyboard-interactive
    "#);
}
