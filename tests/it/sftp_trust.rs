//! Who an SFTP server is and who it lets in: host keys and logins, against a real OpenSSH server.

use std::time::Duration;

use elt_shared::config::{HostTrust, SftpSource, SshLogin};
use elt_shared::store::known_hosts;
use elt_worker::error::PipelineError;
use elt_worker::extract::Extracted;
use elt_worker::extract::sftp::{self, SftpLimits};

use crate::support::extraction::{Extraction, failure};
use crate::support::sshd::{PASSWORD, Sshd, is_root};

async fn extract(lab: &Extraction, source: &SftpSource) -> Result<Extracted, PipelineError> {
    let limits = SftpLimits { backoff: Duration::from_millis(10), settle: Duration::ZERO, ..SftpLimits::default() };
    sftp::extract_within(0, source, &lab.context, &limits).await
}

#[tokio::test]
async fn a_password_and_every_kind_of_key_log_in() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    sshd.write("a.csv", "id\n1\n");
    let login = async |login| extract(&lab, &sshd.source_with(login, "a.csv")).await;
    let key = |key: String, passphrase: Option<&str>| SshLogin::private_key(key, passphrase.map(Into::into));
    let text = |path: std::path::PathBuf| std::fs::read_to_string(path).expect("a key");
    if is_root() {
        login(SshLogin::password(PASSWORD)).await.expect("the password");
    }
    login(key(sshd.key(), None)).await.expect("an ed25519 key");
    login(key(text(sshd.another_key("rsa", "opens it")), Some("opens it"))).await.expect("an rsa key with passphrase");
    login(key(text(sshd.another_key("ecdsa", "")), None)).await.expect("an ecdsa key");
    let file = lab.folder.write("keys/id", sshd.key());
    login(key(file.to_str().expect("a path").into(), None)).await.expect("a key's file");
    login(key("keys/id".into(), None)).await.expect("a key's file, from the base folder on");
}

#[tokio::test]
async fn a_server_that_asks_for_the_password_in_a_dialogue_is_answered() {
    // Only root can start a server that asks the machine's own accounts.
    if !is_root() {
        return;
    }
    let (mut sshd, lab) = (Sshd::start(), Extraction::new().await);
    sshd.write("a.csv", "id\n1\n");
    sshd.ask_in_a_dialogue();
    extract(&lab, &sshd.source("a.csv")).await.expect("the password");
    let wrong = sshd.source_with(SshLogin::password("canary"), "a.csv");
    let refused = extract(&lab, &wrong).await.expect_err("another password");
    assert_eq!(refused.code().as_str(), "source_login");
    assert!(refused.to_string().ends_with("it accepts publickey, keyboard-interactive"), "{refused}");
}

#[tokio::test]
async fn a_refused_login_is_not_tried_again_and_tells_no_secret() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    sshd.write("a.csv", "id\n1\n");
    let encrypted = std::fs::read_to_string(sshd.another_key("ed25519", "canary")).expect("a key");
    let stranger = std::fs::read_to_string(Sshd::start().another_key("ed25519", "")).expect("a key");
    let outside = tempfile::NamedTempFile::new().expect("a file");
    let key = |key: &str, passphrase: Option<&str>| SshLogin::private_key(key, passphrase.map(Into::into));
    let mut messages = String::new();
    for login in [
        SshLogin::password("canary"),
        key(&stranger, None),
        key(&encrypted, None),
        key(&encrypted, Some("canary-wrong")),
        key("canary: no key at all", None),
        key("-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n-----END OPENSSH PRIVATE KEY-----", None),
        key(outside.path().to_str().expect("a path"), None),
    ] {
        let failed = failure(extract(&lab, &sshd.source_with(login, "a.csv")).await, sshd.address.port());
        assert!(!failed.contains("canary") && !failed.contains("b3BlbnNzaC1rZXktdjE"), "{failed}");
        messages.push_str(&failed.replace(&sshd.user(), "USER"));
        messages.push('\n');
    }
    insta::assert_snapshot!(messages, @r#"
    source_login: sftp://127.0.0.1:PORT did not accept the login of "USER" with its password; it accepts publickey, password
    source_login: sftp://127.0.0.1:PORT did not accept the login of "USER" with its private key; it accepts publickey, password
    source_login: the private key for sftp://127.0.0.1:PORT cannot be used: it is encrypted, and there is no `passphrase`
    source_login: the private key for sftp://127.0.0.1:PORT cannot be used: its `passphrase` does not open it, or the key is damaged
    source_login: the private key for sftp://127.0.0.1:PORT cannot be used: it is not a key, and as the path of one it cannot be followed: it is missing
    source_login: the private key for sftp://127.0.0.1:PORT cannot be used: it cannot be parsed (Base64 decoding error: invalid length at 4)
    source_login: the private key for sftp://127.0.0.1:PORT cannot be used: it is not a key, and as the path of one it is outside the folders the worker may read
    "#);
    assert_eq!(sshd.refused_logins(), 2, "one each for the password and the unknown key");
}

#[tokio::test]
async fn the_first_host_key_is_pinned_and_another_one_refused() {
    let (mut sshd, lab) = (Sshd::start(), Extraction::new().await);
    sshd.write("a.csv", "id\n1\n");
    let source = sshd.source("a.csv");
    let first = sshd.fingerprint("ed25519");
    extract(&lab, &source).await.expect("the first use");
    let known =
        known_hosts::of_server(&lab.context.control, "127.0.0.1", source.server.port).await.expect("known hosts");
    assert_eq!((known.len(), known[0].trusted, &known[0].fingerprint), (1, true, &first));
    assert!(known[0].public_key.starts_with("ssh-ed25519 AAAA"));
    extract(&lab, &source).await.expect("the same key again");

    sshd.change_host_key();
    let second = sshd.fingerprint("ed25519");
    let failed =
        failure(extract(&lab, &source).await, source.server.port).replace(&first, "FIRST").replace(&second, "SECOND");
    insta::assert_snapshot!(failed, @"host_key_changed: the host key of sftp://127.0.0.1:PORT has changed: expected ssh-ed25519 FIRST, but it shows ssh-ed25519 SECOND");
    assert_eq!(sshd.refused_logins(), 0, "no login was tried");

    known_hosts::approve(&lab.context.control, "127.0.0.1", source.server.port, &second, "ann")
        .await
        .expect("approved")
        .expect("the new key was noted for the admin");
    extract(&lab, &source).await.expect("an admin has approved the new key");
}

#[tokio::test]
async fn a_key_of_another_kind_is_a_changed_key_and_a_known_one_is_asked_for() {
    let (mut sshd, lab) = (Sshd::start(), Extraction::new().await);
    sshd.write("a.csv", "id\n1\n");
    let (ed25519, rsa) = (sshd.fingerprint("ed25519"), sshd.fingerprint("rsa"));
    let pinned = |fingerprint: &str| sshd.trusted_source(HostTrust::Pinned(fingerprint.into()), "a.csv");
    extract(&lab, &pinned(&ed25519)).await.expect("the key it shows first");
    extract(&lab, &pinned(&rsa)).await.expect("its other key");
    let wrong =
        extract(&lab, &pinned("SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")).await.expect_err("not its key");
    assert_eq!(wrong.code().as_str(), "host_key_changed");
    assert!(wrong.to_string().contains(&ed25519), "{wrong}");

    extract(&lab, &sshd.source("a.csv")).await.expect("ed25519 is pinned");
    sshd.drop_ed25519();
    let changed = extract(&lab, &sshd.source("a.csv")).await.expect_err("only its RSA key is left").to_string();
    assert!(changed.contains(&ed25519) && changed.contains(&rsa), "{changed}");
}

#[tokio::test]
async fn a_strict_source_waits_for_an_admin() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    sshd.write("a.csv", "id\n1\n");
    let source = sshd.trusted_source(HostTrust::Strict, "a.csv");
    let fingerprint = sshd.fingerprint("ed25519");
    let failed = failure(extract(&lab, &source).await, source.server.port).replace(&fingerprint, "FINGERPRINT");
    insta::assert_snapshot!(failed, @"host_key_unknown: the host key of sftp://127.0.0.1:PORT is not known: ssh-ed25519 FINGERPRINT");
    extract(&lab, &source).await.expect_err("still not approved");
    let db = &lab.context.control;
    known_hosts::approve(db, "127.0.0.1", source.server.port, &fingerprint, "ann")
        .await
        .expect("approved")
        .expect("noted");
    extract(&lab, &source).await.expect("approved");
    assert!(known_hosts::forget(db, "127.0.0.1", source.server.port, &fingerprint).await.expect("forgotten"));
    extract(&lab, &source).await.expect_err("forgotten again");
}

#[tokio::test]
async fn two_workers_that_meet_a_server_at_once_pin_one_key() {
    let lab = Extraction::new().await;
    let key = |name: &str| known_hosts::ShownKey {
        algorithm: "ssh-ed25519".into(),
        fingerprint: format!("SHA256:{name}"),
        public_key: String::new(),
    };
    let keys = [key("a"), key("b")];
    let db = &lab.context.control;
    let (one, other) =
        tokio::join!(known_hosts::pin_first(db, "h", 22, &keys[0]), known_hosts::pin_first(db, "H.", 22, &keys[1]));
    let (one, other) = (one.expect("pinned"), other.expect("pinned"));
    assert_eq!(one, other, "both see the same key");
    assert_eq!(one.len(), 1);
}
