//! What processes answer to probes and Prometheus, and what `elt healthcheck` and `elt status` say about them.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::client::Client;
use crate::support::{Folder, PATIENCE, Running, elt, run, start_up};

const ANSWERED: &str = "probes and metrics are answered at ";

/// The address at which a process answers probes.
fn probes_of(process: &mut Running) -> String {
    if !process.said.contains(ANSWERED) {
        process.wait_for(ANSWERED);
    }
    let (_, rest) = process.said.split_once(ANSWERED).expect("it was said");
    rest.split_whitespace().next().expect("an address").trim_end_matches('/').to_owned()
}

async fn get(url: &str) -> (u16, String) {
    let answer = reqwest::get(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

/// Waits until `elt healthcheck` says that a process is ready.
fn wait_until_ready(folder: &Folder, url: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let said = run(elt(folder, &["healthcheck", "--url", url]));
        if said.code == Some(0) {
            return assert_eq!(said.stdout, "ok\n");
        }
        assert_eq!(said.code, Some(1), "{}", said.stderr);
        assert!(Instant::now() < deadline, "{url} is never ready: {}", said.stderr);
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Has `promtool` check a page of metrics, where it is there.
fn check_metrics(text: &str) {
    let mut command = Command::new("promtool");
    let command =
        command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = command.spawn() else {
        return eprintln!("promtool is not here: the metrics were not checked");
    };
    promtool.stdin.take().expect("stdin").write_all(text.as_bytes()).expect("wrote the metrics");
    let output = promtool.wait_with_output().expect("promtool ended");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
async fn each_process_answers_probes_and_metrics_at_an_address_of_its_own() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = Folder::new();
    let listen = ["--metrics-listen", "127.0.0.1:0"];
    let mut up = start_up(elt(&folder, &[&["up", "--no-worker", "--listen", "127.0.0.1:0"], &listen[..]].concat()));
    let api = probes_of(&mut up.process);
    let mut worker = Running::start(elt(&folder, &[&["worker"], &listen[..]].concat()));
    let probes = probes_of(&mut worker);
    wait_until_ready(&folder, &api);
    wait_until_ready(&folder, &probes);

    folder.write("a.csv", "id\n1\n2\n");
    let client = Client::log_in(&up.url).await;
    let source = folder.path().join("a.csv");
    let source = format!("sources: [{{type: local, path: {}, settle_seconds: 0}}]", source.display());
    let yaml = format!("name: salaries\n{source}\ntarget: {{table: people}}\nmonitor: {{enabled: false}}\n");
    let id = client.trigger(&yaml, None).await;
    let ended = client.wait_until_finished(&id).await;

    assert_eq!(get(&format!("{}/metrics", up.url)).await.0, 404, "they are at their own address");
    let (code, of_api) = get(&format!("{api}/metrics")).await;
    assert_eq!(code, 200);
    for series in ["elt_build_info{version=\"", "elt_runs{state=\"queued\"} 0", "elt_control_connections_max 16"] {
        assert!(of_api.contains(series), "{series} in {of_api}");
    }
    check_metrics(&of_api);
    let pipeline = format!("elt_pipeline_runs_total{{pipeline=\"salaries\",state={}}} 1", ended["state"]);
    let deadline = Instant::now() + PATIENCE;
    let of_worker = loop {
        let (_, text) = get(&format!("{probes}/metrics")).await;
        if text.contains(&pipeline) {
            break text;
        }
        assert!(Instant::now() < deadline, "{pipeline} in {text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for series in ["command=\"worker\"} 1", "elt_heartbeat_age_seconds ", "elt_data_disk_free_bytes "] {
        assert!(of_worker.contains(series), "{series} in {of_worker}");
    }
    assert!(!of_worker.contains("elt_runs{"), "only APIs report the numbers of the installation");
    check_metrics(&of_worker);

    let status = run(elt(&folder, &["status", "--json", "--url", &api, "--data-dir", &data(&folder)]));
    let said: Value = serde_json::from_str(&status.stdout).unwrap_or_else(|error| panic!("{error}: {}", status.stderr));
    assert_eq!(status.code, Some(if said["well"] == true { 0 } else { 1 }), "{said:#}");
    assert_eq!((&said["api"]["ready"], &said["workers"][0]["state"]), (&true.into(), &"working".into()), "{said:#}");
    assert_eq!(said["api_processes"][0]["version"], env!("CARGO_PKG_VERSION"), "{said:#}");
    assert_eq!(said["last_24_hours"]["runs"][ended["state"].as_str().expect("a state")], 1, "{said:#}");
    // The disk of this machine may be nearly full.
    let parts = said["attention"].as_array().expect("a list").iter().map(|attention| &attention["part"]);
    assert!(parts.into_iter().all(|part| part == "disk" || ended["state"] == "failed"), "{said:#}");

    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.end().0.code(), Some(0));
    let status = run(elt(&folder, &["status", "--url", &api, "--data-dir", &data(&folder)]));
    assert_eq!(status.code, Some(1), "{}", status.stdout);
    assert!(status.stdout.contains("- no worker takes runs"), "{}", status.stdout);
    assert!(!status.stdout.contains('\x1b') && status.stdout.lines().all(|line| line.chars().count() <= 80));
    let gone = run(elt(&folder, &["healthcheck", "--url", &probes]));
    assert_eq!((gone.code, gone.stdout.as_str()), (Some(1), ""), "{}", gone.stderr);
    assert!(gone.stderr.contains("does not answer"), "{}", gone.stderr);
    up.stop();
}

fn data(folder: &Folder) -> String {
    folder.path().join("data").display().to_string()
}
