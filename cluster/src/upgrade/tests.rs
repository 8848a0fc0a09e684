//! Upgrades with the server programs of this machine. Both versions are the same here, which takes the same way.

use std::os::unix::fs::PermissionsExt;

use sqlx::PgConnection;
use tempfile::TempDir;

use super::*;
use crate::Cluster;

fn data_dir() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711)).unwrap();
    folder
}

async fn connect(url: &str) -> PgConnection {
    use sqlx::Connection;
    PgConnection::connect(url).await.unwrap()
}

async fn execute(db: &mut PgConnection, statements: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned())).execute(db).await.unwrap();
}

/// A cluster with rows, and a role and a database that its operator made.
async fn fill(data_dir: &Path) {
    let cluster = Cluster::start(data_dir, None).await.unwrap();
    execute(
        &mut connect(cluster.target_url().expose()).await,
        "create schema \"odd \"\"name\"; create table \"odd \"\"name\".\"Tab le\" (id bigint primary key, text text);
         insert into \"odd \"\"name\".\"Tab le\" select n, repeat('x', n % 300) from generate_series(1, 20000) n;
         create sequence counted; select nextval('counted') from generate_series(1, 41)",
    )
    .await;
    execute(
        &mut connect(cluster.control_url().expose()).await,
        "create table kept as select 7 as seven; grant select on kept to elt_reader",
    )
    .await;
    execute(
        &mut connect(cluster.superuser_url().expose()).await,
        "create role ann login password 'her password' connection limit 3; grant elt_reader to ann;
         alter role ann set search_path = 'elt', 'public'; alter role ann set statement_timeout = '7s';",
    )
    .await;
    execute(
        &mut connect(cluster.superuser_url().expose()).await,
        "do $$ begin
             if current_setting('server_version_num')::int >= 160000 then
                 execute 'grant elt_api to ann with inherit false, set false';
             end if;
         end $$",
    )
    .await;
    execute(&mut connect(cluster.superuser_url().expose()).await, "create database \"her own\" owner ann").await;
    cluster.stop().await.unwrap();
}

async fn assert_is_whole(data_dir: &Path) {
    let cluster = Cluster::start(data_dir, None).await.unwrap();
    let mut db = connect(cluster.target_url().expose()).await;
    let rows: (i64, i64) = sqlx::query_as("select count(*), sum(length(text)) from \"odd \"\"name\".\"Tab le\"")
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert_eq!(rows.0, 20_000);
    let last: i64 = sqlx::query_scalar("select last_value from counted").fetch_one(&mut db).await.unwrap();
    assert_eq!(last, 41);
    let login = format!("postgres://ann:her%20password@127.0.0.1:{}/", cluster.port());
    let mut db = connect(&format!("{login}elt?sslmode=disable")).await;
    let found: (i32, String, String) = sqlx::query_as(
        "select (select seven from public.kept), current_setting('search_path'), current_setting('statement_timeout')",
    )
    .fetch_one(&mut db)
    .await
    .unwrap();
    assert_eq!(found, (7, "elt, public".into(), "7s".into()));
    let has_more: bool = sqlx::query_scalar(
        "select coalesce(bool_or((to_jsonb(m) ->> 'inherit_option')::boolean or (to_jsonb(m) ->> 'set_option')::boolean),
                         false)
         from pg_auth_members m where m.member = 'ann'::regrole and m.roleid = 'elt_api'::regrole",
    )
    .fetch_one(&mut db)
    .await
    .unwrap();
    assert!(!has_more, "a membership without the rights of its role stays one");
    execute(&mut connect(&format!("{login}her%20own?sslmode=disable")).await, "create schema if not exists mine").await;
    cluster.stop().await.unwrap();
}

/// Copies the cluster to one of the same version. Returns the folder and what was said.
async fn copy(data_dir: &Path) -> (Folder, u32, Vec<String>) {
    let folder = Folder::open(data_dir, Account::of_the_server(data_dir).unwrap()).unwrap();
    let version = folder.version().unwrap().unwrap();
    let programs = async || programs::find(None, Some(version)).await.unwrap();
    let tools = DumpTools::for_dump(None, version).await.unwrap();
    let said = std::sync::Mutex::new(Vec::new());
    let say = |line: &str| said.lock().unwrap().push(line.to_owned());
    let passwords = folder.passwords().unwrap();
    let (old, new) = (programs().await, programs().await);
    Upgrade { old, new, tools, folder: &folder, passwords, say: &say }.make_new_cluster().await.unwrap();
    (folder, version, said.into_inner().unwrap())
}

#[tokio::test]
async fn everything_of_a_cluster_is_in_its_successor_and_the_old_one_is_kept() {
    let data_dir = data_dir();
    fill(data_dir.path()).await;
    let (folder, version, said) = copy(data_dir.path()).await;
    assert!(said.iter().any(|line| line == "copying the database her own"), "{said:?}");

    let kept = exchange::begin(&folder, version).unwrap();

    assert!(kept.ends_with(format!("data-{version}")) && kept.join("PG_VERSION").is_file());
    assert_is_whole(data_dir.path()).await;
    let (folder, version, _) = copy(data_dir.path()).await;
    let kept = exchange::begin(&folder, version).unwrap();
    assert!(kept.ends_with(format!("data-{version}.2")), "an older one is not overwritten: {}", kept.display());
    assert_is_whole(data_dir.path()).await;
}

#[tokio::test]
async fn an_upgrade_that_ended_anywhere_leaves_a_whole_cluster() {
    let data_dir = data_dir();
    fill(data_dir.path()).await;
    let (folder, version, _) = copy(data_dir.path()).await;
    // Ended behind the copy: the old cluster is the one that counts, and the next upgrade starts over.
    assert_is_whole(data_dir.path()).await;

    // Ended while the new server was running.
    let new = folder.with(Names::UPGRADE_TO);
    let programs = programs::find(None, Some(version)).await.unwrap();
    server::start_with(&new, &folder.passwords().unwrap(), &programs, &[]).await.unwrap();
    let pid = server::pid(&new).unwrap();
    let (folder, ..) = copy(data_dir.path()).await;
    assert_ne!(server::pid(&new), Some(pid));

    // Ended while both servers were running: the old one is read-only, and nothing may go on with it.
    let old = folder.with(Names::UPGRADE_FROM);
    for (server, settings) in [(&old, &["default_transaction_read_only=on"][..]), (&new, &[])] {
        server::start_with(server, &folder.passwords().unwrap(), &programs, settings).await.unwrap();
    }
    assert_is_whole(data_dir.path()).await;
    for left in [old.port_file(), new.port_file(), new.data()] {
        assert!(!left.exists(), "{}", left.display());
    }
    let (folder, ..) = copy(data_dir.path()).await;

    // Ended before the first rename, and between the two.
    folder.write(&folder.beside("exchange"), "data-kept").unwrap();
    fs::rename(folder.data(), folder.beside("data-kept")).unwrap();
    assert!(Cluster::exists(data_dir.path()), "no command may make an empty cluster now");
    assert_is_whole(data_dir.path()).await;
    assert!(!folder.beside("exchange").exists() && !new.data().exists());

    // Ended behind both.
    folder.write(&folder.beside("exchange"), "data-kept").unwrap();
    assert_is_whole(data_dir.path()).await;
}

#[tokio::test]
async fn a_cluster_in_use_of_the_newest_version_or_missing_is_left_alone() {
    let data_dir = data_dir();
    let silent = |_: &str| {};
    let missing = upgrade(data_dir.path(), ProgramFolders::default(), &silent).await.unwrap_err();
    assert_eq!(missing.code().as_str(), "no_cluster");
    let cluster = Cluster::start(data_dir.path(), None).await.unwrap();
    let newest = upgrade(data_dir.path(), ProgramFolders::default(), &silent).await.unwrap();
    assert!(matches!(newest, Upgraded::UpToDate { version } if version >= 15));
    let version = cluster.folder.data().join("PG_VERSION");
    let made_by = fs::read_to_string(&version).unwrap();
    fs::write(&version, "14\n").unwrap();
    let used = upgrade(data_dir.path(), ProgramFolders::default(), &silent).await.unwrap_err();
    assert_eq!(used.code().as_str(), "cluster_in_use");
    fs::write(&version, made_by).unwrap();
    cluster.stop().await.unwrap();
}
