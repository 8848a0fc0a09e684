//! `elt run` and `elt plan`: one config, in one process, without a server.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::support::{Folder, Running, elt, run};

const CONFIG: &str = "sources: [{type: local, path: in}]\ntarget: {table: people}\n";

fn people() -> Folder {
    let folder = Folder::new();
    folder.write("people.yaml", CONFIG);
    folder.write("in/a.csv", "id,name\n1,Ann\n2,Bob\n");
    folder.write("in/b.json", r#"[{"id": 2, "name": "Bob"}, {"id": 3, "name": "Cyd"}]"#);
    folder
}

#[test]
fn a_run_loads_once_and_shows_every_file_and_the_second_one_adds_nothing() {
    let folder = people();

    let first = run(elt(&folder, &["run", "--once", "people.yaml"]));
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let (headline, report) = first.stdout.split_once("\n\n").expect("a headline");
    assert!(headline.contains(" of people: clean in "), "{headline}");
    let (tables, facts) = report.split_once("\n\n  table").expect("facts");
    insta::assert_snapshot!(tables, @r#"
      file       read  inserted  updated  duplicate  quarantined  filtered  size
      in/a.csv      2         2        0          0            0         0  20 B
      in/b.json     2         1        0          1            0         0  52 B
      all           4         3        0          1            0         0  72 B

      column  type    nulls  because
      id      bigint      0  id is bigint because every value is one
      name    text        0  name is text because in/a.csv:2 has "Ann"
    "#);
    assert!(facts.contains("data/output/people-1.csv"), "{facts}");

    let second = run(elt(&folder, &["run", "--once", "people.yaml"]));
    let all = second.stdout.lines().find(|line| line.trim_start().starts_with("all ")).expect("a line for all");
    assert_eq!(all.split_whitespace().collect::<Vec<_>>()[1..6], ["4", "0", "0", "4", "0"], "{all}");

    let plan = run(elt(&folder, &["plan", "people.yaml"]));
    assert_eq!(plan.code, Some(0), "{}", plan.stderr);
    assert!(plan.stdout.contains("a run would change nothing"), "{}", plan.stdout);
    folder.write("in/c.csv", "id,name,born\n4,Dan,2001-02-03\n");
    let plan = run(elt(&folder, &["plan", "people.yaml"]));
    assert_eq!(plan.code, Some(2), "{}", plan.stderr);
    assert!(plan.stdout.contains("insert 1, update 0 and remove 0 rows"), "{}", plan.stdout);
    assert!(plan.stdout.to_lowercase().contains("add column"), "{}", plan.stdout);
}

/// The tables of a report: what became of the rows, and the columns. Both are the same in a plan and its run.
fn tables(said: &str) -> &str {
    let from = said.find("  file ").expect("the table of files");
    &said[from..said.find("\n\n  table ").expect("the facts")]
}

#[test]
fn a_plan_says_what_the_run_then_does_for_a_new_column_a_wider_type_and_bad_rows() {
    let folder = people();
    assert_eq!(run(elt(&folder, &["run", "--once", "people.yaml"])).code, Some(0));
    for (name, text, statements, numbers) in [
        (
            "new_column.csv",
            "id,name,born\n4,Dan,2001-02-03\n5,Eve,\n",
            &["add column \"born\" date"][..],
            ["6", "2", "0", "4", "0"],
        ),
        (
            "wider_type.csv",
            "id,name\n6.5,Fay\n1,Ann\n",
            &["alter column \"id\" type numeric"][..],
            ["8", "1", "0", "7", "0"],
        ),
        ("bad_rows.csv", "id,name\n7,Gus,what\n8,Hal\n9,\"I\"da\n", &[][..], ["11", "1", "0", "8", "2"]),
    ] {
        folder.write(&format!("in/{name}"), text);
        let plan = run(elt(&folder, &["plan", "people.yaml"]));
        assert_eq!(plan.code, Some(2), "{name}: {}{}", plan.stdout, plan.stderr);
        for statement in statements {
            assert!(plan.stdout.contains(statement), "{name}: {statement}: {}", plan.stdout);
        }
        let ran = run(elt(&folder, &["run", "--once", "people.yaml"]));
        assert_eq!(ran.code, Some(0), "{name}: {}{}", ran.stdout, ran.stderr);
        assert_eq!(tables(&plan.stdout), tables(&ran.stdout), "{name}");
        let all = tables(&ran.stdout).lines().find(|line| line.trim_start().starts_with("all ")).expect("all files");
        assert_eq!(all.split_whitespace().collect::<Vec<_>>()[1..6], numbers, "{name}: {}", ran.stdout);
        let again = run(elt(&folder, &["plan", "people.yaml"]));
        assert_eq!(again.code, Some(0), "{name}: nothing is left to do: {}", again.stdout);
    }
}

#[test]
fn a_check_that_connects_says_how_far_it_got_with_each() {
    let folder = people();
    let good = run(elt(&folder, &["check", "--connect", "people.yaml"]));
    assert_eq!(good.code, Some(0), "{}", good.stderr);
    for line in [
        "source 1 (local): reachable, authenticated, readable",
        "2 files, 72 bytes",
        "files: in/a.csv, in/b.json",
        "columns: id, name",
        "target: reachable, authenticated, writable",
        "no table public.people yet",
    ] {
        assert!(good.stdout.contains(line), "{line}: {}", good.stdout);
    }

    let target = "target: {host: 127.0.0.1, port: 1, user: u, password: canary, database: d, table: people}\n";
    folder.write("bad.yaml", &format!("sources: [{{type: local, path: in}}, {{type: local, path: out}}]\n{target}"));
    let bad = run(elt(&folder, &["check", "--connect", "bad.yaml"]));
    assert_eq!(bad.code, Some(1), "{}", bad.stderr);
    for line in [
        "ok      source 1 (local)",
        "failed  source 2 (local): reachable, authenticated, not readable",
        "failed  target: not reachable",
    ] {
        assert!(bad.stdout.contains(line), "{line}: {}", bad.stdout);
    }
    assert!(bad.stdout.contains("[source_missing]") && bad.stdout.contains("what to do:"), "{}", bad.stdout);
    assert!(!bad.stdout.contains("canary"), "{}", bad.stdout);
    let plan = run(elt(&folder, &["plan", "people.yaml"]));
    assert_eq!(plan.code, Some(2), "trying loads nothing: {}", plan.stdout);
}

#[test]
fn a_source_that_is_not_there_ends_with_1_and_says_what_to_do() {
    let folder = Folder::new();
    folder.write("people.yaml", CONFIG);
    let said = run(elt(&folder, &["run", "--once", "people.yaml"]));
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stdout.contains("[source_missing]") && said.stdout.contains("what to do:"), "{}", said.stdout);
}

#[test]
fn a_watched_folder_is_loaded_again_when_it_changes_until_the_run_is_stopped() {
    let folder = people();
    let mut process = Running::start(elt(&folder, &["run", "--interval", "1", "people.yaml"]));
    process.wait_for_both(" of people: clean", "watching the sources for changes");

    folder.write("in/c.csv", "id,name\n4,Dan\n");

    process.wait_for("in/c.csv");
    process.signal(Signal::SIGINT);
    let (status, said) = process.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(!folder.path().join("data/postgres/data/postmaster.pid").exists(), "the private cluster still runs");
}

#[test]
fn a_window_to_come_is_waited_for_and_now_does_not() {
    let folder = people();
    folder.write("people.yaml", &format!("{CONFIG}start_time: 2999-01-01 00:00\ntimezone: UTC\n"));
    let mut process = Running::start(elt(&folder, &["run", "people.yaml"]));
    process.wait_for("waits for its start time, 2999-01-01 00:00:00 UTC");
    process.signal(Signal::SIGTERM);
    let (status, said) = process.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("stopped"), "{said}");

    let now = run(elt(&folder, &["run", "--now", "--once", "people.yaml"]));
    assert_eq!(now.code, Some(0), "{}", now.stderr);
    assert!(now.stdout.contains(" of people: clean in "), "{}", now.stdout);
}

#[test]
fn output_that_nobody_reads_any_more_is_no_failure() {
    let folder = people();
    let mut command = elt(&folder, &["schema"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("started elt");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}

/// Files and folders below a folder that other accounts may read, except those of the private PostgreSQL.
fn open_to_others(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let metadata = path.symlink_metadata().expect("metadata");
        // As root, the folders let PostgreSQL's account pass through, but not list them.
        let private = if metadata.is_dir() { 0o066 } else { 0o077 };
        if metadata.mode() & private != 0 {
            found.push(format!("{} {:o}", path.display(), metadata.mode()));
        }
        if metadata.is_dir() && path.file_name().is_some_and(|name| name != "postgres") {
            found.extend(open_to_others(&path));
        }
    }
    found
}

#[test]
fn other_accounts_cannot_read_what_elt_writes() {
    let folder = people();
    folder.write("people.yaml", &format!("{CONFIG}output_csv_path: out/all.csv\n"));
    let plain = elt(&folder, &["run", "--once", "people.yaml"]);
    // A usual umask lets everybody read.
    let mut command = Command::new("sh");
    command.args(["-c", "umask 022; exec \"$@\"", "sh"]).arg(plain.get_program()).args(plain.get_args());
    command.current_dir(folder.path()).env("ELT_DATA_DIR", folder.path().join("data")).stdin(Stdio::null());
    let said = run(command);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(open_to_others(&folder.path().join("data")), [""; 0]);
    assert_eq!(open_to_others(&folder.path().join("out")), [""; 0]);
    let data = folder.path().join("data").metadata().expect("the data folder");
    assert_eq!(data.mode() & 0o066, 0, "{:o}", data.mode());
}
