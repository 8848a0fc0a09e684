//! What was measured, a line a work: the least, the median and the most of all rounds, beside the goal.

use std::fmt;

/// What a work must reach.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// At most so many times the seconds of `\copy`.
    Times(f64),
    /// At least so many times the rows a second of the first load; and how many they were.
    Speed { least: f64, was: f64 },
    /// It is only shown.
    None,
}

/// One run.
pub struct Measured {
    pub what: String,
    pub seconds: f64,
    /// Its seconds against those of `\copy`.
    pub ratio: f64,
    /// The whole command's.
    pub command: f64,
    pub memory: u64,
    pub goal: Goal,
    pub most_memory: u64,
}

/// All runs, by work.
#[derive(Default)]
pub struct Table(Vec<(String, Vec<Measured>)>);

impl Table {
    pub fn add(&mut self, run: Measured) {
        match self.0.iter_mut().find(|(what, _)| *what == run.what) {
            Some((_, runs)) => runs.push(run),
            None => self.0.push((run.what.clone(), vec![run])),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{:<36} {:>8}  {:>20}  {:>9}  {:>8}  goal",
            "work", "seconds", "x \\copy (least-median-most)", "x command", "MB (most)"
        )?;
        for (what, runs) in &self.0 {
            let [low, middle, high] = range(runs.iter().map(|run| run.ratio));
            let [_, seconds, _] = range(runs.iter().map(|run| run.seconds));
            let [_, command, _] = range(runs.iter().map(|run| run.command));
            let memory = runs.iter().map(|run| run.memory).max().unwrap_or_default();
            let ratios = format!("{low:.2} - {middle:.2} - {high:.2}");
            writeln!(
                out,
                "{what:<36} {seconds:8.2}  {ratios:>27}  {command:9.2}  {memory:>9}  {}",
                verdict(runs, middle, memory)
            )?;
        }
        Ok(())
    }
}

/// What the goal is, and whether the median reaches it.
fn verdict(runs: &[Measured], ratio: f64, memory: u64) -> String {
    let met = |met: bool| if met { "met" } else { "MISSED" };
    let most_memory = runs[0].most_memory;
    let speed = match runs[0].goal {
        Goal::Times(most) => format!("<= {most} x: {}", met(ratio <= most)),
        Goal::Speed { least, .. } => {
            let were = runs.iter().filter_map(|run| match run.goal {
                Goal::Speed { was, .. } => Some(was),
                Goal::Times(_) | Goal::None => None,
            });
            let [low, was, high] = range(were);
            format!(">= {least} of W1's rows/s: {low:.2} - {was:.2} - {high:.2}, {}", met(was >= least))
        }
        Goal::None => "(no goal)".to_owned(),
    };
    format!("{speed}; <= {most_memory} MB: {}", met(memory <= most_memory))
}

/// The least, the median and the most.
fn range(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}
