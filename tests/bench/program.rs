//! Other programs that a bench runs: `elt` as people start it, and `psql`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::database::Databases;

/// Runs a config once, in a process of its own. Returns the seconds of the command and its peak memory in megabytes.
pub async fn run_once(databases: &Databases, config: &Path, data: &Path) -> (f64, u64) {
    let mut command = Command::new(std::env::var_os("ELT_BIN").expect("ELT_BIN names the elt program"));
    command.args(["run", "--once"]).arg(config).stdout(Stdio::null()).stderr(Stdio::null());
    command.env("DATABASE_URL", databases.control_url().await);
    command.env("ELT_TARGET_URL", databases.target_url()).env("ELT_DATA_DIR", data);
    let started = Instant::now();
    let mut child = command.spawn().expect("elt starts");
    let mut memory = 0;
    let status = loop {
        memory = memory.max(peak_megabytes(child.id()));
        match child.try_wait().expect("elt is our child") {
            Some(status) => break status,
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    assert!(status.success(), "{}: {status}", config.display());
    (started.elapsed().as_secs_f64(), memory)
}

/// Runs a script against a database.
pub fn psql(url: &str, script: &Path) {
    let done = Command::new("psql").args(["-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(script).arg(url).status();
    assert!(done.expect("psql runs").success(), "psql ran the script");
}

/// Peak memory of a process so far.
fn peak_megabytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1_024
}
