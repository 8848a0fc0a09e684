//! The pages for operators do what they say: their blocks are run in order, as they are written, on one machine.
//!
//! # Layout
//! - `page`: the pages and their blocks
//! - `machine`: a folder in place of a machine, with a real PostgreSQL server and real services
//! - `stand_ins.sh`: the programs that a test cannot run as they are, such as `systemctl`

mod machine;
pub mod page;

use std::path::Path;
use std::process::Command;

pub use machine::tools;

use machine::Machine;

use crate::chart::scaler_query;
use crate::support::{Folder, run, up};

#[tokio::test]
async fn the_blocks_of_the_operator_pages_do_what_the_pages_say() {
    let machine = Machine::new().await;
    for page in page::ON_ONE_MACHINE.map(page::read) {
        let said = machine.run(&page);
        for expected in expected(&page.name) {
            assert!(said.contains(expected), "{} did not say {expected:?}:\n{said}\n{}", page.name, machine.lines());
        }
    }
    // What KEDA asks is answered to the login it uses: no run is due or at work.
    assert_eq!(machine.value("release/elt-secrets/worker_url", &scaler_query()), "0");
}

#[test]
fn a_shell_can_read_every_block_of_every_page() {
    let folder = Folder::new();
    for page in page::all() {
        for block in page.blocks.iter().filter(|block| block.is_shell()) {
            let file = folder.write("block.sh", &block.text);
            let status = Command::new("bash").arg("-n").arg(file).status().expect("ran the shell");
            assert!(status.success(), "{}:{}", page.name, block.line);
        }
    }
}

#[test]
fn the_page_of_backups_saves_and_restores_a_private_installation() {
    let folder = Folder::new();
    let up = up(&folder, &[]);
    let mut script = String::from("set -euo pipefail\n");
    for block in page::read("backup.md").blocks.iter().filter(|block| block.is_shell()) {
        script.push_str(&block.text);
    }
    let programs = Path::new(env!("CARGO_BIN_EXE_elt")).parent().expect("its folder").display();
    let mut shell = Command::new("bash");
    shell.arg(folder.write("backup.sh", &script)).current_dir(folder.path()).env("HOME", folder.path());
    shell.env("PATH", format!("{programs}:{}", std::env::var("PATH").expect("a PATH")));
    shell.env("ELT_DATA_DIR", folder.path().join("data")).env("BACKUPS", folder.path().join("backups"));
    let said = run(shell);
    up.stop();
    assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("admin"), "the users of the copy: {}", said.stdout);
}

/// Makes the databases as on a managed server, where people get no superuser, and a second time.
const MANAGED: &str = r#"
set -euo pipefail
psql --quiet --no-psqlrc --dbname postgres --command "create role chief login createrole createdb password 'of the chief'"
deploy/make-secrets.sh "$PWD/managed" "$PGHOST:$PGPORT"
export PGUSER=chief PGPASSWORD='of the chief' ELT_SECRETS=$PWD/managed
deploy/postgres/init.sh
deploy/postgres/init.sh
DATABASE_URL_FILE=managed/owner_url "$PWD/elt" migrate
"#;

#[tokio::test]
async fn a_login_that_is_no_superuser_makes_the_databases_as_well() {
    let machine = Machine::new().await;
    machine.execute("managed", MANAGED);
    let owners = "select string_agg(datname || ' of ' || pg_get_userbyid(datdba), ', ' order by datname)
        from pg_database where datname like 'elt%'";
    assert_eq!(machine.value("release/managed/owner_url", owners), "elt of elt, elt_db of elt_target");
    assert_eq!(machine.value("release/managed/worker_url", "select count(*) from elt.runs"), "0");
    machine.value("release/managed/target_url", "create table public.loaded (id bigint)");
    // Those of the provider stay as they are.
    let open = "select string_agg(datname, ', ' order by datname) from pg_database
        where datallowconn and has_database_privilege(current_user, oid, 'connect')";
    assert_eq!(machine.value("release/managed/target_url", open), "elt_db, postgres, template1");
}

/// What the blocks of a page print when all is well.
fn expected(page: &str) -> &'static [&'static str] {
    match page {
        "install.md" => &[r#"{"status":"ok"}"#, "the secrets are in", "Ann", "(2 rows)"],
        // The person's address, not the proxy's; the page of numbers is closed; the live page flows.
        "reverse-proxy.md" => &["127.0.0.2", "}404\n", "event: log", "invalid_credentials"],
        "sizing.md" => &["elt_serve", "elt_work"],
        "troubleshooting.md" => &["elt-api is running", "HTTP/1.1 200 OK", "elt 0."],
        "kubernetes.md" => &["secret/elt-secrets", " manifests, 0 problems"],
        _ => &[],
    }
}
