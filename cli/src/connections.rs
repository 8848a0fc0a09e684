//! What a test of the connections showed, a paragraph a source and one for the target.

use elt_shared::runs::ProbeReport;

use crate::table::seconds;

/// `source 1 (local): reachable, authenticated, readable (0.01 s)`, what was found, and what to do where it was not.
pub fn of(tried: &[ProbeReport]) -> String {
    tried.iter().map(paragraph).collect::<Vec<_>>().join("\n")
}

fn paragraph(tried: &ProbeReport) -> String {
    let mark = if tried.usable { "ok" } else { "failed" };
    let mut lines = vec![format!("  {mark:<6}  {}: {} ({})", tried.what, reached(tried), seconds(tried.seconds))];
    let mut add = |text: String| lines.push(format!("          {text}"));
    if !tried.found.is_empty() {
        add(tried.found.clone());
    }
    if !tried.files.is_empty() {
        add(format!("files: {}", files(tried)));
    }
    if !tried.columns.is_empty() {
        add(format!("columns: {}", tried.columns.join(", ")));
    }
    for note in &tried.notes {
        add(note.clone());
    }
    if let Some(problem) = &tried.problem {
        add(format!("{} [{}]", problem.message, problem.code));
        add(format!("what to do: {}", problem.next_step));
    }
    // What a server calls its files and columns must not move the cursor.
    lines.iter().map(|line| line.replace(char::is_control, "\u{fffd}")).collect::<Vec<_>>().join("\n")
}

/// How far a connection came, in words.
fn reached(tried: &ProbeReport) -> String {
    let used = if matches!(tried.what.as_str(), "target" | "combined CSV") { "writable" } else { "readable" };
    let steps = [(tried.reachable, "reachable"), (tried.authenticated, "authenticated"), (tried.usable, used)];
    let got = steps.iter().take_while(|(done, _)| *done).map(|(_, step)| (*step).to_owned());
    let missed = steps.iter().find(|(done, _)| !done).map(|(_, step)| format!("not {step}"));
    got.chain(missed).collect::<Vec<_>>().join(", ")
}

fn files(tried: &ProbeReport) -> String {
    let names: Vec<&str> = tried.files.iter().map(|file| file.name.as_str()).collect();
    let more = tried.files_total.saturating_sub(names.len() as u64);
    if more == 0 { names.join(", ") } else { format!("{} and {more} more", names.join(", ")) }
}
