//! The pages for people who write configs do what they say: their configs can run, and their commands are run in order.

use std::path::Path;
use std::process::Command;

use elt_shared::config::{Document, NoReferences};

use crate::operate::page::{self, Block};
use crate::support::orders_api::OrdersApi;
use crate::support::{Folder, run};

/// The host in the pages, in whose place commands call an API of the test.
const HOST: &str = "https://api.example.com";

/// The config in a block, which may be a source alone.
fn config(block: &Block) -> Option<String> {
    if block.info.split(' ').next() != Some("yaml") {
        return None;
    }
    if block.text.contains("\ntarget:") {
        return Some(block.text.clone());
    }
    let source: String = block.text.lines().map(|line| format!("    {line}\n")).collect();
    Some(format!("name: page\nsources:\n  -\n{source}target: {{table: page}}\n"))
}

#[test]
fn every_config_on_the_pages_can_run() {
    let mut configs = 0;
    for page in page::for_configs().into_iter().chain([page::read("notifications.md")]) {
        for block in &page.blocks {
            let Some(text) = config(block) else { continue };
            let document =
                Document::parse(&text).unwrap_or_else(|error| panic!("{}:{} {error}", page.name, block.line));
            let checked = document.pipeline(&NoReferences);
            let checked = checked.unwrap_or_else(|error| panic!("{}:{} {error}", page.name, block.line));
            assert_eq!(checked.warnings, [], "{}:{}", page.name, block.line);
            configs += 1;
        }
    }
    assert!(configs > 2, "{configs}");
}

#[test]
fn the_commands_on_the_pages_do_what_the_pages_say() {
    let api = OrdersApi::start();
    for page in page::for_configs() {
        let folder = Folder::new();
        let mut script = String::from("set -euo pipefail\n");
        for block in &page.blocks {
            if let Some(name) = block.info.strip_prefix("yaml ") {
                folder.write(name, &block.text.replace(HOST, &api.url()));
            }
            if block.is_shell() && !block.is_example() {
                script.push_str(&block.text.replace(HOST, &api.url()));
            }
        }
        let programs = Path::new(env!("CARGO_BIN_EXE_elt")).parent().expect("its folder").display();
        let mut shell = Command::new("bash");
        shell.arg(folder.write("page.sh", &script)).current_dir(folder.path()).env("HOME", folder.path());
        shell.env("PATH", format!("{programs}:{}", std::env::var("PATH").expect("a PATH")));
        shell.env("ELT_DATA_DIR", folder.path().join("data"));
        let said = run(shell);
        assert_eq!(said.code, Some(0), "{}\n{}\n{}", page.name, said.stdout, said.stderr);
    }
}
