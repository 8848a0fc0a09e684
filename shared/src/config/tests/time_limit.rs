//! The time of a check is proportional to the length of the text, however the text is written.

use std::fs::read_to_string;
use std::time::Instant;

use super::*;
use crate::config::TimeLimit;

/// Nanoseconds this thread has spent on a processor.
pub(super) fn processor_time() -> u64 {
    let stat = read_to_string("/proc/thread-self/schedstat").expect("the kernel counts processor time");
    stat.split(' ').next().and_then(|time| time.parse().ok()).expect("nanoseconds")
}

/// Processor time of a whole check, in milliseconds.
fn cost(text: &str) -> f64 {
    let before = processor_time();
    let document = Document::parse(text).unwrap();
    let _ = document.pipeline(&NoReferences);
    document.warnings();
    document.masked();
    (processor_time() - before) as f64 / 1e6
}

/// As many repetitions as fit into `size` bytes.
fn repeat(part: &str, size: usize) -> String {
    part.repeat(size / part.len())
}

/// A value behind an anchor and, beside it, as many aliases of it as fit into `size` bytes.
fn aliases(anchored: &str, alias: &str, size: usize) -> String {
    format!("a: {anchored}\nb: [{}x]\n", repeat(&format!("{alias}, "), size))
}

/// Texts of about `size` bytes that are difficult to mask.
fn texts(size: usize) -> Vec<(&'static str, String)> {
    let half = size / 2;
    // Escaped line ends are long to write and mean nothing.
    let folded = format!("\"x\\\n{}  y\"", repeat(" \\\n", half));
    let passwords = (8..).step_by(4).map(|length| format!("- password: {}\n", repeat("a1", length)));
    let lengths = passwords.scan(0, |used, password| {
        *used += password.len();
        (*used < size).then_some(password)
    });
    vec![
        ("a secret that overlaps itself", format!("password: {}\n", repeat("a1", size))),
        ("users in a URL", format!("url: x://{}h/d\n", repeat("a:b@", size))),
        ("aliases of a folded text", aliases(&format!("&a {folded}"), "*a", half)),
        ("aliases behind white space", aliases(&format!("&a{}\n  x", repeat(" \n", half)), "*a", half)),
        ("aliases behind comments", aliases(&format!("&a{}\n  x", repeat(" #c\n", half)), "*a", half)),
        ("unknown keys", (0..size / 8).map(|at| format!("k{at:05}: \n")).collect()),
        ("aliases of a folded key", aliases(&format!("&a {folded}"), "{*a : }", half)),
        ("aliases of a secret", aliases(&format!("&a {{password: {folded}}}"), "*a", half)),
        ("secrets that begin alike", format!("p:\n{}", lengths.collect::<String>())),
        ("a secret in messages", format!("sources:\n{}token: {}\n", "- type: a1a1\n".repeat(90), repeat("a1", size))),
        ("assignments in a comment", format!("a: 1 # {}\n", repeat("x= :", size))),
    ]
}

#[test]
fn a_check_takes_time_in_proportion_to_the_text() {
    for ((name, small), (_, large)) in texts(16 * 1024).into_iter().zip(texts(64 * 1024)) {
        // Processor time varies with what else the machine does, so the smallest of several measurements counts.
        let (mut small_cost, mut large_cost) = (f64::MAX, f64::MAX);
        for _ in 0..10 {
            small_cost = small_cost.min(cost(&small));
            large_cost = large_cost.min(cost(&large));
            if large_cost < 8.0 * small_cost.max(5.0) {
                break;
            }
        }
        println!("{name}: {} bytes {small_cost:.0} ms, {} bytes {large_cost:.0} ms", small.len(), large.len());
        // Four times the text takes sixteen times as long when a check is quadratic.
        assert!(large_cost < 8.0 * small_cost.max(5.0), "{name}: {small_cost} ms became {large_cost} ms");
    }
}

#[test]
fn a_check_stops_when_its_time_is_up() {
    let text = format!("a: [{}]\n", "b, ".repeat(1_000));
    let time_limit = TimeLimit::default();
    let document = Document::parse_within(&text, &time_limit).unwrap();
    time_limit.cancel();
    let late = "the check took too long and was stopped";
    assert!(document.pipeline_within(&NoReferences, &time_limit).unwrap_err().to_string().contains(late));
    assert!(Document::parse_within(&text, &time_limit).unwrap_err().to_string().contains(late));
    let over = TimeLimit::until(Instant::now());
    assert!(Document::parse_within(&text, &over).unwrap_err().to_string().contains(late));
}
