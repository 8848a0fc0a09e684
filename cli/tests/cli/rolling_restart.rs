//! Replicas of the API that are restarted one after the other, behind a load balancer that asks them whether they are ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use nix::sys::signal::Signal;

use crate::support::client::Client;
use crate::support::{Folder, PATIENCE, Running, elt, free_port, up};

/// Seconds for which a stopping replica goes on answering.
const DRAIN: u64 = 4;
/// How often the balancer asks.
const PROBE: Duration = Duration::from_millis(100);

/// One replica, as the balancer sees it.
struct Replica {
    address: String,
    is_ready: AtomicBool,
    /// Milliseconds of the longest pause between two probes, since it was reset.
    longest_pause: AtomicU64,
}

impl Replica {
    fn new() -> Arc<Self> {
        let address = format!("127.0.0.1:{}", free_port());
        Arc::new(Self { address, is_ready: AtomicBool::new(false), longest_pause: AtomicU64::new(0) })
    }

    fn start(&self, folder: &Folder) -> Running {
        let mut command = elt(folder, &["serve", "--listen", &self.address]);
        command.env("ELT_DRAIN_SECONDS", DRAIN.to_string()).env("ELT_WAIT_SECONDS", "3600");
        Running::start(command)
    }

    async fn probe(self: Arc<Self>) {
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(2)).build();
        let (http, url) = (http.expect("a client"), format!("http://{}/readyz", self.address));
        let mut last = Instant::now();
        loop {
            let is_ready = http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success());
            self.is_ready.store(is_ready, Ordering::SeqCst);
            self.longest_pause.fetch_max(last.elapsed().as_millis() as u64, Ordering::SeqCst);
            last = Instant::now();
            tokio::time::sleep(PROBE).await;
        }
    }

    async fn until_ready(&self, ready: bool) {
        let deadline = Instant::now() + PATIENCE;
        while self.is_ready.load(Ordering::SeqCst) != ready {
            assert!(Instant::now() < deadline, "{} never became ready: {ready}", self.address);
            tokio::time::sleep(PROBE / 4).await;
        }
    }
}

/// Sends requests to the replicas that are ready, in turn. Each failure is noted.
async fn ask(replicas: [Arc<Replica>; 2], http: reqwest::Client, answered: Arc<AtomicU64>, failed: Arc<AtomicU64>) {
    for turn in 0.. {
        let replica = &replicas[turn % 2];
        if replica.is_ready.load(Ordering::SeqCst) {
            let answer = http.get(format!("http://{}/livez", replica.address)).send().await;
            let counter = if answer.is_ok_and(|answer| answer.status().is_success()) { &answered } else { &failed };
            counter.fetch_add(1, Ordering::SeqCst);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_are_restarted_in_turn_refuse_no_request() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = Folder::new();
    up(&folder, &[]).stop();
    let replicas = [Replica::new(), Replica::new()];
    let mut processes: Vec<Option<Running>> = replicas.iter().map(|replica| Some(replica.start(&folder))).collect();
    let mut tasks: Vec<_> = replicas.iter().map(|replica| tokio::spawn(Arc::clone(replica).probe())).collect();
    for replica in &replicas {
        replica.until_ready(true).await;
    }
    let (answered, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    // One client opens a connection for each request, the other one keeps its connections.
    for idle in [0, 4] {
        let http = reqwest::Client::builder().pool_max_idle_per_host(idle).build().expect("a client");
        tasks.push(tokio::spawn(ask(replicas.clone(), http, Arc::clone(&answered), Arc::clone(&failed))));
    }

    let mut restarted = 0;
    while restarted < 2 {
        let replica = &replicas[restarted];
        replica.longest_pause.store(0, Ordering::SeqCst);
        let process = processes[restarted].take().expect("a process");
        process.signal(Signal::SIGTERM);
        replica.until_ready(false).await;
        let (status, said) = process.end();
        assert_eq!(status.code(), Some(0), "{said}");
        processes[restarted] = Some(replica.start(&folder));
        replica.until_ready(true).await;
        // On a machine so busy that the balancer did not ask for seconds, it could not know, and the restart is repeated.
        match replica.longest_pause.load(Ordering::SeqCst) < DRAIN * 500 {
            true => restarted += 1,
            false => failed.store(0, Ordering::SeqCst),
        }
    }

    let (answered, failed) = (answered.load(Ordering::SeqCst), failed.load(Ordering::SeqCst));
    assert_eq!(failed, 0, "of {} requests", answered + failed);
    assert!(answered > 100, "{answered}");
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    for process in processes.into_iter().flatten() {
        process.signal(Signal::SIGTERM);
        assert_eq!(process.end().0.code(), Some(0));
    }
}

#[tokio::test]
async fn a_replica_that_stops_says_so_first_and_asks_followers_of_a_stream_to_come_back() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = Folder::new();
    up(&folder, &[]).stop();
    let replica = Replica::new();
    let mut process = replica.start(&folder);
    process.wait_for("elt answers at");
    let url = format!("http://{}", replica.address);
    let client = Client::log_in(&url).await;
    let stream = client.follow("/logs/follow").await;

    process.signal(Signal::SIGTERM);
    let deadline = Instant::now() + PATIENCE;
    let problem = loop {
        let answer = reqwest::get(format!("{url}/readyz")).await.expect("it still answers");
        if answer.status() == 503 {
            assert_eq!(answer.headers()["connection"], "close");
            break answer.text().await.expect("a body");
        }
        assert!(Instant::now() < deadline, "it never said that it stops");
    };
    assert!(problem.contains("this process is stopping"), "{problem}");
    let chunks: Vec<_> =
        stream.bytes_stream().map(|chunk| chunk.expect("the stream ends in order").to_vec()).collect().await;
    let text = String::from_utf8(chunks.concat()).expect("UTF-8");
    let last = text.trim_end().rsplit("\n\n").next().expect("an event");
    assert!(last.contains("event: timeout") && last.contains("retry: "), "{last}");
    assert_eq!(process.end().0.code(), Some(0));
}
