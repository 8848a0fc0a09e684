//! The pages for operators do what they say: their blocks are run in order, as they are written, on one machine.
//!
//! # Layout
//! - `page`: the pages and their blocks
//! - `machine`: a folder in place of a machine, with a real PostgreSQL server and real services
//! - `stand_ins.sh`: the programs that a test cannot run as they are, such as `systemctl`

mod machine;
mod page;

pub use machine::tools;

use machine::Machine;

#[tokio::test]
async fn every_block_of_the_operator_pages_does_what_the_page_says() {
    let machine = Machine::new().await;
    for page in page::all() {
        for block in page.blocks.iter().filter(|block| block.is_shell()) {
            assert!(machine.is_readable(block), "{}:{} is not a shell script", page.name, block.line);
        }
        let said = machine.run(&page);
        for expected in expected(&page.name) {
            assert!(said.contains(expected), "{} did not say {expected:?}:\n{said}\n{}", page.name, machine.lines());
        }
    }
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
