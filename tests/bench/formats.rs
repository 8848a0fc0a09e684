//! How fast files of each format, packing and place are loaded and what memory that takes: the same rows in each, by the
//! `elt` command, beside `psql \copy` of their CSV. The rows are compared.
//!
//! Needs `ELT_BIN`, `TEST_DATABASE_URL` and `psql`: `make bench` sees to them.
//!
//! `cargo bench -p elt-tests --bench formats -- [thousands of rows] [rounds]`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

#[expect(dead_code, reason = "another bench uses more of it")]
mod desk;
mod packing;
mod program;
#[path = "../it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests use more of it")]
mod support;
mod table;
mod work;

use std::path::{Path, PathBuf};

use axum::Router;
use axum::http::Uri;
use axum::response::IntoResponse;

use desk::{Desk, Run};
use support::bucket_server::{BucketServer, KEY_ID, SECRET_KEY, Speaks};
use support::database::Databases;
use support::folder::Folder;
use table::{Goal, Table};

/// The most memory of a process that loads a file of any format, in megabytes.
const MOST_MEMORY: u64 = 128;

#[tokio::main]
async fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (rows, rounds) = (numbers.first().copied().unwrap_or(1_000) * 1_000, numbers.get(1).copied().unwrap_or(3));
    let lab = Lab::prepare(rows).await;
    let mut table = Table::default();
    for round in 1..=rounds {
        println!("round {round} of {rounds}");
        lab.round(&mut table).await;
    }
    println!("\n{table}");
}

/// The files, made once, and the servers that serve some of them.
struct Lab {
    folder: Folder,
    bucket: BucketServer,
    /// The beginning of addresses of the web server.
    web: String,
    rows: u64,
}

impl Lab {
    async fn prepare(rows: u64) -> Self {
        let folder = Folder::new();
        let file = |name: &str| folder.path().join(name);
        let made = "wrote the rows";
        work::csv(&file("rows.csv"), 1, rows).expect(made);
        for name in ["rows.csv.gz", "rows.csv.zst", "rows.zip", "rows.tar.gz"] {
            packing::pack(&file("rows.csv"), &file(name)).expect(made);
        }
        work::json(&file("rows.json"), 1, rows).expect(made);
        packing::xml(&file("rows.xml"), rows).expect(made);
        packing::xlsx(&file("rows.xlsx"), rows).expect(made);
        for format in ["parquet", "ndjson"] {
            rewrite(&file("rows.csv"), &file(&format!("rows.{format}"))).await;
        }
        let bucket = BucketServer::start(Speaks::S3 { region: "eu-central-1" }, "bench").await;
        bucket.put("rows.csv", std::fs::read(file("rows.csv")).expect("the rows"));
        let web = serve(folder.path().to_owned()).await;
        Self { folder, bucket, web, rows }
    }

    async fn round(&self, table: &mut Table) {
        let mut csv = None;
        for name in FILES {
            let (run, copy) = self.load(name, &local(&self.file(name))).await;
            let speed = run.speed(self.rows);
            let goal = match name {
                "rows.csv" => Goal::Times(1.6),
                "rows.parquet" => Goal::Speed { least: 1.0, was: speed / csv.unwrap_or(speed) },
                _ => Goal::None,
            };
            csv.get_or_insert(speed);
            table.add(run.against(copy, goal, MOST_MEMORY));
        }
        let web = format!("{{type: http, url: {}/rows.csv.gz}}", self.web);
        let bucket = format!(
            "{{type: s3, url: s3://bench/rows.csv, region: eu-central-1, endpoint: 'http://{}', allow_http: true, \
             access_key_id: {KEY_ID}, secret_access_key: '{SECRET_KEY}'}}",
            self.bucket.address
        );
        for (what, source) in [("rows.csv.gz by HTTP", web), ("rows.csv from a bucket", bucket)] {
            let (run, copy) = self.load(what, &source).await;
            table.add(run.against(copy, Goal::None, MOST_MEMORY));
        }
    }

    /// Loads a source into an empty database. Returns the run, and the seconds of `\copy` of the same rows there.
    async fn load(&self, what: &str, source: &str) -> (Run, f64) {
        let desk = Desk::open().await;
        let copy = desk.copy(&[self.file("rows.csv")]).await;
        let run = desk.load(what, source, "loaded", self.rows).await;
        desk.compare("loaded").await;
        (run, copy)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A source of a file on the disk.
fn local(path: &Path) -> String {
    format!("{{type: local, path: {}, settle_seconds: 0}}", path.display())
}

/// The files that are read from the disk, the CSV first.
const FILES: [&str; 10] = [
    "rows.csv",
    "rows.csv.gz",
    "rows.csv.zst",
    "rows.zip",
    "rows.tar.gz",
    "rows.json",
    "rows.ndjson",
    "rows.parquet",
    "rows.xlsx",
    "rows.xml",
];

/// Writes the rows of a CSV into a file of another format, as the output of a run.
async fn rewrite(csv: &Path, to: &Path) {
    let (databases, data) = (Databases::create().await, Folder::new());
    let written = data.path().join("output").join(to.file_name().expect("a name"));
    let (source, output) = (local(csv), written.display());
    let yaml = format!("name: written\nsources: [{source}]\ntarget: {{table: written}}\noutput: {{path: {output}}}\n");
    program::run_once(&databases, &data.write("written.yaml", yaml), data.path()).await;
    std::fs::copy(&written, to).expect("the written file");
}

/// Serves the files of a folder. Returns the beginning of their addresses.
async fn serve(folder: PathBuf) -> String {
    let answer = move |uri: Uri| {
        let path = folder.join(uri.path().trim_start_matches('/'));
        async move { tokio::fs::read(path).await.expect("a file of the folder").into_response() }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await.expect("serving") });
    format!("http://{address}")
}
