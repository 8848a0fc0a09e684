//! Secrets in files: `NAME_FILE` in place of `NAME`, and what the machine's other accounts can see of a process.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Folder, Running, elt, run, server_processes};

const PASSWORD: &str = "canary horse battery";
const KEY: &str = "canary-f3Qz81LmVt60xKpWc7uRd2YhN9sAe5Bj";

/// Every secret setting of `elt up`, and a value it takes.
const SECRETS: [(&str, &str); 3] =
    [("ELT_ADMIN_PASSWORD", PASSWORD), ("ELT_USER_PASSWORD", "canary staple battery"), ("ELT_JWT_KEY", KEY)];

fn secret(folder: &Folder, name: &str, content: &str) -> String {
    folder.write(name, content);
    let path = folder.path().join(name);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set the mode");
    path.display().to_string()
}

fn of_process(pid: i32, file: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).expect("read the process's entry");
    String::from_utf8_lossy(&bytes).replace('\0', "\n")
}

#[test]
fn secrets_in_files_are_in_no_process_list_and_no_environment() {
    let folder = Folder::new();
    let mut command = elt(&folder, &["up", "--listen", "127.0.0.1:0"]);
    for (name, value) in SECRETS {
        command.env(format!("{name}_FILE"), secret(&folder, name, &format!("{value}\n")));
    }
    let mut up = Running::start(command);
    let url = up.wait_for("dashboard").split_whitespace().last().expect("a URL").replace("/ui/", "");
    up.wait_for("with the password you gave");

    let mut processes = server_processes(&folder);
    assert!(!processes.is_empty(), "the private PostgreSQL runs");
    processes.push(up.pid().as_raw());
    for pid in processes {
        let seen = of_process(pid, "cmdline") + &of_process(pid, "environ");
        assert!(!seen.contains("canary"), "process {pid}: {seen}");
    }

    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for (user, password) in [("admin", PASSWORD), ("user", "canary staple battery")] {
        let body = serde_json::json!({ "username": user, "password": password });
        let answer = reqwest::Client::new().post(format!("{url}/auth/login")).json(&body).send();
        assert_eq!(runtime.block_on(answer).expect("an answer").status(), 200, "{user}");
    }
    assert!(!up.said.contains("canary"), "{}", up.said);
}

#[test]
fn the_private_server_inherits_no_secret_of_the_environment() {
    let folder = Folder::new();
    let mut command = elt(&folder, &["up", "--listen", "127.0.0.1:0"]);
    command.envs(SECRETS).env("PGPASSWORD", "canary").env("SHOP_TOKEN", "canary").env("ELT_ENV_ALLOW", "SHOP_TOKEN");
    let mut up = Running::start(command);
    up.wait_for("Ctrl-C stops it");
    for pid in server_processes(&folder) {
        let environment = of_process(pid, "environ");
        assert!(!environment.contains("canary"), "process {pid}: {environment}");
    }
}

#[test]
fn a_file_that_gives_no_secret_is_refused_before_anything_is_made() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let empty = secret(&folder, "empty", "\n");
    let large = secret(&folder, "large", &"x".repeat(70_000));
    let url = secret(&folder, "url", "postgres://elt:canary@127.0.0.1:1/elt");
    let own = folder.path().display().to_string();
    for (arguments, settings, problem) in [
        (&["up"][..], &[("ELT_JWT_KEY_FILE", path("missing"))][..], "but the file does not exist"),
        (&["up"], &[("ELT_ADMIN_PASSWORD_FILE", own.clone())], "but it is not a regular file"),
        (&["user", "list"], &[("DATABASE_URL_FILE", empty)], "but it is empty"),
        (&["worker"], &[("ELT_TARGET_URL_FILE", large.clone())], "but it is larger than 64 KiB"),
        (&["worker"], &[("ELT_SECRET_KEY_FILE", large)], ": it is larger than 64 KiB"),
        (&["user", "add", "eve"], &[("ELT_SECRET_KEY_FILE", own.clone())], ": it is not a regular file"),
        (&["up"], &[("ELT_USER_PASSWORD_FILE", String::new())], "ELT_USER_PASSWORD_FILE is set, but empty"),
        (
            &["migrate"],
            &[("DATABASE_URL_FILE", url.clone()), ("DATABASE_URL", "postgres://elt@127.0.0.1:1/elt".into())],
            "DATABASE_URL and DATABASE_URL_FILE are both given",
        ),
        (
            &["user", "list", "--database-url", "postgres://elt@127.0.0.1:1/elt"],
            &[("DATABASE_URL_FILE", url)],
            "--database-url and DATABASE_URL_FILE are both given",
        ),
    ] {
        let mut command = elt(&folder, arguments);
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        let said = run(command);
        assert_eq!(said.code, Some(78), "{settings:?}: {}", said.stderr);
        assert!(said.stderr.contains(problem), "{settings:?}: {}", said.stderr);
        assert!(!said.stderr.contains("canary"), "{}", said.stderr);
        assert!(!folder.path().join("data").exists(), "{settings:?}");
    }
}

#[test]
fn a_database_url_in_a_file_is_used_by_commands_with_commands_of_their_own() {
    let folder = Folder::new();
    let file = secret(&folder, "url", "postgres://elt:canary@127.0.0.1:1/elt\n");
    for arguments in [&["user", "list"][..], &["user", "add", "--", "eve"], &["migrate"]] {
        let mut command = elt(&folder, arguments);
        command.env("DATABASE_URL_FILE", &file);
        // `elt user` signs its rows of the audit.
        command.env("ELT_SECRET_KEY", "Tn4vQ8kZ1rXw6bYc3mLs9dHf2gJp5aEu");
        let said = run(command);
        assert_eq!(said.code, Some(69), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains("127.0.0.1:1") && !said.stderr.contains("canary"), "{}", said.stderr);
    }
}

#[test]
fn secrets_that_others_can_see_are_warned_of() {
    let folder = Folder::new();
    let said = run(elt(&folder, &["user", "list", "--database-url", "postgres://elt:canary@127.0.0.1:1/elt"]));
    assert!(said.stderr.contains("warning: --database-url shows in the process list"), "{}", said.stderr);
    let said = run(elt(&folder, &["user", "list", "--database-url", "postgres://elt@127.0.0.1:1/elt"]));
    assert!(!said.stderr.contains("warning"), "{}", said.stderr);
    let said = run(elt(&folder, &["serve", "--jwt-key", KEY]));
    assert!(said.stderr.contains("warning: --jwt-key shows in the process list"), "{}", said.stderr);
    assert!(said.stderr.contains("set ELT_JWT_KEY_FILE") && !said.stderr.contains("canary"), "{}", said.stderr);

    let file = secret(&folder, "url", "postgres://elt:canary@127.0.0.1:1/elt");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("set the mode");
    let mut command = elt(&folder, &["user", "list"]);
    command.env("DATABASE_URL_FILE", &file);
    let said = run(command);
    assert!(said.stderr.contains("warning: every account of this machine may read"), "{}", said.stderr);

    let file = secret(&folder, "key", KEY);
    for (mode, warns) in [(0o600, false), (0o400, false), (0o640, true), (0o602, true)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("set the mode");
        let mut command = elt(&folder, &["user", "add", "eve", "--database-url", "postgres://elt@127.0.0.1:1/elt"]);
        command.env("ELT_SECRET_KEY_FILE", &file);
        let said = run(command);
        assert_eq!(said.code, Some(69), "{}", said.stderr);
        let warning = "warning: other accounts of this machine may use";
        assert_eq!(said.stderr.contains(warning), warns, "{mode:o}: {}", said.stderr);
        assert!(!said.stderr.contains("canary"), "{}", said.stderr);
    }
}

#[test]
fn the_help_names_the_file_of_every_secret_setting() {
    let folder = Folder::new();
    for (arguments, variables) in [
        (&["up", "--help"][..], &["ELT_JWT_KEY", "ELT_ADMIN_PASSWORD", "ELT_USER_PASSWORD", "DATABASE_URL"][..]),
        (&["worker", "--help"], &["DATABASE_URL", "ELT_TARGET_URL"]),
        (&["user", "--help"], &["DATABASE_URL"]),
    ] {
        let help = run(elt(&folder, arguments)).stdout;
        for variable in variables {
            assert!(help.contains(&format!("{variable}_FILE")), "{arguments:?} {variable}: {help}");
        }
    }
}
