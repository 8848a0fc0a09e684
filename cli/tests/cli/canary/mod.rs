//! Canaries: a secret of its own in every place where one can stand. It is used where that can succeed, refused, and
//! repeated by the other side, and afterwards stands nowhere: in no answer, no event, no log line, no span, no process
//! list, no dump and no file.

pub mod api;
mod needles;
mod places;
mod servers;
#[path = "../../../../tests/it/support/sshd.rs"]
#[expect(dead_code, reason = "shared with the tests of SFTP sources, which use the rest")]
mod sshd;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::otlp::Collector;
use crate::support::{Folder, PASSWORD, elt, run, server_processes, start_up};
use api::Api;
use needles::Needles;
use places::{Elsewhere, Planted};
use servers::Servers;

/// Settings of the server that are secrets.
const SETTINGS: [&str; 5] =
    ["ELT_USER_PASSWORD", "ELT_JWT_KEY", "ELT_SECRET_KEY", "ELT_OIDC_CLIENT_SECRET", "OTEL_EXPORTER_OTLP_HEADERS"];

/// Files that hold secrets on purpose.
const KEPT: [&str; 1] = ["keys.json"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_stands_nowhere_but_in_its_place() {
    let (servers, collector, folder) = (Servers::start().await, Collector::start().await, Folder::new());
    let (mut needles, mut elsewhere) = (Needles::default(), Elsewhere::default());
    let configs = places::all(&servers, &mut needles, &mut elsewhere);
    let Elsewhere { environment, stored } = elsewhere;
    let allowed: Vec<String> = environment.iter().map(|(name, _)| name.clone()).collect();
    let mut command = elt(&folder, &["up", "--listen", "127.0.0.1:0"]);
    command.envs(environment.clone()).env("ELT_ENV_ALLOW", allowed.join(","));
    command.env("ELT_CONCURRENCY", "16").env("ELT_LOG", "trace");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint);
    for name in SETTINGS {
        let secret = needles.plant(name);
        let value = match name {
            "OTEL_EXPORTER_OTLP_HEADERS" => format!("x-key={secret}"),
            "ELT_JWT_KEY" | "ELT_SECRET_KEY" => format!("{secret}-{}", secret.to_lowercase()),
            _ => secret,
        };
        command.env(name, value);
    }
    let oidc = [("ELT_OIDC_ISSUER", "https://login.example.com"), ("ELT_OIDC_CLIENT_ID", "elt")];
    command.envs(oidc).env("ELT_OIDC_ADMIN_GROUPS", "admins").env("ELT_PUBLIC_URL", "http://localhost:8080");
    let up = start_up(command);
    needles.add("ELT_ADMIN_PASSWORD", PASSWORD);
    let cluster = std::fs::read_to_string(folder.path().join("data/postgres/port")).expect("a port");

    let admin = Api::log_in(&up.url, "admin", PASSWORD).await;
    needles.add("a token of a session", admin.token());
    admin.follow("/logs/follow").await;
    use_accounts(&admin, &mut needles).await;
    for (name, value) in &stored {
        let secret = admin.put(&format!("/secrets/{name}"), json!({ "value": value, "pipelines": ["*"] })).await;
        assert_eq!(secret["name"], name.as_str(), "{secret}");
    }
    let runs = run_all(&admin, &configs, cluster.trim()).await;
    let commands = check_all(&folder, &configs, cluster.trim(), &environment);
    let shown = shown_in_processes(&folder, up.process.pid().as_raw());
    ask_for_everything(&admin, &runs).await;
    let dump = dump(&folder, cluster.trim());
    let spans = format!("{:?}", collector.spans());
    assert!(spans.contains("run.id"), "spans arrive");
    let said = up.stop();
    admin.streams_ended().await;

    let data = folder.path().join("data");
    folder.write("data/planted", &needles.plant("a planted file"));
    assert!(!needles.in_folder(&data, &KEPT).is_empty(), "the search finds what is there");
    std::fs::remove_file(data.join("planted")).expect("removed");
    let mut leaks = BTreeSet::new();
    let texts = [("elt check", commands), ("the process list", shown), ("the dump", dump), ("spans", spans)];
    let texts = texts.into_iter().map(|(what, text)| (what.to_owned(), text));
    for (what, text) in admin.answers().into_iter().chain(texts).chain([("stderr".to_owned(), said)]) {
        leaks.extend(needles.in_text(&text).into_iter().map(|place| format!("{what}: {place}")));
    }
    leaks.extend(needles.in_folder(&data, &KEPT));
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.into_iter().collect::<Vec<_>>().join("\n"));
}

/// Passwords, tokens, second factors and their codes, also wrong ones.
async fn use_accounts(admin: &Api, needles: &mut Needles) {
    let first = needles.plant("a user's password");
    let user = json!({ "username": "ann", "password": first, "role": "user" });
    admin.post("/users", user.clone()).await;
    admin.post("/users", user).await;
    let wrong = needles.plant("a wrong password");
    admin.post("/auth/login", json!({ "username": "ann", "password": wrong })).await;
    let ann = admin.another("ann", &first).await;
    needles.add("a user's token of a session", ann.token());
    let changed = needles.plant("a changed password");
    let change = json!({ "old_password": first, "new_password": changed });
    let token = ann.post_for_a_secret("/auth/password", change).await;
    needles.add("the token after a change", token["token"].as_str().expect("a token"));
    let ann = admin.another("ann", &changed).await;
    let setup = ann.post_for_a_secret("/auth/second-factor", json!({ "password": changed })).await;
    needles.add("the secret of a second factor", setup["secret"].as_str().expect("a secret"));
    ann.post("/auth/second-factor/confirm", json!({ "code": "000000" })).await;
    let made = admin.post_for_a_secret("/tokens", json!({ "name": "ci", "scopes": ["read"] })).await;
    needles.add("an API token", made["token"].as_str().expect("a token"));
}

/// Sends every config to every door, and waits for all runs. Returns their ids.
async fn run_all(admin: &Api, configs: &[Planted], cluster: &str) -> Vec<String> {
    let mut runs = Vec::new();
    for planted in configs {
        let yaml = planted.yaml.replace("CLUSTER", cluster);
        admin.post_yaml("/configs/validate", &yaml).await;
        admin.post_yaml("/upload-config", &yaml).await;
        let triggered = admin.post_yaml("/trigger-job", &yaml).await;
        let Some(run) = triggered["run_id"].as_str() else {
            assert!(!planted.succeeds, "{}: {triggered}", planted.name);
            continue;
        };
        runs.push((run.to_owned(), Some(planted)));
        if planted.name.starts_with("target") {
            admin.post_yaml("/data-view", &yaml).await;
        }
        if planted.succeeds || !planted.name.starts_with("api") {
            for path in ["/configs/plan", "/configs/test-connection"] {
                let tried = admin.post_yaml(path, &yaml).await;
                runs.push((tried["id"].as_str().unwrap_or_else(|| panic!("{path}: {tried}")).to_owned(), None));
            }
        }
    }
    for (run, planted) in &runs {
        let ended = admin.finished(run).await;
        if let Some(planted) = planted {
            assert_eq!(ended["state"] == "succeeded", planted.succeeds, "{}: {ended:#}", planted.name);
        }
    }
    runs.into_iter().map(|(run, _)| run).collect()
}

/// What `elt check` says of one config of each place.
fn check_all(folder: &Folder, configs: &[Planted], cluster: &str, environment: &[(String, String)]) -> String {
    let mut said = String::new();
    let mut before = "";
    for planted in configs {
        let place = planted.name.split(',').next().unwrap_or_default();
        if place == before {
            continue;
        }
        before = place;
        folder.write("canary.yaml", &planted.yaml.replace("CLUSTER", cluster));
        let mut command = elt(folder, &["check", "canary.yaml"]);
        command.envs(environment.iter().cloned());
        let told = run(command);
        said = said + &told.stdout + &told.stderr;
    }
    std::fs::remove_file(folder.path().join("canary.yaml")).expect("removed");
    said
}

/// The command lines of elt and its database.
fn shown_in_processes(folder: &Folder, elt: i32) -> String {
    let mut processes = server_processes(folder);
    assert!(!processes.is_empty(), "the private PostgreSQL runs");
    processes.push(elt);
    let line = |pid| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    processes.into_iter().map(|pid| String::from_utf8_lossy(&line(pid)).into_owned()).collect()
}

/// Asks for everything there is to get, page after page, apart from the exact text of a config.
async fn ask_for_everything(admin: &Api, runs: &[String]) {
    let described = admin.get("/openapi.json").await;
    let ids =
        |list: &[Value]| -> Vec<String> { list.iter().map(|one| one["id"].to_string().replace('"', "")).collect() };
    let configs = ids(&admin.get_all("/configs").await);
    assert!(configs.len() > 250, "{} configs", configs.len());
    let paths = described["paths"].as_object().expect("paths");
    assert!(paths.len() > 40, "{}", paths.len());
    for (path, methods) in paths {
        if methods.get("get").is_none() || path == "/config/{id}" {
            continue;
        }
        let members = match path.split('/').nth(1).unwrap_or_default() {
            "runs" => runs.to_vec(),
            "configs" => configs.clone(),
            section => ids(&admin.get_all(&format!("/{section}")).await),
        };
        match path.contains("{id}") {
            _ if path.ends_with("/events") => admin.follow(&path.replace("{id}", &members[0])).await,
            _ if path.ends_with("/follow") => {}
            true => {
                for id in &members {
                    admin.get(&path.replace("{id}", id)).await;
                }
            }
            false => drop(admin.get_all(path).await),
        }
    }
    let (first, last) = (configs.last().expect("a config"), &configs[0]);
    admin.get(&format!("/configs/diff?from={first}&to={last}")).await;
    let mut lines = 0;
    for run in runs {
        lines += admin.get_all(&format!("/logs/search?run_id={run}&limit=250")).await.len();
    }
    assert!(lines > runs.len(), "{lines} lines");
}

/// Everything PostgreSQL holds, as a backup has it. Empty where there is no `pg_dumpall`: the files are searched as well.
fn dump(folder: &Folder, port: &str) -> String {
    let passwords = std::fs::read_to_string(folder.path().join("data/postgres/passwords.json")).expect("passwords");
    let passwords: Value = serde_json::from_str(&passwords).expect("JSON");
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let programs = versions.map(|version| version.path().join("bin/pg_dumpall"));
    let Some(program) = programs.into_iter().find(|program| Path::exists(program)) else { return String::new() };
    let mut command = Command::new(program);
    command.args(["-h", "127.0.0.1", "-p", port, "-U", "elt_root"]);
    let dumped = command.env("PGPASSWORD", passwords["superuser"].as_str().expect("a password")).output();
    let dumped = dumped.expect("started pg_dumpall");
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    let text = String::from_utf8_lossy(&dumped.stdout).into_owned();
    assert!(text.contains("config_history"), "the control database is in the dump");
    text
}
