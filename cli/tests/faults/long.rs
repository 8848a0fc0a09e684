//! The long faults, some minutes of them: `make faults`. See `main.rs`.

mod clocks;
mod crowd;
#[expect(dead_code, reason = "shared with the short faults, which use the rest")]
mod gate;
mod repeated;
mod slow_source;
#[path = "../cli/support/mod.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line, which use the rest")]
mod support;
#[expect(dead_code, reason = "shared with the short faults, which use the rest")]
mod world;
