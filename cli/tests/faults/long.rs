//! The long faults, some minutes of them: `make faults`. See `main.rs`.

#[path = "../../../tests/it/support/chaos_proxy.rs"]
#[expect(dead_code, reason = "shared with the tests through the API, which use the rest")]
mod chaos_proxy;
mod clocks;
mod crowd;
mod gate;
mod lost_commits;
mod outages;
mod repeated;
mod slow_source;
#[path = "../cli/support/mod.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line, which use the rest")]
mod support;
#[expect(dead_code, reason = "shared with the short faults, which use the rest")]
mod world;
