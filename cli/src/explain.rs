//! `elt explain`: what an error code means.

use clap::Args;
use elt_shared::explained::Code;
use elt_shared::explained::catalog::GROUPS;

use crate::exit::{Exit, refuse};
use crate::out;

/// Explains an error code, or lists all of them
///
/// Every problem that elt reports has a stable code: in `[brackets]` in what `elt run` prints, as `error_code` of a run, as
/// `code` in an answer of the API, and for every row in quarantine.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  elt explain target_locked
  elt explain                  # all codes")]
pub struct Explain {
    /// The code, `target_locked` for example; without it, all codes are listed
    code: Option<String>,
}

impl Explain {
    pub fn execute(&self) -> anyhow::Result<Exit> {
        let said = match &self.code {
            Some(text) => explanation(Code::find(text).ok_or_else(|| unknown(text))?),
            None => list(),
        };
        out::print(&said);
        Ok(Exit::Done)
    }
}

fn explanation(code: Code) -> String {
    let entry = code.entry();
    format!(
        "{code}  ({})\n\n{} {}\n\nWhat to do: {}\n\nExample: {}",
        entry.seen(),
        entry.happened,
        entry.why,
        entry.next_step,
        entry.example
    )
}

/// Every code with what happened, by subject.
fn list() -> String {
    let groups = GROUPS.iter().map(|group| {
        let lines = group.entries.iter().map(|entry| format!("  {:<28}{}", entry.code, entry.happened));
        format!("{}\n{}", group.title, lines.collect::<Vec<_>>().join("\n"))
    });
    groups.collect::<Vec<_>>().join("\n\n")
}

fn unknown(text: &str) -> anyhow::Error {
    let next_step = match Code::nearest(text) {
        Some(code) => format!("Did you mean {code}? `elt explain` lists all codes."),
        None => "`elt explain` lists all codes.".to_owned(),
    };
    refuse(Exit::Usage, format!("there is no error code {text:?}"), next_step)
}
