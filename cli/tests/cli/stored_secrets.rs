//! `elt secret`, and the secrets that one process stores and another one uses.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::client::Client;
use crate::support::otlp::Collector;
use crate::support::{Folder, Running, Said, elt, run, run_with, start_up, up};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A config whose target does not answer, with secrets as host, account and password.
const CONFIG: &str = "name: people\nsources: [{type: local, path: in}]\nmonitor: {enabled: false}\n\
                      target: {host: '${secret:host}', port: 1, database: d, user: '${secret:user}', \
                      password: 'a${secret:pw}', table: people}\nretry: {max_attempts: 1}\n";

fn secret(folder: &Folder, arguments: &str, stdin: &str) -> Said {
    let arguments: Vec<&str> = std::iter::once("secret").chain(arguments.split(' ')).collect();
    let said = run_with(elt(folder, &arguments), stdin);
    assert!(!said.stdout.contains("c4n4ry") && !said.stderr.contains("c4n4ry"), "{}{}", said.stdout, said.stderr);
    said
}

#[test]
fn a_secret_is_stored_granted_used_revoked_and_removed_at_the_terminal() {
    let folder = Folder::new();
    let up = up(&folder, &[]);
    let done = |arguments: &str, stdin: &str| {
        let said = secret(&folder, arguments, stdin);
        assert_eq!(said.code, Some(0), "{arguments}: {}", said.stderr);
        said.stdout
    };
    let refused = |arguments: &str, stdin: &str, problem: &str| {
        let said = secret(&folder, arguments, stdin);
        assert_eq!(said.code, Some(1), "{arguments}: {}", said.stderr);
        assert!(said.stderr.contains(problem), "{arguments}: {}", said.stderr);
    };
    folder.write("in/people.csv", "id\n1\n");
    folder.write("value", "./in\n");
    done("set where --pipeline people --description folder", "nothing\n");
    assert_eq!(done("set where --file value", ""), "");
    done("set other --users", "c4n4ry-value\n");
    let list = done("list", "");
    assert!(list.contains("where  people     no     2        "), "{list}");
    assert!(list.contains("other  none       yes    1        "), "{list}");

    // A value is no argument, because the process list shows arguments.
    assert_eq!(secret(&folder, "set other value", "").code, Some(64));
    refused("set other", "abc\n", "a secret's value has 4 bytes to 64 KiB");
    refused("set a/b", "a value", "a secret's name has 1 to 64 letters");
    refused("grant missing people", "", "there is no secret `missing`");
    refused("revoke where others", "", "`where` is not granted to `others`");
    refused("remove missing", "", "there is no secret `missing`");

    let config = "name: people\nsources: [{type: local, path: './${secret:where}'}]\ntarget: {table: people}\n";
    folder.write("people.yaml", config);
    let said = run(elt(&folder, &["check", "people.yaml"]));
    assert_eq!(said.code, Some(0), "the form of a reference is checked without a database: {}", said.stderr);
    folder.write("broken.yaml", &config.replace("where}", "where"));
    let said = run(elt(&folder, &["check", "broken.yaml"]));
    assert!(said.code == Some(3) && said.stderr.contains("a reference is not closed"), "{}", said.stderr);

    let run_once = || run(elt(&folder, &["run", "--once", "people.yaml"]));
    let said = run_once();
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    refused("remove where", "", "the secret `where` is used by people (version 1)");
    done("revoke where people", "");
    let said = run_once();
    let told = said.stdout + &said.stderr;
    assert_eq!(said.code, Some(3), "{told}");
    assert!(told.contains("the secret \"where\" is not granted to the pipeline \"people\" at line 2 column"), "{told}");
    done("grant where *", "");
    assert_eq!(run_once().code, Some(0));
    refused("revoke where people", "", "revoke it from `*`");
    done("remove where --force", "");
    assert_eq!(run_once().code, Some(3));

    let verified = run(elt(&folder, &["audit", "export", "--format", "csv"])).stdout;
    for action in ["elt secret set", "elt secret grant", "elt secret revoke", "elt secret remove"] {
        assert!(verified.contains(action) && verified.contains("secret where"), "{action}: {verified}");
    }
    assert!(!verified.contains("c4n4ry"));
    assert_eq!(run(elt(&folder, &["audit", "verify"])).code, Some(0));
    up.stop();
}

#[tokio::test]
async fn a_worker_uses_what_the_api_stored_and_neither_says_it() {
    let collector = Collector::start().await;
    let folder = Folder::new();
    folder.write("in/people.csv", "id\n1\n");
    let say_everything = |mut command: std::process::Command| {
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint).env("ELT_LOG", "trace");
        command
    };
    let api = start_up(say_everything(elt(&folder, &["up", "--listen", "127.0.0.1:0", "--no-worker"])));
    let mut worker = Running::start(say_everything(elt(&folder, &["worker"])));
    worker.wait_for("working on queue");
    let client = Client::log_in(&api.url).await;
    for (name, value) in [("host", "localhost"), ("user", "c4n4ry_user"), ("pw", "c4n4ry pw/\"1\"")] {
        client.put(&format!("/secrets/{name}"), &json!({ "value": value, "pipelines": ["people"] })).await;
    }

    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let id = client.trigger(CONFIG, Some(&parent)).await;
    let run = client.wait_until_finished(&id).await;

    assert_eq!(run["state"], "failed", "{run}");
    assert!(run["error"].as_str().is_some_and(|error| error.contains("***:1/d")), "the host is hidden: {run}");
    collector.wait_for(TRACE, "run").await;
    worker.signal(Signal::SIGTERM);
    let (_, worker_said) = worker.end();
    let logs = client.get("/logs/search?limit=250").await;
    let said = api.stop();
    let file = std::fs::read_to_string(folder.path().join("data/elt.log")).expect("the log");
    for (place, text) in [
        ("run", run.to_string()),
        ("stderr", said + &worker_said),
        ("elt.log", file),
        ("/logs", logs.to_string()),
        ("spans", format!("{:?}", collector.spans())),
    ] {
        assert!(!text.is_empty());
        let line = text.lines().find(|line| line.contains("c4n4ry"));
        assert_eq!(line, None, "{place}");
    }
}
