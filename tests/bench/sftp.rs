//! How fast a file comes over SFTP, beside OpenSSH's own `sftp get` of the same file from the same server, and with the
//! connection cut twice on the way. Needs TEST_DATABASE_URL and the OpenSSH programs.
//!
//! `cargo bench -p elt-tests --bench sftp -- [rounds] [megabytes]`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

#[path = "../it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests use more of it")]
mod support;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use elt_shared::config::SftpSource;
use elt_worker::extract::sftp;

use support::chaos_proxy::{ChaosProxy, Fate};
use support::extraction::Extraction;
use support::sshd::{Sshd, at_port};

#[tokio::main]
async fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (rounds, megabytes) = (numbers.first().copied().unwrap_or(3), numbers.get(1).copied().unwrap_or(200));
    let sshd = Sshd::start();
    let content = csv(megabytes * 1_000_000);
    sshd.write("large.csv", &content);
    println!("round  sftp get  elt  cut twice  (MB/s of {megabytes} MB)");
    for round in 1..=rounds {
        let theirs = rate(megabytes, openssh(&sshd));
        let ours = rate(megabytes, extract(&sshd.source("large.csv"), &content).await);
        let part = content.len() as u64 / 3;
        let proxy = ChaosProxy::start(sshd.address, [Fate::CutAfter(part), Fate::CutAfter(part)]).await;
        let source = at_port(sshd.source("large.csv"), proxy.address.port());
        let cut = rate(megabytes, extract(&source, &content).await);
        println!("{round:5}  {theirs:8.0}  {ours:3.0}  {cut:9.0}  ({:.2} x)", ours / theirs);
    }
}

fn rate(megabytes: usize, seconds: f64) -> f64 {
    megabytes as f64 / seconds
}

/// Seconds of an extraction, whose bytes must be the file's.
async fn extract(source: &SftpSource, content: &str) -> f64 {
    let lab = Extraction::new().await;
    let started = Instant::now();
    let extracted = sftp::extract(0, source, &lab.context).await.expect("the file");
    let seconds = started.elapsed().as_secs_f64();
    assert!(std::fs::read(&extracted.files[0].path).expect("the copy") == content.as_bytes(), "every byte");
    seconds
}

/// Seconds of `sftp get`.
fn openssh(sshd: &Sshd) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    std::fs::write(&key, sshd.key()).expect("the key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("permissions");
    let started = Instant::now();
    let mut child = Command::new("sftp")
        .args(["-q", "-b", "-", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-P"])
        .arg(sshd.address.port().to_string())
        .arg("-i")
        .arg(&key)
        .arg(format!("{}@{}", sshd.user(), sshd.address.ip()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sftp");
    let to = folder.path().join("copy.csv");
    let get = format!("get {} {}\n", sshd.remote("large.csv"), to.display());
    child.stdin.take().expect("its input").write_all(get.as_bytes()).expect("written");
    assert!(child.wait().expect("sftp").success());
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(size(&to), size(&sshd.local("large.csv")));
    seconds
}

fn size(path: &Path) -> u64 {
    path.metadata().expect("a file").len()
}

fn csv(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 100);
    text.push_str("id,name,amount\n");
    let mut id = 0_u64;
    while text.len() < bytes {
        id += 1;
        let _ =
            writeln!(text, "{id},customer {},{}.{:02}", id.wrapping_mul(0x9E37_79B9_7F4A_7C15), id % 10_007, id % 100);
    }
    text
}
