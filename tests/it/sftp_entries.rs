//! Entries of an SFTP server that cannot be read, listed or decoded, and what happens to files once they are loaded.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use elt_shared::config::{AfterLoad, SftpSource, SourceConfig, SshLogin};
use elt_shared::runs::report::LeftOutKind;
use elt_worker::error::PipelineError;
use elt_worker::extract::Extracted;
use elt_worker::extract::sftp::{self, SftpLimits};

use crate::support::chaos_proxy::{ChaosProxy, Fate};
use crate::support::extraction::{Extraction, failure, texts};
use crate::support::sshd::{PASSWORD, Sshd, at_port, is_root};

fn quick() -> SftpLimits {
    SftpLimits { backoff: Duration::from_millis(10), settle: Duration::ZERO, ..SftpLimits::default() }
}

async fn extract(lab: &Extraction, source: &SftpSource) -> Result<Extracted, PipelineError> {
    sftp::extract_within(0, source, &lab.context, &quick()).await
}

/// Puts a file whose name is these bytes into the folder that is served.
fn write_bytes(sshd: &Sshd, name: &[u8], content: &str) {
    let plain = sshd.write("being-named.csv", content);
    let path = sshd.local("").join(OsStr::from_bytes(name));
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
    std::fs::rename(plain, path).expect("renamed");
}

/// Names below the folder that is served.
fn files(extracted: &Extracted, sshd: &Sshd) -> Vec<String> {
    let server = format!("sftp://{}{}", sshd.address, sshd.remote(""));
    extracted.files.iter().map(|file| file.name.replace(&server, "")).collect()
}

#[tokio::test]
async fn names_that_are_not_utf8_are_read_like_any_other() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    sshd.write("plain.csv", "id\n1\n");
    write_bytes(&sshd, b"Gr\xf6\xdfe.csv", "id\n2\n");
    write_bytes(&sshd, b"\x93\xfa\x96{.csv", "id\n3\n");
    write_bytes(&sshd, b"f\xfcr/alle.csv", "id\n4\n");
    // The name contains a character that elt uses internally in place of a byte that is not UTF-8.
    sshd.write("\u{10F7F6}.csv", "id\n5\n");

    let folder = extract(&lab, &sshd.source("")).await.expect("a folder");
    let mut found = files(&folder, &sshd);
    found.sort();
    assert_eq!(found, ["Gr\\xf6\\xdfe.csv", "\\x93\\xfa\\x96{.csv", "\\xf4\\x8f\\x9f\\xb6.csv", "plain.csv"]);
    let deep = extract(&lab, &sshd.source("**/*.csv")).await.expect("a glob");
    let mut contents: Vec<_> = texts(&deep).into_iter().map(|(_, text)| text).collect();
    contents.sort();
    assert_eq!(contents, ["id\n1\n", "id\n2\n", "id\n3\n", "id\n4\n", "id\n5\n"]);

    // A move keeps the bytes of the name as well.
    std::fs::create_dir(sshd.local("done")).expect("a folder");
    std::fs::set_permissions(sshd.local("done"), PermissionsExt::from_mode(0o777)).expect("permissions");
    let source = SftpSource { after_load: AfterLoad::Move(sshd.remote("done")), ..sshd.source("") };
    let loaded = extract(&lab, &source).await.expect("a folder");
    let warnings = sftp::after_load(&[SourceConfig::Sftp(source)], &loaded.files, &lab.context).await;
    assert_eq!(warnings, Vec::<String>::new());
    assert!(sshd.local("done").join(OsStr::from_bytes(b"Gr\xf6\xdfe.csv")).exists());
}

#[tokio::test]
async fn a_folder_that_may_not_be_listed_is_left_out_and_the_others_go_on() {
    if !is_root() {
        return;
    }
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    sshd.write("a/one.csv", "id\n1\n");
    sshd.write("private/two.csv", "id\n2\n");
    sshd.write("z/deep/three.csv", "id\n3\n");
    std::fs::set_permissions(sshd.local("private"), PermissionsExt::from_mode(0o700)).expect("permissions");
    for glob in ["**/*.csv", "**", "{a,private,z/deep}/*.csv"] {
        let extracted = extract(&lab, &sshd.source(glob)).await.unwrap_or_else(|error| panic!("{glob}: {error}"));
        assert_eq!(files(&extracted, &sshd), ["a/one.csv", "z/deep/three.csv"], "{glob}");
        let [left_out] = &extracted.left_out[..] else { panic!("{:?}", extracted.left_out) };
        assert!(left_out.name.ends_with("/private") && left_out.kind == LeftOutKind::Failed, "{left_out:?}");
        assert!(!left_out.reason.contains("sftp://"), "the name is not repeated: {}", left_out.reason);
    }
    let error = failure(extract(&lab, &sshd.source("private")).await, sshd.address.port());
    assert!(error.starts_with("source_unreadable: "), "a folder that the config names must be readable: {error}");
}

#[tokio::test]
async fn a_folder_that_may_be_listed_but_not_entered_is_left_out_and_the_others_go_on() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    sshd.write("a/one.csv", "id\n1\n");
    sshd.write("locked/two.csv", "id\n2\n");
    sshd.write("z/locked/three.csv", "id\n3\n");
    std::fs::create_dir(sshd.local("empty")).expect("a folder");
    let closed = [sshd.local("locked"), sshd.local("z/locked")];
    let mode = |mode: u32| {
        for folder in &closed {
            std::fs::set_permissions(folder, PermissionsExt::from_mode(mode)).expect("permissions");
        }
    };
    mode(0o444);
    let deep = extract(&lab, &sshd.source("**/*.csv")).await;
    let empty = extract(&lab, &sshd.source("empty")).await;
    let named = extract(&lab, &sshd.source("locked")).await;
    let globbed = extract(&lab, &sshd.source("locked/*.csv")).await;
    mode(0o755);

    let deep = deep.expect("a glob");
    assert_eq!(files(&deep, &sshd), ["a/one.csv"]);
    let [first, second] = &deep.left_out[..] else { panic!("{:?}", deep.left_out) };
    assert!(first.name.ends_with("/locked") && second.name.ends_with("/z/locked"), "{:?}", deep.left_out);
    for left_out in [first, second] {
        assert_eq!(left_out.kind, LeftOutKind::Failed);
        assert!(left_out.reason.contains("this account may not enter it"), "{}", left_out.reason);
    }
    assert!(empty.expect("an empty folder").files.is_empty());
    for refused in [named, globbed] {
        let error = failure(refused, sshd.address.port());
        assert!(error.starts_with("source_unreadable: "), "a folder that the config names must be enterable: {error}");
    }
}

#[tokio::test]
async fn a_folder_is_read_once_however_many_links_lead_to_it() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    sshd.write("a/one.csv", "id\n1\n");
    sshd.write("b/two.csv", "id\n2\n");
    symlink(".", sshd.local("loop")).expect("a link");
    symlink("../..", sshd.local("a/up")).expect("a link");
    symlink("../b", sshd.local("a/aside")).expect("a link");
    symlink("two", sshd.local("one")).expect("a link");
    symlink("one", sshd.local("two")).expect("a link");
    let extracted = extract(&lab, &sshd.source("**/*.csv")).await.expect("it ends");
    assert_eq!(files(&extracted, &sshd), ["a/one.csv", "b/two.csv"]);
    let names: Vec<_> = extracted.left_out.iter().map(|left| left.name.rsplit('/').next().expect("a name")).collect();
    assert_eq!(names, ["one", "two"], "links that lead nowhere are named");
}

#[tokio::test]
async fn a_server_that_wants_a_key_and_a_password_gets_both() {
    if !is_root() {
        return;
    }
    let (mut sshd, lab) = (Sshd::start(), Extraction::new().await);
    sshd.write("a.csv", "id\n1\n");
    let key = sshd.key();
    let both = |password: &str| SshLogin::private_key(key.as_str(), None).and_password(password);
    let (right, wrong) = (both(PASSWORD), both("canary"));
    for methods in ["publickey,password", "password,publickey", "publickey password"] {
        sshd.require(methods);
        let login = right.clone();
        extract(&lab, &sshd.source_with(login, "a.csv")).await.unwrap_or_else(|e| panic!("{methods}: {e}"));
    }
    for methods in ["publickey,password", "password,publickey"] {
        sshd.require(methods);
        let refused = sshd.refused_logins();
        let login = wrong.clone();
        let error = failure(extract(&lab, &sshd.source_with(login, "a.csv")).await, sshd.address.port());
        assert!(error.starts_with("source_login: ") && error.contains("private key and password"), "{error}");
        assert_eq!(sshd.refused_logins() - refused, 1, "each is tried once: {methods}");
        let login = SshLogin::private_key(key.as_str(), None);
        let error = failure(extract(&lab, &sshd.source_with(login, "a.csv")).await, sshd.address.port());
        assert!(error.contains("it accepts password"), "{error}");
    }
    sshd.ask_in_a_dialogue();
    sshd.require("publickey,keyboard-interactive");
    extract(&lab, &sshd.source_with(right, "a.csv")).await.expect("the password in a dialogue");
}

#[tokio::test]
async fn a_move_or_delete_whose_answer_was_lost_is_known_to_be_done() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    for action in [AfterLoad::Move(sshd.remote("done")), AfterLoad::Delete] {
        let source = SftpSource { after_load: action, ..sshd.source("a.csv") };
        sshd.write("done/first", "the folder is there");
        std::fs::set_permissions(sshd.local("done"), PermissionsExt::from_mode(0o777)).expect("permissions");
        let finish = async |fates: Vec<Fate>| {
            sshd.write("a.csv", "id\n1\n");
            let loaded = extract(&lab, &source).await.expect("read");
            let proxy = ChaosProxy::start(sshd.address, fates).await;
            let through = SourceConfig::Sftp(at_port(source.clone(), proxy.address.port()));
            let warnings = sftp::after_load_within(&[through], &loaded.files, &lab.context, &quick()).await;
            (warnings, proxy.delivered())
        };
        let (warnings, all) = finish(Vec::new()).await;
        assert_eq!(warnings, Vec::<String>::new());
        for cut in (all.saturating_sub(400)..all).step_by(12) {
            let _ = std::fs::remove_dir_all(sshd.local("done"));
            sshd.write("done/first", "the folder is there");
            std::fs::set_permissions(sshd.local("done"), PermissionsExt::from_mode(0o777)).expect("permissions");
            let (warnings, _) = finish(vec![Fate::CutAfter(cut)]).await;
            assert_eq!(warnings, Vec::<String>::new(), "cut after {cut} of {all} bytes");
            assert!(!sshd.local("a.csv").exists());
            let moved = std::fs::read_dir(sshd.local("done")).expect("the folder").count() - 1;
            assert_eq!(moved, usize::from(matches!(source.after_load, AfterLoad::Move(_))));
        }
    }
}

#[tokio::test]
async fn moving_files_ends_at_its_deadline_and_when_the_run_stops() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    sshd.write("a.csv", "id\n1\n");
    sshd.write("b.csv", "id\n2\n");
    let source = SftpSource { after_load: AfterLoad::Delete, ..sshd.source("") };
    let loaded = extract(&lab, &source).await.expect("read");
    let proxy = ChaosProxy::start(sshd.address, [Fate::SilentAfter(0); 9]).await;
    let silent = SourceConfig::Sftp(at_port(source.clone(), proxy.address.port()));
    let limits = SftpLimits { total: Duration::from_millis(300), ..quick() };
    let warnings = sftp::after_load_within(&[silent], &loaded.files, &lab.context, &limits).await;
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(warning.contains("a.csv and 1 more file were loaded") && warning.contains("0.3 s"), "{warning}");

    lab.context.stop.cancel();
    let warnings = sftp::after_load(&[SourceConfig::Sftp(source)], &loaded.files, &lab.context).await;
    assert!(warnings[0].contains("asked to stop"), "{warnings:?}");
    assert!(sshd.local("a.csv").exists() && sshd.local("b.csv").exists());
}

#[tokio::test]
async fn a_required_file_that_changes_all_the_time_fails_its_source() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    let path = sshd.write("growing.csv", "id\n");
    let writing = tokio_util::sync::CancellationToken::new();
    let writer = tokio::task::spawn_blocking({
        let writing = writing.clone();
        move || {
            while !writing.is_cancelled() {
                let mut file = std::fs::File::options().append(true).open(&path).expect("the file");
                std::io::Write::write_all(&mut file, b"1\n").expect("one more row");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    });
    let limits = SftpLimits { settle: Duration::from_secs(4), rereads: 1, ..quick() };
    let failed = sftp::extract_within(0, &sshd.source("growing.csv"), &lab.context, &limits).await;
    writing.cancel();
    writer.await.expect("the writer");
    assert!(failure(failed, sshd.address.port()).starts_with("source_changed: "));
}
