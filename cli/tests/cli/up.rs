//! `elt up`: the first start, the second start, and who may log in.

use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use crate::support::{Folder, PASSWORD, Running, elt, run, up};

async fn login(url: &str, name: &str, password: &str) -> (u16, Value) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let request = reqwest::Client::new().post(format!("{url}/auth/login"));
    let answer = request.json(&json!({ "username": name, "password": password })).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

#[tokio::test]
async fn the_first_start_prints_a_password_once_and_keeps_keys_for_itself() {
    let folder = Folder::new();
    let start = || {
        let mut first = Running::start(elt(&folder, &["up", "--listen", "127.0.0.1:0"]));
        let url =
            first.wait_for("dashboard").split_whitespace().last().expect("a URL").trim_end_matches("/ui/").to_owned();
        let line = first.wait_for("log in");
        first.wait_for("Ctrl-C stops it");
        (first, url, line)
    };
    let (first, url, line) = start();
    let password = line.split_whitespace().nth(4).expect("a password").to_owned();
    assert_eq!(login(&url, "admin", &password).await.0, 200, "{line}");
    let keys = folder.path().join("data/keys.json");
    assert_eq!(keys.metadata().expect("the keys").mode() & 0o777, 0o600);
    let kept = std::fs::read(&keys).expect("the keys");
    first.signal(nix::sys::signal::Signal::SIGTERM);
    let (_, said) = first.end();
    assert_eq!(said.matches(&password).count(), 1, "{said}");

    let (again, url, line) = start();
    let data = folder.path().join("data");
    let advice = format!("as set up before; `elt user password admin --data-dir {}` sets", data.display());
    assert!(line.contains(&advice), "{line}");
    assert_eq!(login(&url, "admin", &password).await.0, 200);
    assert_eq!(std::fs::read(&keys).expect("the keys"), kept);
    again.signal(nix::sys::signal::Signal::SIGTERM);
    again.end();
    let log = std::fs::read_to_string(folder.path().join("data/elt.log")).expect("the log");
    assert!(log.lines().any(|line| line.contains(" - INFO - elt ") && line.contains(" is up at http://")), "{log}");
    assert!(!log.contains(&password));
}

#[test]
fn a_weak_key_is_refused_before_anything_is_set_up() {
    let folder = Folder::new();
    for (name, key) in [("ELT_JWT_KEY", "a".repeat(32)), ("ELT_SECRET_KEY", "short".to_owned())] {
        let mut command = elt(&folder, &["up", "--listen", "127.0.0.1:0"]);
        command.env(name, key);
        let said = run(command);
        assert_eq!(said.code, Some(78), "{}", said.stderr);
        assert!(said.stderr.contains(name), "{}", said.stderr);
        assert!(!said.stdout.contains("elt is up") && !said.stdout.contains("log in"), "{}", said.stdout);
    }
    // Neither a database, in which users could be, nor keys.
    for made in ["postgres", "keys.json"] {
        assert!(!folder.path().join("data").join(made).exists(), "{made}");
    }
}

#[tokio::test]
async fn users_are_added_changed_and_locked_out_from_the_terminal() {
    let folder = Folder::new();
    let up = up(&folder, &[("ELT_USER_PASSWORD", "staple battery")]);
    assert_eq!(login(&up.url, "user", "staple battery").await.1["role"], "user");

    let added = run(elt(&folder, &["user", "add", "eve", "--role", "admin"]));
    let password = added.stdout.trim().strip_prefix("password of eve: ").expect("a password").to_owned();
    assert_eq!(login(&up.url, "Eve", &password).await.1["role"], "admin");
    let twice = run(elt(&folder, &["user", "add", "EVE"]));
    assert_eq!(twice.code, Some(1));
    assert!(twice.stderr.contains("there is already a user `EVE`"), "{}", twice.stderr);

    assert_eq!(run(elt(&folder, &["user", "disable", "eve"])).code, Some(0));
    assert_eq!(login(&up.url, "eve", &password).await.0, 401);
    assert_eq!(run(elt(&folder, &["user", "enable", "eve"])).code, Some(0));
    assert_eq!(run(elt(&folder, &["user", "role", "eve", "user"])).code, Some(0));
    assert_eq!(login(&up.url, "eve", &password).await.1["role"], "user");
    let list = run(elt(&folder, &["user", "list"])).stdout;
    assert_eq!(list.lines().filter(|line| line.contains("active")).count(), 3, "{list}");

    assert_eq!(run(elt(&folder, &["user", "remove", "eve"])).code, Some(0));
    let unknown = run(elt(&folder, &["user", "password", "eve"]));
    let verified = run(elt(&folder, &["audit", "verify"]));
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    assert!(verified.stdout.starts_with("verified "), "{}", verified.stdout);
    let rows = run(elt(&folder, &["audit", "export"])).stdout;
    let of_commands = rows.lines().filter(|row| row.contains("\"actor\":\"cli:")).collect::<Vec<_>>();
    let with = |action: &str, outcome: &str| {
        let is_it = |row: &&&str| row.contains(action) && row.contains(&format!("\"outcome\":\"{outcome}\""));
        of_commands.iter().filter(is_it).count()
    };
    assert_eq!((with("elt user add", "done"), with("elt user add", "failed")), (1, 1), "{rows}");
    assert_eq!((with("elt user disable", "done"), with("elt user remove", "done")), (1, 1), "{rows}");
    assert_eq!(with("elt user password", "failed"), 1, "{rows}");
    assert!(!rows.contains(&password), "no password is in the audit");
    assert!(unknown.stderr.contains("there is no user `eve`"), "{}", unknown.stderr);
    assert_eq!(login(&up.url, "admin", PASSWORD).await.0, 200);
    up.stop();
}

#[tokio::test]
async fn an_imported_coverage_report_is_served() {
    let folder = Folder::new();
    let lines = json!({ "lines": { "count": 40, "covered": 30 } });
    let file = json!({ "filename": folder.path().join("shared/src/job.rs"), "summary": lines });
    let report = json!({ "version": "2.0.1", "data": [{ "totals": lines, "files": [file] }] });
    folder.write("cov.json", &report.to_string());
    let up = up(&folder, &[]);

    let said = run(elt(&folder, &["coverage", "import", "cov.json", "--commit", "abc123"]));

    assert_eq!(said.stdout, "imported: 30 of 40 lines, 75.0 %\n", "{}", said.stderr);
    let (_, session) = login(&up.url, "admin", PASSWORD).await;
    let request = reqwest::Client::new().get(format!("{}/coverage-report", up.url));
    let answer = request.bearer_auth(session["token"].as_str().expect("a token")).send().await.expect("an answer");
    let served: Value = answer.json().await.expect("JSON");
    assert_eq!(served["totals"]["percent_covered_display"], "75");
    assert!(served["files"]["shared/src/job.rs"].is_object(), "{served}");
    up.stop();
}
