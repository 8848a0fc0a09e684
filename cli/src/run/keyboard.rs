//! `g` and Enter stop a run, as they always did.

use std::io::{BufRead, IsTerminal};

use tokio_util::sync::CancellationToken;

/// Listens for `g` on stdin, a terminal or a pipe. True: somebody may type there.
pub fn listen(stop: CancellationToken) -> bool {
    let is_terminal = std::io::stdin().is_terminal();
    if is_terminal && !is_in_the_foreground() {
        return false;
    }
    // A thread of its own: reading a terminal cannot be cancelled, and must not keep the runtime.
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        if lines.into_iter().any(|line| line.trim().eq_ignore_ascii_case("g")) {
            stop.cancel();
        }
    });
    is_terminal
}

/// Reading the terminal from the background (`elt run … &`) would suspend the process.
fn is_in_the_foreground() -> bool {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return true };
    // Behind the program's name: state, parent, process group, session, terminal, the terminal's foreground group.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.get(2) == fields.get(5)
}
