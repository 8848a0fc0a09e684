//! Files that are encrypted with OpenPGP, by GnuPG.

use elt_shared::config::PgpOptions;

use super::{Case, ROWS, fixture, texts};
use crate::extract::containers::pgp::Keys;
use crate::extract::containers::problem::Problem;
use crate::roots::Roots;

fn text(name: &str) -> String {
    String::from_utf8(fixture(name)).expect("ASCII armor")
}

fn keys(private: Option<&str>, passphrase: Option<&str>, sender: Option<&str>) -> Result<Keys, Problem> {
    let options = PgpOptions {
        private_key: private.map(Into::into),
        passphrase: passphrase.map(Into::into),
        verify_key: sender.map(str::to_owned),
    };
    let base = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/archives");
    Keys::load(&options, &base, &Roots::default())
}

fn with(keys: Result<Keys, Problem>) -> Case {
    Case { keys: Some(keys.expect("usable keys")), ..Case::default() }
}

fn rsa() -> Case {
    with(keys(Some(&text("rsa.key.asc")), None, None))
}

fn whole() -> Vec<(String, String)> {
    texts(&[("", ROWS)])
}

#[test]
fn what_gnupg_encrypts_is_decrypted() {
    for name in ["rsa.csv.pgp", "rsa.csv.gz.pgp", "signed.csv.gpg"] {
        let opened = rsa().open(name, &fixture(name)).unwrap_or_else(|problem| panic!("{name}: {problem:?}"));
        assert_eq!(opened.files, whole(), "{name}");
    }
    let curve = with(keys(Some(&text("curve.key.asc")), Some("open sesame"), None));
    assert_eq!(curve.open("curve.csv.asc", &fixture("curve.csv.asc")).expect("opened").files, whole());
    let passphrase = with(keys(None, Some("open sesame"), None));
    let name = "passphrase.csv.gpg";
    assert_eq!(passphrase.open(name, &fixture(name)).expect("opened").files, whole());
    let of_file = with(keys(Some("rsa.key.bin"), None, None));
    assert_eq!(of_file.open("a.csv.pgp", &fixture("rsa.csv.pgp")).expect("opened").files, whole());
    let archive = rsa().open("methods.zip.pgp", &fixture("methods.zip.pgp")).expect("opened");
    let names: Vec<_> = archive.files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["0.csv", "12.csv", "14.csv", "8.csv"]);
    let inside = super::zip_archives::zip_of(&[("x.csv.pgp", &fixture("rsa.csv.pgp")), ("y.csv", ROWS.as_bytes())]);
    assert_eq!(rsa().open("a.zip", &inside).expect("opened").files, texts(&[("x.csv.pgp", ROWS), ("y.csv", ROWS)]));
}

#[test]
fn a_key_that_does_not_open_a_file_is_named() {
    let name = "rsa.csv.pgp";
    let other =
        with(keys(Some(&text("other.key.asc")), None, None)).open(name, &fixture(name)).expect_err("another key");
    assert_eq!(other.code.as_str(), "pgp_key");
    assert!(other.reason.contains("encrypted for the key "), "{}", other.reason);
    let without = Case::default().open(name, &fixture(name)).expect_err("no key");
    assert!(without.reason.contains("pgp: {private_key:"), "{}", without.reason);
    let name = "passphrase.csv.gpg";
    for case in [rsa(), with(keys(None, Some("wrong"), None))] {
        assert_eq!(case.code(name, &fixture(name)), "pgp_key");
    }
}

#[test]
fn keys_that_cannot_be_used_are_reported_without_their_text() {
    let curve = text("curve.key.asc");
    for (key, passphrase, expected) in [
        (curve.as_str(), Some("wrong"), "does not unlock"),
        (curve.as_str(), None, "there is no `pgp.passphrase`"),
        ("missing.asc", None, "cannot be used"),
        ("", None, "cannot be used"),
        (&curve.replace("-----BEGIN", "----BEGIN"), None, "neither a key in ASCII armor nor the path of one"),
        (&curve.replace('M', "N"), Some("open sesame"), "cannot be used"),
        (&text("rsa.pub.asc"), None, "cannot be used"),
    ] {
        let Err(problem) = keys(Some(key), passphrase, None) else { panic!("{expected}: it was used") };
        assert!(problem.reason.contains(expected), "{expected}: {}", problem.reason);
        assert!(!problem.reason.contains("missing.asc") && problem.reason.len() < 300, "{}", problem.reason);
    }
}

#[test]
fn a_signature_is_checked_when_its_key_is_named() {
    let private = text("rsa.key.asc");
    let checked = |sender: &str| with(keys(Some(&private), None, Some(&text(sender))));
    let (signed, name) = (fixture("signed.csv.gpg"), "signed.csv.gpg");
    assert_eq!(checked("other.pub.asc").open(name, &signed).expect("opened").files, whole());
    assert_eq!(checked("rsa.pub.asc").code(name, &signed), "pgp_signature", "another sender");
    assert_eq!(checked("other.pub.asc").code("rsa.csv.pgp", &fixture("rsa.csv.pgp")), "pgp_signature", "no signature");
}

#[test]
fn what_is_not_protected_is_refused() {
    assert_eq!(rsa().code("plain.csv.gpg", &fixture("plain.csv.gpg")), "pgp_unprotected", "signed only");
    assert_eq!(rsa().code("detached.csv.asc", &fixture("detached.csv.asc")), "pgp_unprotected");
    assert_eq!(rsa().code("key.csv.asc", &fixture("rsa.pub.asc")), "pgp_unprotected");
    // The packet of a message whose integrity is protected (18) becomes one without (9), as an attacker would do it.
    let bytes = fixture("rsa.csv.pgp");
    let at = packet(&bytes, 18);
    let (length, header) = length(&bytes[at + 1..]);
    let mut stripped = bytes[..at].to_vec();
    stripped.extend([0xC9, 0xFF]);
    stripped.extend(u32::try_from(length - 1).expect("short").to_be_bytes());
    stripped.extend(&bytes[at + 1 + header + 1..]);
    assert_eq!(rsa().code("a.csv.pgp", &stripped), "pgp_unprotected");
}

#[test]
fn a_message_that_asks_for_hours_of_work_is_refused_before_it_is_done() {
    let cases = [with(keys(None, Some("open sesame"), None)), rsa()];
    let message = fixture("passphrase.csv.gpg");
    // A passphrase over which 62 MiB are hashed, one that Argon2 reads 32 times into 2 GiB, and a key for anybody.
    let hashed: &[u8] = &[0xC3, 13, 4, 9, 3, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0xFF];
    let argon2: &[u8] = &[0xC3, 22, 4, 9, 4, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 32, 4, 21];
    let anybody: &[u8] = &[0xC1, 13, 3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1];
    for (head, times, expected) in [
        (hashed, 16, "more than 16 passphrases"),
        (argon2, 1, "more than 256 MiB of memory"),
        (anybody, 1_000, "more than 1000 keys"),
    ] {
        let hostile = [head.repeat(times), message.clone()].concat();
        for case in &cases {
            let problem = case.open("a.csv.gpg", &hostile).expect_err(expected);
            assert_eq!(problem.code.as_str(), "pgp_broken");
            assert!(problem.reason.contains(expected), "{expected}: {}", problem.reason);
        }
    }
}

/// Position of the first packet with this tag in a message whose packets are not armored.
fn packet(bytes: &[u8], tag: u8) -> usize {
    let mut at = 0;
    loop {
        let (is_tag, old) = (bytes[at] & 0x3F, bytes[at] & 0x40 == 0);
        assert!(bytes[at] & 0x80 != 0, "a packet");
        if !old && is_tag == tag {
            return at;
        }
        let (size, header) = match (old, bytes[at] & 3) {
            (true, 0) => (usize::from(bytes[at + 1]), 1),
            (true, 1) => (usize::from(u16::from_be_bytes([bytes[at + 1], bytes[at + 2]])), 2),
            (true, _) => panic!("a long packet"),
            (false, _) => length(&bytes[at + 1..]),
        };
        at += 1 + header + size;
    }
}

/// Length of a packet of the new format, and the number of bytes it is written with.
fn length(bytes: &[u8]) -> (usize, usize) {
    match bytes[0] {
        short @ 0..192 => (usize::from(short), 1),
        middle @ 192..224 => (((usize::from(middle) - 192) << 8) + usize::from(bytes[1]) + 192, 2),
        _ => panic!("a long packet"),
    }
}

#[test]
fn a_message_that_was_changed_or_cut_off_is_never_read() {
    let (case, name) = (with(keys(Some(&text("curve.key.asc")), Some("open sesame"), None)), "curve.csv.pgp");
    let bytes = fixture(name);
    assert_eq!(case.open(name, &bytes).expect("opened").files, whole());
    for end in 0..bytes.len() {
        assert!(case.open(name, &bytes[..end]).is_err(), "cut after {end} of {} bytes", bytes.len());
    }
    // The first packet is the encrypted key, some bytes of which have no meaning; the rest is what it opens.
    let contents = packet(&bytes, 18);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x04;
        match case.open(name, &changed) {
            Ok(opened) if at < contents => assert_eq!(opened.files, whole(), "byte {at} was changed"),
            Ok(_) => panic!("byte {at} of the contents was changed"),
            Err(_) => {}
        }
    }
}
