//! A backup is an installation elsewhere.

use std::os::unix::fs::PermissionsExt;

use elt_cluster::Cluster;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::support::client::Client;
use crate::support::{Folder, Said, elt, run, servers_in, up};

const YAML: &str =
    "sources: [{type: local, path: in, settle_seconds: 0}]\ntarget: {table: people}\nmonitor: {enabled: false}\n";

/// An installation with one table of three rows, and a backup of it.
async fn backed_up() -> Folder {
    let folder = Folder::new();
    folder.write("in/a.csv", "id,name\n1,Ann\n2,Bob\n3,Cy\n");
    let started = up(&folder, &[("ELT_FS_ROOTS", folder.path().to_str().expect("UTF-8"))]);
    load(&started.url, &folder).await;
    let said = run(elt(&folder, &["backup", "one.tar"]));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.contains("not in it:") && said.stdout.contains("keys.json"), "{}", said.stdout);
    started.stop();
    folder
}

/// Loads the file of a folder. Returns how many new rows there were.
async fn load(url: &str, folder: &Folder) -> serde_json::Value {
    let client = Client::log_in(url).await;
    let run = client.trigger(&YAML.replace("path: in", &format!("path: {}/in", folder.path().display())), None).await;
    let run = client.wait_until_finished(&run).await;
    assert_eq!(run["state"], "succeeded", "{run}");
    run["report"]["rows"]["inserted"].clone()
}

fn restore(folder: &Folder, backup: &std::path::Path) -> Said {
    run(elt(folder, &["restore", backup.to_str().expect("UTF-8")]))
}

#[tokio::test]
async fn a_backup_of_a_running_installation_is_one_elsewhere() {
    let folder = backed_up().await;
    let file = folder.path().join("one.tar");
    let permissions = file.metadata().expect("the file").permissions();
    assert_eq!(permissions.mode() & 0o777, 0o600);
    let before = std::fs::read(&file).expect("the file");
    let again = run(elt(&folder, &["backup", "one.tar"]));
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    assert!(again.stderr.contains("one.tar exists already"), "{}", again.stderr);
    assert_eq!(std::fs::read(&file).expect("the file"), before);
    let files = std::fs::read_dir(folder.path()).expect("the folder").flatten().map(|entry| entry.file_name());
    let unfinished = files.filter(|name| name.to_string_lossy().starts_with(".elt-backup"));
    assert_eq!(unfinished.count(), 0);

    let elsewhere = Folder::new();
    let said = restore(&elsewhere, &file);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.contains("put the keys of the installation here"), "{}", said.stdout);
    assert_eq!(servers_in(&elsewhere), Vec::<i32>::new());
    let keys = std::fs::read_to_string(folder.path().join("data/keys.json")).expect("the keys");
    elsewhere.write("data/keys.json", &keys);
    let started = up(&elsewhere, &[("ELT_FS_ROOTS", folder.path().to_str().expect("UTF-8"))]);
    let client = Client::log_in(&started.url).await;
    let runs = client.get("/runs").await;
    assert_eq!(runs["items"].as_array().map(Vec::len), Some(1), "{runs}");
    assert_eq!(load(&started.url, &folder).await, json!(0), "the rows are there already");
    started.stop();

    let again = restore(&elsewhere, &file);
    assert_eq!(again.code, Some(78), "{}", again.stderr);
    assert!(again.stderr.contains("already holds a private PostgreSQL"), "{}", again.stderr);
}

#[tokio::test]
async fn an_interrupted_restore_is_used_by_nothing_and_starts_over() {
    let folder = backed_up().await;
    let file = folder.path().join("one.tar");
    let elsewhere = Folder::new();
    assert_eq!(restore(&elsewhere, &file).code, Some(0));
    // As if the process had been killed.
    elsewhere.write("data/postgres/restoring", "");
    for arguments in [&["user", "list"][..], &["up", "--listen", "127.0.0.1:0"], &["migrate"]] {
        let said = run(elt(&elsewhere, arguments));
        assert_ne!(said.code, Some(0), "{arguments:?}");
        assert!(said.stderr.contains("did not come to its end"), "{arguments:?}: {}", said.stderr);
    }
    let said = restore(&elsewhere, &file);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(run(elt(&elsewhere, &["user", "list"])).code, Some(0));
}

#[tokio::test]
async fn a_damaged_backup_is_refused_before_anything_is_changed() {
    let folder = backed_up().await;
    let file = folder.path().join("one.tar");
    let whole = std::fs::read(&file).expect("the file");
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    for damaged in [changed, whole[..whole.len() - 4_000].to_vec(), b"no backup".to_vec()] {
        std::fs::write(&file, damaged).expect("wrote");
        let elsewhere = Folder::new();
        let said = restore(&elsewhere, &file);
        assert_eq!(said.code, Some(1), "{}", said.stderr);
        assert!(said.stderr.contains("one.tar cannot be restored"), "{}", said.stderr);
        assert!(!elsewhere.path().join("data/postgres").exists());
    }
}

#[tokio::test]
async fn a_database_of_ones_own_is_backed_up_and_an_empty_one_is_filled() {
    let folder = backed_up().await;
    let cluster = Cluster::start(&folder.path().join("data"), None).await.expect("started the cluster");
    let mut superuser = PgConnection::connect(cluster.superuser_url().expose()).await.expect("connected");
    for name in ["second", "third"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("create database {name} owner elt_owner")))
            .execute(&mut superuser)
            .await
            .expect("made a database");
    }
    let url = |name: &str| cluster.control_url().expose().replace("/elt?", &format!("/{name}?"));
    let on = |name: &str, arguments: &[&str]| {
        let mut command = elt(&folder, arguments);
        command.env("DATABASE_URL", url(name));
        run(command)
    };

    let said = on("second", &["restore", "one.tar"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stderr.contains("not restored into DATABASE_URL"), "{}", said.stderr);
    let said = on("second", &["restore", "one.tar"]);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("is not empty"), "{}", said.stderr);
    let said = on("second", &["backup", "two.tar"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.contains("targets, also the default one"), "{}", said.stdout);
    let said = on("third", &["restore", "two.tar"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let users = on("third", &["user", "list"]);
    assert!(users.stdout.starts_with("admin "), "{}{}", users.stdout, users.stderr);
    superuser.close().await.expect("closed");
    cluster.stop().await.expect("stopped the cluster");
}
