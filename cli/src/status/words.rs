//! Words for people: ages, what runs wait for, and lines of a bounded length.

/// What runs wait for, as the end of "3 …".
pub fn waits_for(reason: &str) -> String {
    match reason {
        "table" => "wait for another run of their table".into(),
        "outage" => "wait for a target, a source or a disk that is away".into(),
        "retry" => "wait for their next attempt".into(),
        "time" => "wait for their start".into(),
        "pause" => "are paused".into(),
        "limit" => "wait because a limit of runs at work is reached".into(),
        "answer" => "may have loaded and wait for their target's answer".into(),
        other => format!("wait: {other}"),
    }
}

/// Seconds as people say them, roughly: `40 s`, `5 min`, `3 h`, `2 days`.
pub fn age(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    match seconds {
        0.0..100.0 => format!("{seconds:.0} s"),
        100.0..6_000.0 => format!("{:.0} min", seconds / 60.0),
        6_000.0..172_800.0 => format!("{:.0} h", seconds / 3_600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

/// A text on one line, of this many characters at most.
pub fn cut(text: &str, width: usize) -> String {
    let mut shown: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(width.saturating_add(1)).collect();
    if shown.chars().count() > width {
        shown = shown.chars().take(width.saturating_sub(1)).collect();
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_rough() {
        let ages = [0.2, 99.0, 130.0, 5_400.0, 9_000.0, 259_200.0, -4.0].map(age);
        assert_eq!(ages, ["0 s", "99 s", "2 min", "90 min", "2 h", "3 days", "0 s"]);
    }
}
