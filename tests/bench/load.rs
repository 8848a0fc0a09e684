//! How fast loads are and what memory they take: the `elt` command, a process for each run, beside `psql \copy` of the
//! same rows into a plain typed table, one after the other. The rows are compared.
//!
//! Needs `ELT_BIN`, `TEST_DATABASE_URL`, `psql` and the OpenSSH server: `make bench` sees to them.
//!
//! `cargo bench -p elt-tests --bench load -- [rounds] [millions of rows of the large file]`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod desk;
mod program;
#[path = "../it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests use more of it")]
mod support;
mod table;
mod work;

use std::path::PathBuf;

use desk::{Desk, Run};
use support::folder::Folder;
use support::sshd::Sshd;
use table::{Goal, Table};

const MILLION: u64 = 1_000_000;

#[tokio::main]
async fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (rounds, millions) = (numbers.first().copied().unwrap_or(5), numbers.get(1).copied().unwrap_or(5));
    let lab = Lab::prepare(millions * MILLION);
    let mut table = Table::default();
    for round in 1..=rounds {
        println!("round {round} of {rounds}");
        lab.round(&mut table).await;
    }
    println!("\n{table}");
}

/// The files, made once, and the server that serves one of them.
struct Lab {
    folder: Folder,
    sshd: Sshd,
    large: u64,
}

impl Lab {
    fn prepare(large: u64) -> Self {
        let (folder, sshd) = (Folder::new(), Sshd::start());
        let file = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made the folder");
            path
        };
        let made = "wrote the rows";
        work::csv(&file("million/rows.csv"), 1, MILLION).expect(made);
        work::csv(&file("more/rows.csv"), 1, MILLION + MILLION / 100).expect(made);
        for part in 0..500 {
            work::csv(&file(&format!("many/{part:03}.csv")), 1 + part * 2_000, 2_000).expect(made);
        }
        work::csv(&file("large/rows.csv"), 1, large).expect(made);
        work::json(&file("json/rows.json"), 1, 200_000).expect(made);
        work::csv(&file("small/rows.csv"), 1, 200_000).expect(made);
        sshd.write("rows.csv", std::fs::read(file("small/rows.csv")).expect("the rows"));
        Self { folder, sshd, large }
    }

    async fn round(&self, table: &mut Table) {
        let desk = Desk::open().await;
        let copy = desk.copy(&[self.file("million/rows.csv")]).await;
        let first = self.load(&desk, "W1 first load of 1,000,000 rows", "million", MILLION).await;
        desk.compare("million").await;
        table.add(first.against(copy, Goal::Times(1.6), 128));
        let unchanged = self.load(&desk, "W2 the same again, unchanged", "million", 0).await;
        table.add(unchanged.against(copy, Goal::Times(0.3), 128));
        desk.remove_outputs();
        let again = self.load(&desk, "   the same again, read", "million", 0).await;
        table.add(again.against(copy, Goal::Times(0.6), 128));
        let more = desk.load("W3 the same and 1 % new", &self.source("more"), "million", MILLION / 100).await;
        table.add(more.against(copy, Goal::Times(0.8), 128));

        let desk = Desk::open().await;
        let parts: Vec<_> = (0..500).map(|part| self.file(&format!("many/{part:03}.csv"))).collect();
        let copies = desk.copy(&parts).await;
        let many = self.load(&desk, "W4 500 files of 2,000 rows", "many", MILLION).await;
        desk.compare("many").await;
        table.add(many.against(copies, Goal::Times(1.0), 128));

        let desk = Desk::open().await;
        let copy = desk.copy(&[self.file("large/rows.csv")]).await;
        let large = self.load(&desk, "W5 first load of the large file", "large", self.large).await;
        desk.compare("large").await;
        let was = large.speed(self.large) / first.speed(MILLION);
        table.add(large.against(copy, Goal::Speed { least: 0.9, was }, 160));
        let unchanged = self.load(&desk, "   the large file again, unchanged", "large", 0).await;
        table.add(unchanged.against(copy, Goal::Times(0.5), 160));
        desk.remove_outputs();
        let again = self.load(&desk, "   the large file again, read", "large", 0).await;
        table.add(again.against(copy, Goal::None, 160));

        let desk = Desk::open().await;
        let copy = desk.copy(&[self.file("small/rows.csv")]).await;
        let json = self.load(&desk, "W6 200,000 rows of JSON", "json", 200_000).await;
        desk.compare("json").await;
        table.add(json.against(copy, Goal::Times(2.5), 128));
        let sftp = self.load(&desk, "W7 200,000 rows by SFTP", "sftp", 200_000).await;
        desk.compare("sftp").await;
        table.add(sftp.against(copy, Goal::Times(2.0), 128));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Loads a folder into the table of its name.
    async fn load(&self, desk: &Desk, what: &str, folder: &str, expected: u64) -> Run {
        desk.load(what, &self.source(folder), folder, expected).await
    }

    /// What a config reads.
    fn source(&self, folder: &str) -> String {
        if folder != "sftp" {
            return format!("{{type: local, path: {}, settle_seconds: 0}}", self.file(folder).display());
        }
        let (host, port, user) = (self.sshd.address.ip(), self.sshd.address.port(), self.sshd.user());
        let key = self.folder.write("key", self.sshd.key());
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("permissions");
        let (key, path) = (key.display(), self.sshd.remote("rows.csv"));
        format!("{{type: sftp, host: {host}, port: {port}, username: {user}, private_key: {key}, path: {path}}}")
    }
}
