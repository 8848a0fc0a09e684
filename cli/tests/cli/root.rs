//! `elt` as root starts it: servers drop to another account for good, and what is written is that account's alone.
//! Tests that need root do nothing without it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use nix::unistd::{User, geteuid};
use serde_json::json;

use crate::support::client::Client;
use crate::support::{Folder, Up, elt, run, up};

/// The account that root drops to on this machine, unless a data folder says otherwise.
fn account() -> User {
    let found = ["elt", "postgres", "nobody"].iter().find_map(|name| User::from_name(name).expect("asked"));
    found.expect("one of the usual accounts")
}

/// Every file and folder below a folder that `of` picks, with its path from there on.
fn found(folder: &Path, of: &impl Fn(&fs::Metadata) -> bool) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let metadata = entry.path().symlink_metadata().expect("metadata");
        if of(&metadata) {
            names.push(entry.path().display().to_string());
        }
        if metadata.is_dir() {
            names.extend(found(&entry.path(), of));
        }
    }
    names
}

fn config(folder: &Folder, source: &str) -> String {
    format!(
        "name: people\nsources: [{{type: local, settle_seconds: 0, path: {}/{source}}}]\ntarget: {{table: people}}\n\
         monitor: {{enabled: false}}\noutput_csv_path: deep/people.csv\n",
        folder.path().display()
    )
}

#[tokio::test]
async fn servers_that_root_starts_run_as_another_account_for_good() {
    if !geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    folder.write("in/people.csv", "id\n1\n");
    folder.write("closed/people.csv", "id\n1\n");
    fs::set_permissions(folder.path().join("closed"), fs::Permissions::from_mode(0o700)).expect("its mode");
    let up = up(&folder, &[]);
    let account = account();

    let pid = up.process.pid();
    for task in fs::read_dir(format!("/proc/{pid}/task")).expect("its threads").flatten() {
        let status = fs::read_to_string(task.path().join("status")).expect("its status");
        let line = |name: &str| -> Vec<String> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the line");
            line.split_whitespace().map(str::to_owned).collect()
        };
        assert_eq!(line("Uid:"), vec![account.uid.to_string(); 4]);
        assert_eq!(line("Gid:"), vec![account.gid.to_string(); 4]);
        assert!(!line("Groups:").contains(&"0".to_owned()), "root's groups are gone");
        assert_eq!(line("NoNewPrivs:"), ["1"]);
        assert_eq!(line("CapEff:"), ["0000000000000000"]);
        assert_eq!(line("CapPrm:"), ["0000000000000000"]);
    }

    let client = Client::log_in(&up.url).await;
    let loaded = client.trigger(&config(&folder, "in"), None).await;
    assert_eq!(client.wait_until_finished(&loaded).await["state"], "succeeded");
    let refused = client.trigger(&config(&folder, "closed/people.csv"), None).await;
    let refused = client.wait_until_finished(&refused).await;
    assert_eq!((&refused["state"], &refused["error_code"]), (&json!("failed"), &json!("source_unreadable")));
    let next_step = refused["next_step"].as_str().expect("a next step");
    assert!(next_step.contains(&format!("`{}`", account.name)), "{next_step}");

    // Commands that root runs on the same folder leave nothing behind that the server cannot use.
    let data = folder.path().join("data").display().to_string();
    let said = run(elt(&folder, &["user", "list", "--data-dir", &data]));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    folder.write("people.yaml", &config(&folder, "in").replace("people", "others").replace("in/others", "in"));
    let said = run(elt(&folder, &["run", "--once", "people.yaml"]));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(found(Path::new(&data), &|metadata| metadata.uid() == 0), [""; 0]);
    let said = up.stop();
    assert!(said.contains(&format!("started as root: elt runs as `{}`", account.name)), "{said}");
    let audit = run(elt(&folder, &["audit", "export"]));
    let first = audit.stdout.lines().find(|line| line.contains("elt first start")).expect("the row of the first start");
    let first: serde_json::Value = serde_json::from_str(first).expect("JSON");
    assert_eq!(first["actor"], "cli:root", "the account that started elt, not the one it runs as");
}

#[tokio::test]
async fn every_file_of_a_data_folder_is_for_its_account_alone() {
    let folder = Folder::new();
    folder.write("in/people.csv", "id\n1\n");
    let up: Up = up(&folder, &[]);
    let client = Client::log_in(&up.url).await;
    let run = client.trigger(&config(&folder, "in"), None).await;
    assert_eq!(client.wait_until_finished(&run).await["state"], "succeeded");

    let data = folder.path().join("data");
    let mode = |name: &str| {
        let metadata = data.join(name).symlink_metadata().unwrap_or_else(|error| panic!("{name}: {error}"));
        metadata.mode() & 0o777
    };
    // Folders that root makes may be passed through, because PostgreSQL may run as another account.
    let passed = if geteuid().is_root() { 0o711 } else { 0o700 };
    let expected = BTreeMap::from([
        ("", passed),
        ("elt.log", 0o600),
        ("keys.json", 0o600),
        ("output", 0o700),
        ("output/deep", 0o700),
        ("output/deep/people.csv", 0o600),
        ("postgres", 0o700),
        ("postgres/data", 0o700),
        ("postgres/gate.lock", 0o600),
        ("postgres/in_use.lock", 0o600),
        ("postgres/passwords.json", 0o600),
        ("postgres/port", 0o600),
        ("spool", 0o700),
    ]);
    for (name, wanted) in &expected {
        assert_eq!(mode(name), *wanted, "{name}: {:o}", mode(name));
    }
    let open = found(&data, &|metadata| !metadata.is_symlink() && metadata.mode() & 0o077 != 0);
    assert_eq!(open, [""; 0], "nothing below the data folder is open to others");
    up.stop();
}

#[test]
fn root_stays_root_only_when_it_says_so() {
    if !geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    let up = up(&folder, &[("ELT_ALLOW_ROOT", "true")]);
    let status = fs::read_to_string(format!("/proc/{}/status", up.process.pid())).expect("its status");
    assert!(status.contains("Uid:\t0\t0\t0\t0"), "{status}");
    let said = up.stop();
    assert!(said.contains("warning: elt runs as root"), "{said}");
}

#[test]
fn a_folder_that_is_not_elts_is_not_given_away() {
    if !geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    folder.write("data/thesis.txt", "mine");
    let said = run(elt(&folder, &["up", "--listen", "127.0.0.1:0"]));
    assert_eq!(said.code, Some(78), "{}", said.stderr);
    assert!(said.stderr.contains("belongs to root and is not a data folder of elt"), "{}", said.stderr);
    for path in ["data", "data/thesis.txt"] {
        assert_eq!(folder.path().join(path).metadata().expect("it").uid(), 0, "{path}");
    }
    assert_eq!(fs::read_dir(folder.path().join("data")).expect("a folder").count(), 1);
}

#[test]
fn what_links_in_a_data_folder_lead_to_stays_roots() {
    if !geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    let secret = folder.write("outside/secret", "root's");
    folder.write("data/output/mine.csv", "id\n");
    fs::hard_link(&secret, folder.path().join("data/output/hard.csv")).expect("a link");
    symlink(&secret, folder.path().join("data/output/link.csv")).expect("a link");
    symlink(folder.path().join("outside"), folder.path().join("data/spool")).expect("a link");
    let up = up(&folder, &[]);
    let owner = |path: &str| folder.path().join(path).metadata().expect("it").uid();
    assert_eq!((owner("outside/secret"), owner("outside")), (0, 0));
    assert_eq!(owner("data/output/mine.csv"), account().uid.as_raw());
    up.stop();
}

#[test]
fn an_account_that_cannot_be_used_is_named() {
    let folder = Folder::new();
    let refused = |arguments: &[&str], name: &str| {
        let mut command = elt(&folder, &["worker"]);
        command
            .args(arguments)
            .env("ELT_RUN_AS", name)
            .env("DATABASE_URL", "postgres://elt@127.0.0.1:1/elt")
            .env("ELT_SECRET_KEY", "a secret key of the tests, at least 32 bytes");
        run(command)
    };
    let cases = match geteuid().is_root() {
        true => vec![
            ("nobody-of-that-name", "has no account `nobody-of-that-name`"),
            ("root", "the account `root` is root"),
        ],
        false => vec![("nobody-of-that-name", "only root can start elt as another account")],
    };
    for (name, expected) in cases {
        let said = refused(&[], name);
        assert_eq!(said.code, Some(78), "{}", said.stderr);
        assert!(said.stderr.contains(expected) && said.stderr.contains("what to do"), "{}", said.stderr);
    }
    assert_eq!(refused(&["--allow-root"], "nobody").code, Some(64), "the one or the other");
}
