//! The private cluster with the real server programs of this machine.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use super::*;

fn data_dir() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

async fn connect(url: Secret) -> sqlx::Result<PgConnection> {
    PgConnection::connect(url.expose()).await
}

#[tokio::test]
async fn the_last_process_that_leaves_stops_the_server_and_the_data_stays() {
    let folder = data_dir();
    let first = Cluster::start(folder.path(), None).await.unwrap();
    let second = Cluster::start(folder.path(), None).await.unwrap();
    assert_eq!(first.server_pid(), second.server_pid());
    let port = first.port();
    let mut db = connect(first.control_url()).await.unwrap();
    sqlx::query("create table kept as select 1 as one").execute(&mut db).await.unwrap();

    first.stop().await.unwrap();
    connect(second.control_url()).await.expect("the second process still uses the server");
    second.stop().await.unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "the last one out stops the server");

    let third = Cluster::start(folder.path(), None).await.unwrap();
    assert_eq!(third.port(), port, "the port stays as well");
    let mut db = connect(third.control_url()).await.unwrap();
    sqlx::query("select one from kept").fetch_one(&mut db).await.unwrap();
    third.stop().await.unwrap();
}

#[tokio::test]
async fn the_target_role_owns_its_database_and_may_enter_no_other() {
    let folder = data_dir();
    let cluster = Cluster::start(folder.path(), None).await.unwrap();

    let mut db = connect(cluster.target_url()).await.unwrap();
    sqlx::query("create table of_mine (id int)").execute(&mut db).await.unwrap();
    sqlx::query("create role more").execute(&mut db).await.expect_err("no rights beyond its database");
    let elsewhere = cluster.target_url().expose().replace("/elt_db?", "/elt?");
    let refused = PgConnection::connect(&elsewhere).await.unwrap_err().to_string();
    assert!(refused.contains("permission denied for database \"elt\""), "{refused}");

    for database in ["postgres", "template1"] {
        let elsewhere = cluster.target_url().expose().replace("/elt_db?", &format!("/{database}?"));
        PgConnection::connect(&elsewhere).await.expect_err(database);
        let elsewhere = cluster.api_url().expose().replace("/elt?", &format!("/{database}?"));
        PgConnection::connect(&elsewhere).await.expect_err(database);
    }

    let limit: i32 = sqlx::query_scalar("select rolconnlimit from pg_roles where rolname = current_user")
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert_eq!(limit, 64, "loads and data views leave connections to the control database");
    let guess = cluster.control_url().expose().replace(cluster.passwords.control.expose(), "guess");
    let refused = PgConnection::connect(&guess).await.unwrap_err().to_string();
    assert!(refused.contains("password authentication failed"), "{refused}");
    let passwords = cluster.folder.beside("passwords.json").metadata().unwrap();
    assert_eq!(passwords.mode() & 0o777, 0o600);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_cluster_of_an_older_release_is_mended_at_the_next_start() {
    let folder = data_dir();
    let cluster = Cluster::start(folder.path(), None).await.unwrap();
    let mut db = connect(cluster.superuser_url()).await.unwrap();
    for statement in [
        "revoke all on database elt from elt_api, elt_worker",
        "drop role elt_api",
        "drop role elt_worker",
        "alter role elt_owner rename to elt",
        "grant connect, temporary on database postgres to public",
        "grant connect, temporary on database template1 to public",
    ] {
        sqlx::query(statement).execute(&mut db).await.expect(statement);
    }
    db.close().await.unwrap();
    let passwords = cluster.folder.beside("passwords.json");
    let mut old: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&passwords).unwrap()).unwrap();
    for added in ["api", "worker"] {
        old.as_object_mut().unwrap().remove(added);
    }
    std::fs::write(&passwords, old.to_string()).unwrap();
    cluster.stop().await.unwrap();

    let cluster = Cluster::start(folder.path(), None).await.unwrap();

    let mut db = connect(cluster.control_url()).await.unwrap();
    sqlx::query("create schema owned").execute(&mut db).await.expect("the owner still owns the control database");
    for url in [cluster.api_url(), cluster.worker_url()] {
        let mut db = connect(url).await.unwrap();
        sqlx::query("create schema other").execute(&mut db).await.expect_err("not the owner");
        sqlx::query("create table public.other ()").execute(&mut db).await.expect_err("not the owner");
    }
    let elsewhere = cluster.target_url().expose().replace("/elt_db?", "/postgres?");
    PgConnection::connect(&elsewhere).await.expect_err("postgres is for the superuser");
    let kept = std::fs::read_to_string(&passwords).unwrap();
    cluster.stop().await.unwrap();
    Cluster::start(folder.path(), None).await.unwrap().stop().await.unwrap();
    assert_eq!(std::fs::read_to_string(&passwords).unwrap(), kept, "passwords are made once");
}

#[tokio::test]
async fn a_killed_server_and_its_stale_pid_file_do_not_keep_the_next_one_from_starting() {
    let folder = data_dir();
    let cluster = Cluster::start(folder.path(), None).await.unwrap();
    let pid_file = cluster.folder.data().join("postmaster.pid");
    let pid = cluster.server_pid().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    drop(cluster);
    // The number in the file now belongs to a process that is no server: this one.
    let text = std::fs::read_to_string(&pid_file).unwrap();
    std::fs::write(&pid_file, text.replacen(&pid.to_string(), &std::process::id().to_string(), 1)).unwrap();

    let cluster = Cluster::start(folder.path(), None).await.unwrap();

    connect(cluster.control_url()).await.unwrap();
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_outlived_its_process_is_used_again() {
    let folder = data_dir();
    let cluster = Cluster::start(folder.path(), None).await.unwrap();
    let pid = cluster.server_pid();
    // As when the process is killed: the lock goes, the server stays.
    drop(cluster);

    let cluster = Cluster::start(folder.path(), None).await.unwrap();

    assert_eq!(cluster.server_pid(), pid);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_exchanged_for_a_free_one() {
    let folder = data_dir();
    let cluster = Cluster::start(folder.path(), None).await.unwrap();
    let port = cluster.port();
    cluster.stop().await.unwrap();
    // When this fails, somebody else has taken the port, which is the same to the cluster.
    let _occupier = TcpListener::bind(("127.0.0.1", port)).ok();

    let cluster = Cluster::start(folder.path(), None).await.unwrap();

    assert_ne!(cluster.port(), port);
    connect(cluster.control_url()).await.unwrap();
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named() {
    let folder = data_dir();
    std::fs::write(folder.path().join("postgres"), "a file where a folder should be").unwrap();

    let error = Cluster::start(folder.path(), None).await.unwrap_err();

    assert_eq!(error.code(), "folder_unusable");
    assert_eq!(error.to_string(), format!("could not create {}/postgres", folder.path().display()));
    assert!(error.next_step().contains("--data-dir"));
}

#[tokio::test]
async fn a_cluster_of_another_version_names_the_one_it_needs() {
    let folder = data_dir();
    let data = folder.path().join("postgres/data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("PG_VERSION"), "9\n").unwrap();

    let error = Cluster::start(folder.path(), None).await.unwrap_err();

    let message = error.to_string();
    assert!(message.starts_with("no PostgreSQL server of version 9, which made this cluster, was found"), "{message}");
    let next_step = error.next_step();
    assert!(next_step.starts_with("Install PostgreSQL 9 beside") && !next_step.contains("or newer"), "{next_step}");
}
