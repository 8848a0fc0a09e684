//! Which database a command works on: only the one that was named.

use std::process::Command;

use crate::support::{Folder, elt, run, servers_in, up};

const RUN: &str = "01a21567-d506-7000-8000-000000000000";
/// Every command that needs an existing control database.
const OTHERS: [&[&str]; 6] = [
    &["user", "list"],
    &["migrate"],
    &["report", RUN],
    &["coverage", "import", "coverage.json"],
    &["serve", "--listen", "127.0.0.1:0"],
    &["worker"],
];
const KEY: &str = "a key of more than thirty-two bytes";

fn folder() -> Folder {
    let folder = Folder::new();
    let lines = r#"{"count": 2, "covered": 1}"#;
    let file = format!(r#"{{"filename": "a.rs", "summary": {{"lines": {lines}}}}}"#);
    let totals = format!(r#"{{"lines": {lines}}}"#);
    folder.write(
        "coverage.json",
        &format!(r#"{{"version": "2.0.1", "data": [{{"totals": {totals}, "files": [{file}]}}]}}"#),
    );
    folder
}

/// The command with both keys, so that only the database is missing.
fn with_keys(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = elt(folder, arguments);
    command.env("ELT_JWT_KEY", KEY).env("ELT_SECRET_KEY", KEY).env("HOME", folder.path());
    command
}

#[test]
fn a_command_without_a_database_says_what_to_set_and_makes_nothing() {
    let folder = folder();
    for arguments in OTHERS {
        let mut command = with_keys(&folder, arguments);
        command.env_remove("ELT_DATA_DIR").env_remove("XDG_DATA_HOME");
        let said = run(command);
        assert_eq!(said.code, Some(78), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains("error: DATABASE_URL is not set"), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains("Set DATABASE_URL to the control database"), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains("--data-dir"), "{arguments:?}: {}", said.stderr);

        let said = run(with_keys(&folder, arguments));
        assert_eq!(said.code, Some(78), "{arguments:?}: {}", said.stderr);
        let place = folder.path().join("data").display().to_string();
        let refusal = format!("DATABASE_URL is not set, and {place} holds no database of `elt up`");
        assert!(said.stderr.contains(&refusal), "{arguments:?}: {}", said.stderr);
        assert!(!folder.path().join("data").exists(), "{arguments:?} made the data folder");
    }
}

#[test]
fn a_server_that_lacks_database_and_keys_names_both() {
    let folder = Folder::new();
    let mut command = elt(&folder, &["serve"]);
    command.env_remove("ELT_DATA_DIR").env_remove("XDG_DATA_HOME").env("HOME", folder.path());
    let said = run(command);
    assert_eq!(said.code, Some(78), "{}", said.stderr);
    assert!(said.stderr.contains("DATABASE_URL is not set"), "{}", said.stderr);
}

#[test]
fn an_empty_variable_is_an_error_that_names_it() {
    let folder = folder();
    for (arguments, variable, value) in [
        (&["user", "list"][..], "DATABASE_URL", ""),
        (&["migrate"], "DATABASE_URL", ""),
        (&["up", "--listen", "127.0.0.1:0"], "DATABASE_URL", ""),
        (&["plan", "config.yaml"], "DATABASE_URL", " \t"),
        (&["up", "--listen", "127.0.0.1:0"], "ELT_JWT_KEY", ""),
        (&["serve"], "ELT_SECRET_KEY", ""),
        (&["worker"], "ELT_SECRET_KEY", ""),
        (&["up"], "ELT_ADMIN_PASSWORD", ""),
        (&["up"], "ELT_USER_PASSWORD", "  "),
        (&["up"], "ELT_TARGET_URL", ""),
        (&["run", "config.yaml"], "ELT_DATA_DIR", ""),
        (&["run", "config.yaml"], "PG_BIN", ""),
        (&["run", "config.yaml"], "ELT_ENV_ALLOW", ""),
        (&["worker"], "ELT_FS_ROOTS", ""),
        (&["worker"], "ELT_CONCURRENCY", ""),
        (&["worker"], "ELT_QUEUE", ""),
        (&["worker"], "ELT_MONITOR_INTERVAL", ""),
        (&["up"], "ELT_LISTEN", ""),
        (&["up"], "ELT_CORS_ORIGINS", ""),
        (&["up"], "ELT_TRUSTED_PROXIES", ""),
        (&["up"], "ELT_NET_DENY", ""),
        (&["report", RUN], "ELT_LOG", ""),
        (&["report", RUN], "ELT_LOG_FORMAT", ""),
        (&["serve"], "OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        (&["user", "add", "eve"], "ELT_DATA_DIR", ""),
    ] {
        let mut command = elt(&folder, arguments);
        command.env(variable, value);
        let said = run(command);
        assert_eq!(said.code, Some(78), "{arguments:?} {variable}: {}", said.stderr);
        let refusal = format!("error: the environment variable {variable} is set, but empty\n");
        assert!(said.stderr.starts_with(&refusal), "{arguments:?} {variable}: {}", said.stderr);
        assert!(!folder.path().join("data").exists(), "{arguments:?} {variable}");
    }
    assert_eq!(run(elt(&folder, &["user", "list", "--database-url", ""])).code, Some(64));
    let mut command = elt(&folder, &["user", "--help"]);
    command.env("DATABASE_URL", "");
    assert_eq!(run(command).code, Some(0));
}

#[test]
fn a_command_names_the_cluster_of_the_given_data_folder_and_leaves_it_stopped() {
    let folder = folder();
    up(&folder, &[]).stop();
    let said = run(elt(&folder, &["user", "list"]));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.starts_with("admin "), "{}", said.stdout);
    let place = folder.path().join("data").display().to_string();
    assert!(said.stderr.contains(&format!("control database: the private PostgreSQL in {place}")), "{}", said.stderr);
    assert_eq!(servers_in(&folder), Vec::<i32>::new());

    let mut command = elt(&folder, &["user", "list", "--data-dir", &place]);
    command.env_remove("ELT_DATA_DIR");
    assert_eq!(run(command).code, Some(0));
    assert_eq!(run(elt(&folder, &["migrate"])).code, Some(0));
    let said = run(elt(&folder, &["report", RUN]));
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("there is no run "), "{}", said.stderr);
}

#[test]
fn the_given_database_is_named_without_its_password() {
    let folder = Folder::new();
    let mut command = elt(&folder, &["migrate"]);
    command.env("DATABASE_URL", "postgres://elt:hunter2@127.0.0.1:1/control");
    let said = run(command);
    assert!(said.stderr.starts_with("control database: control at 127.0.0.1:1\n"), "{}", said.stderr);
    assert!(!said.stderr.contains("hunter2"), "{}", said.stderr);
}

#[test]
fn a_missing_temporary_folder_is_not_told_as_a_target_that_cannot_be_reached() {
    let folder = Folder::new();
    folder.write("people.yaml", "sources: [{type: local, settle_seconds: 0, path: in}]\ntarget: {table: people}\n");
    folder.write("in/a.csv", "id\n1\n");
    let missing = folder.path().join("missing");
    for arguments in [&["run", "--once", "people.yaml"][..], &["check", "--connect", "people.yaml"]] {
        let mut command = elt(&folder, arguments);
        command.env("TMPDIR", &missing);
        let said = run(command);
        let told = format!("{}{}", said.stdout, said.stderr);
        assert!(!matches!(said.code, Some(0)), "{arguments:?}: {told}");
        assert!(told.contains(&format!("temporary folder {}", missing.display())), "{arguments:?}: {told}");
        assert!(!told.contains("cannot be reached") && !told.contains("target was lost"), "{arguments:?}: {told}");
        assert!(told.contains("its path has at most 70 characters"), "{arguments:?}: {told}");
    }
}
