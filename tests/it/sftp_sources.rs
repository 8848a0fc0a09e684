//! SFTP sources against a real OpenSSH server, on good and bad days.

use std::time::Duration;

use elt_shared::config::{AfterLoad, SftpSource, SourceConfig};
use elt_worker::error::PipelineError;
use elt_worker::extract::Extracted;
use elt_worker::extract::sftp::{self, SftpLimits};
use elt_worker::input::{Compression, Format};

use crate::support::app::PATIENCE;
use crate::support::chaos_proxy::{ChaosProxy, Fate};
use crate::support::closed_port::ClosedPort;
use crate::support::extraction::{Extraction, failure, texts};
use crate::support::http_source::HttpSource;
use crate::support::sshd::{Sshd, at_port, is_root};

/// Short pauses, but as much time for each answer as a busy machine needs.
fn quick() -> SftpLimits {
    SftpLimits {
        connect: PATIENCE,
        handshake: PATIENCE,
        idle: PATIENCE,
        backoff: Duration::from_millis(10),
        settle: Duration::ZERO,
        ..SftpLimits::default()
    }
}

async fn extract(lab: &Extraction, source: &SftpSource) -> Result<Extracted, PipelineError> {
    sftp::extract_within(0, source, &lab.context, &quick()).await
}

/// The source as seen through a proxy.
fn through(proxy: &ChaosProxy, source: SftpSource) -> SftpSource {
    at_port(source, proxy.address.port())
}

fn files(extracted: &Extracted, sshd: &Sshd) -> Vec<String> {
    let server = format!("sftp://{}", sshd.address);
    extracted.files.iter().map(|file| file.name.replace(&server, "").replace(&sshd.remote(""), "")).collect()
}

#[tokio::test]
async fn a_file_a_folder_and_a_glob_are_read() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    sshd.write("b.csv", "id,name\n1,Ann\n");
    sshd.write("a.JSON.gz", "packed");
    sshd.write("notes.pdf", "no rows");
    sshd.write(".hidden.csv", "id\n9\n");
    sshd.write("deep/er/c.txt", "id|name\n2|Bob\n");
    std::os::unix::fs::symlink("b.csv", sshd.local("link.csv")).expect("a link");
    std::os::unix::fs::symlink("nowhere", sshd.local("dangling.csv")).expect("a link");

    let one = extract(&lab, &sshd.source("b.csv")).await.expect("a file");
    assert_eq!(texts(&one), [(format!("sftp://{}{}", sshd.address, sshd.remote("b.csv")), "id,name\n1,Ann\n".into())]);
    assert!(one.files[0].path.starts_with(&lab.context.spool));

    let folder = extract(&lab, &sshd.source("")).await.expect("a folder");
    assert_eq!(files(&folder, &sshd), ["a.JSON.gz", "b.csv", "link.csv"]);
    assert_eq!((folder.files[0].format, folder.files[0].compression), (Format::Json, Compression::Gzip));
    let left_out: Vec<_> = folder.left_out.iter().map(|left| left.name.rsplit('/').next().expect("a name")).collect();
    assert_eq!(left_out, ["dangling.csv", "notes.pdf"]);

    let glob = extract(&lab, &sshd.source("*.csv")).await.expect("a glob");
    assert_eq!(files(&glob, &sshd), ["b.csv", "link.csv"]);
    let deep = extract(&lab, &sshd.source("**/*.{csv,txt}")).await.expect("a deep glob");
    assert_eq!(files(&deep, &sshd), ["b.csv", "deep/er/c.txt", "link.csv"]);
    let nothing = extract(&lab, &sshd.source("*.ndjson")).await.expect("a glob may match nothing");
    assert!(nothing.files.is_empty());
}

/// A few megabytes that differ everywhere.
fn large() -> String {
    (0..300_000).map(|row| format!("{row},name {row}\n")).collect()
}

#[tokio::test]
async fn a_broken_connection_is_read_on_where_it_broke() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    let content = large();
    sshd.write("large.csv", &content);
    let cuts = [Fate::CutAfter(1_500_000), Fate::CutAfter(2_500_000)];
    let proxy = ChaosProxy::start(sshd.address, cuts).await;
    // A connection that is cut is noticed by its end, and not by the limit for silence.
    let limits = SftpLimits { idle: Duration::from_hours(1), ..quick() };
    let source = through(&proxy, sshd.source("large.csv"));
    let reading = sftp::extract_within(0, &source, &lab.context, &limits);
    let read = tokio::time::timeout(PATIENCE, reading).await.expect("nothing waits for the limit for silence");
    let extracted = read.expect("read in three parts");
    assert!(texts(&extracted)[0].1 == content, "every byte once and in its place");
    assert_eq!(proxy.connections(), 3);
    let surplus = proxy.delivered() - content.len() as u64;
    assert!(surplus < content.len() as u64, "what had arrived was not fetched again: {surplus} bytes too many");
}

#[tokio::test]
async fn a_server_that_breaks_without_a_byte_is_given_up() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    sshd.write("a.csv", "id\n1\n");
    let mut messages = String::new();
    for (fate, patience) in [
        (Fate::CutAfter(0), 60_000),
        (Fate::CutAfter(600), 60_000),
        (Fate::SilentAfter(0), 300),
        (Fate::SilentAfter(600), 300),
    ] {
        let proxy = ChaosProxy::start(sshd.address, [fate; 20]).await;
        let limits = SftpLimits { handshake: Duration::from_millis(patience), ..quick() };
        let failed = sftp::extract_within(0, &through(&proxy, sshd.source("a.csv")), &lab.context, &limits).await;
        let failed = failure(failed, proxy.address.port());
        messages.push_str(&format!("{fate:?}: {} x {failed}\n", proxy.connections()));
    }
    insta::assert_snapshot!(messages, @"
    CutAfter(0): 3 x source_unreachable: the connection to sftp://127.0.0.1:PORT broke: it was closed before the SSH handshake was done (3 attempts)
    CutAfter(600): 3 x source_unreachable: the connection to sftp://127.0.0.1:PORT broke: it was closed before the SSH handshake was done (3 attempts)
    SilentAfter(0): 3 x source_timeout: sftp://127.0.0.1:PORT did not finish the SSH handshake within 0.3 s (3 attempts)
    SilentAfter(600): 3 x source_timeout: sftp://127.0.0.1:PORT did not finish the SSH handshake within 0.3 s (3 attempts)
    ");
}

#[tokio::test]
async fn a_server_that_falls_silent_is_called_again() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    let content = large();
    sshd.write("large.csv", &content);
    let proxy = ChaosProxy::start(sshd.address, [Fate::SilentAfter(2_000_000); 2]).await;
    // Long enough for a busy machine, because a third silence would be one too many.
    let limits = SftpLimits { idle: Duration::from_secs(4), ..quick() };
    let source = through(&proxy, sshd.source("large.csv"));
    let extracted = sftp::extract_within(0, &source, &lab.context, &limits).await.expect("read in three parts");
    assert!(texts(&extracted)[0].1 == content, "every byte once and in its place");
    assert_eq!(proxy.connections(), 3);
}

#[tokio::test]
async fn a_file_that_is_still_written_is_left_for_later() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    let path = sshd.write("growing.csv", "id\n");
    sshd.write("done.csv", "id\n1\n");
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
    // A row comes in every 20 ms: in four seconds one does, also on a busy machine.
    let limits = SftpLimits { settle: Duration::from_secs(4), rereads: 1, ..quick() };
    let extracted = sftp::extract_within(0, &sshd.source(""), &lab.context, &limits).await.expect("the other file");
    writing.cancel();
    writer.await.expect("the writer");
    assert_eq!(files(&extracted, &sshd), ["done.csv"]);
    assert_eq!(extracted.left_out[0].reason, "it changed each time it was read, so it is still being written");
}

#[tokio::test]
async fn a_fresh_file_is_looked_at_again_once_it_has_settled() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    std::fs::write(sshd.local("fresh.csv"), "id\n1\n").expect("written");
    let path = sshd.local("fresh.csv");
    let limits = SftpLimits { settle: Duration::from_secs(6), ..quick() };
    let proxy = ChaosProxy::start(sshd.address, []).await;
    // The second row is written while the extraction waits: it has asked for something, and asks for nothing more.
    let write = async {
        let mut before = 0;
        while before == 0 || proxy.delivered() > before {
            before = proxy.delivered();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        std::fs::write(path, "id\n1\n2\n").expect("written");
    };
    let source = through(&proxy, sshd.source("fresh.csv"));
    let extracting = sftp::extract_within(0, &source, &lab.context, &limits);
    let (extracted, ()) = tokio::join!(extracting, write);
    let extracted = extracted.expect("the file");
    assert_eq!(texts(&extracted)[0].1, "id\n1\n2\n", "the half that was there first is not loaded");
}

#[tokio::test]
async fn what_is_not_there_or_not_ours_is_said_so() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    sshd.write("report.pdf", "no rows");
    sshd.write("a.csv", "id\n1\n");
    let port = sshd.address.port();
    let mut messages = String::new();
    for name in ["missing.csv", "missing/*.csv", "report.pdf", "a[.csv"] {
        let failed = failure(extract(&lab, &sshd.source(name)).await, port);
        messages.push_str(&failed.replace(&sshd.remote(""), "/upload/"));
        messages.push('\n');
    }
    insta::assert_snapshot!(messages, @"
    source_missing: there is no sftp://127.0.0.1:PORT/upload/missing.csv
    source_missing: there is no sftp://127.0.0.1:PORT/upload/missing/
    source_unreadable: sftp://127.0.0.1:PORT/upload/report.pdf cannot be read: its suffix is not loaded: only .csv, .txt, .json, .ndjson, .jsonl, .xlsx, .xlsm, .xlsb, .xls, .ods, .parquet, .pq, .arrow, .arrows, .feather and .ipc are, also .gz, .zst, .bz2 or .xz, and .zip, .tar and .pgp with them
    bad_glob: sftp://127.0.0.1:PORT/upload/a[.csv is not a valid glob pattern: unclosed character class; missing ']'
    ");
    if is_root() {
        std::fs::set_permissions(sshd.local("a.csv"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .expect("mode");
        sshd.write("b.csv", "id\n2\n");
        let one = extract(&lab, &sshd.source("a.csv")).await.expect_err("the one file may not be read");
        assert_eq!(one.code().as_str(), "source_unreadable");
        let folder = extract(&lab, &sshd.source("")).await.expect("the other file may");
        assert_eq!(files(&folder, &sshd), ["b.csv"]);
        assert_eq!(folder.left_out.len(), 2);
    }
}

#[tokio::test]
async fn hosts_that_are_denied_or_no_ssh_servers_are_said_so() {
    let (sshd, api) = (Sshd::start(), HttpSource::start().await);
    let denied = Extraction::new().await.with_network(&["127.0.0.0/8"], &[]);
    let mut messages = failure(extract(&denied, &sshd.source("")).await, sshd.address.port());
    let lab = Extraction::new().await;
    let closed = ClosedPort::new();
    for port in [api.address.port(), closed.address.port()] {
        let source = at_port(sshd.source(""), port);
        messages.push('\n');
        messages.push_str(&failure(extract(&lab, &source).await, port));
    }
    insta::assert_snapshot!(messages, @"
    source_refused: sftp://127.0.0.1:PORT may not be called: its address is in `127.0.0.0/8`, denied by ELT_NET_DENY
    source_unreachable: the connection to sftp://127.0.0.1:PORT broke: it was closed before the SSH handshake was done (3 attempts)
    source_unreachable: sftp://127.0.0.1:PORT could not be reached: Connection refused (os error 111) (3 attempts)
    ");
}

#[tokio::test]
async fn loaded_files_are_moved_or_deleted_if_they_are_still_the_same() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    let mut source = sshd.source("*.csv");
    let after_load = async |source: &SftpSource, extracted: &Extracted| {
        sftp::after_load(&[SourceConfig::Sftp(source.clone())], &extracted.files, &lab.context).await
    };
    let there = |name: &str| sshd.local(name).exists();

    sshd.write("a.csv", "id\n1\n");
    let kept = extract(&lab, &source).await.expect("read");
    assert_eq!(after_load(&source, &kept).await, Vec::<String>::new());
    assert!(there("a.csv"));

    source.after_load = AfterLoad::Move(sshd.remote("archive"));
    let moved = extract(&lab, &source).await.expect("read");
    assert!(there("a.csv"), "nothing happens before the load has committed");
    assert_eq!(after_load(&source, &moved).await, Vec::<String>::new());
    assert!(!there("a.csv") && there("archive/a.csv"));

    sshd.write("a.csv", "id\n2\n");
    let again = extract(&lab, &source).await.expect("read");
    after_load(&source, &again).await;
    assert_eq!(std::fs::read_to_string(sshd.local("archive/a.csv")).expect("the first"), "id\n1\n");
    assert_eq!(std::fs::read_to_string(sshd.local("archive/a-2.csv")).expect("the second"), "id\n2\n");

    source.after_load = AfterLoad::Delete;
    sshd.write("a.csv", "id\n3\n");
    sshd.write("b.csv", "id\n4\n");
    let deleted = extract(&lab, &source).await.expect("read");
    sshd.write("b.csv", "id\n4\n5\n");
    let warnings = after_load(&source, &deleted).await;
    assert!(!there("a.csv") && there("b.csv"), "what changed since was not loaded and stays");
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].ends_with("b.csv was loaded and stays where it is: it has changed since"), "{warnings:?}");
}

#[tokio::test]
async fn a_fingerprint_changes_with_names_sizes_and_times() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    sshd.write("a.csv", "id\n1\n");
    let source = sshd.source("");
    let fingerprint = async || sftp::fingerprint(&source, &lab.context).await.expect("a fingerprint");
    let first = fingerprint().await;
    assert_eq!(first, fingerprint().await);
    sshd.write("notes.pdf", "not loaded, so no change");
    assert_eq!(first, fingerprint().await);
    sshd.write("a.csv", "id\n1\n2\n");
    let second = fingerprint().await;
    assert_ne!(first, second);
    sshd.write("b.csv", "id\n");
    assert_ne!(second, fingerprint().await);
}

#[tokio::test]
async fn a_stop_is_obeyed_at_once() {
    let (sshd, lab) = (Sshd::start(), Extraction::new().await);
    let proxy = ChaosProxy::start(sshd.address, [Fate::SilentAfter(0)]).await;
    let stop = async {
        while proxy.connections() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        lab.context.stop.cancel();
    };
    let source = through(&proxy, sshd.source(""));
    let limits = SftpLimits { handshake: 2 * PATIENCE, ..quick() };
    let extracting = tokio::time::timeout(PATIENCE, sftp::extract_within(0, &source, &lab.context, &limits));
    let (stopped, ()) = tokio::join!(extracting, stop);
    assert!(matches!(stopped.expect("it does not wait for the server"), Err(PipelineError::Stopped)));
}
