//! How `elt status` is shown: a line for each part of the installation, with its details below, in 80 columns.

use std::fmt::Write;

use chrono::Utc;

use super::standing::{Attention, Part, Standing};
use super::words::{age, cut, waits_for};
use crate::table::{bytes, count};

/// Columns of the screen.
const WIDTH: usize = 80;
/// Columns before the text of a part.
const INDENT: usize = 16;
/// Most details that are shown of each part.
const MOST_SHOWN: usize = 6;

/// The screen, without a line break at its end.
pub fn render(standing: &Standing, attention: &[Attention], colour: bool) -> String {
    let mut screen = Screen { text: String::new(), attention, colour };
    screen.database(standing);
    screen.api(standing);
    if standing.has_numbers() {
        screen.workers(standing);
        screen.queue(standing);
        screen.runs(standing);
        screen.schedules(standing);
        screen.retention(standing);
    }
    screen.disk(standing);
    screen.verdict();
    screen.text.trim_end().to_owned()
}

struct Screen<'a> {
    text: String,
    attention: &'a [Attention],
    colour: bool,
}

impl Screen<'_> {
    fn database(&mut self, standing: &Standing) {
        let database = &standing.database;
        let migrated = match database.missing_migrations {
            0 => "up to date".to_owned(),
            missing => format!("lacks {missing} migrations of elt {}", env!("CARGO_PKG_VERSION")),
        };
        let read_only = if database.read_only.is_some() { ", read-only" } else { "" };
        let found = format!("PostgreSQL {}, {migrated}{read_only}", database.server_version);
        self.part(Part::Database, "database", &found);
    }

    fn api(&mut self, standing: &Standing) {
        let api = &standing.api;
        match (&api.reason, api.ready) {
            (_, true) => self.part(Part::Api, "API", &format!("ready at {}", api.url)),
            (Some(reason), _) if api.answers => self.part(Part::Api, "API", &format!("{} answers {reason}", api.url)),
            _ if api.is_required => self.part(Part::Api, "API", &format!("{} does not answer", api.url)),
            // It may run on another machine, so it is neither well nor a problem.
            _ => self.line("-", "API", &format!("none at {} (--url names another)", api.url)),
        }
    }

    fn workers(&mut self, standing: &Standing) {
        let (total, used) = (standing.count("elt_slots", None), standing.count("elt_slots_used", None));
        let said = match standing.count("elt_workers_alive", None) {
            0 => "none takes runs".to_owned(),
            1 => format!("1 takes runs, {used} of {total} slots used"),
            workers => format!("{workers} take runs, {used} of {total} slots used"),
        };
        self.part(Part::Workers, "workers", &said);
        let width = standing.workers.iter().map(|worker| worker.host.chars().count()).max().unwrap_or(0).min(24);
        self.details(&standing.workers, |worker| {
            let up = age((Utc::now() - worker.started_at).as_seconds_f64());
            let is_working = worker.state == "working";
            let state = match &worker.takes_nothing_because {
                Some(reason) if is_working => format!("takes nothing: {reason}"),
                _ if is_working => format!("up {up}"),
                _ => worker.state.clone(),
            };
            let slots = format!("{}/{}", worker.running, worker.concurrency);
            format!(
                "{:<width$}  {}  queue {}  {slots} slots  {state}",
                cut(&worker.host, 24),
                worker.version,
                worker.queue
            )
        });
    }

    fn queue(&mut self, standing: &Standing) {
        let due =
            standing.counts("elt_runs_waiting").find(|(reason, _)| *reason == "worker").map_or(0, |(_, runs)| runs);
        let mut said = format!("{} running, {} due", count(standing.count("elt_runs", Some("running"))), count(due));
        let oldest = standing.gauge("elt_oldest_queued_seconds", None);
        if due > 0 {
            let _ = write!(said, ", the oldest for {}", age(oldest));
        }
        self.part(Part::Queue, "queue", &said);
        let waiting: Vec<_> = standing.counts("elt_runs_waiting").filter(|(reason, _)| *reason != "worker").collect();
        self.details(&waiting, |(reason, runs)| format!("{} {}", count(*runs), waits_for(reason)));
    }

    fn runs(&mut self, standing: &Standing) {
        let ended = |state| count(standing.count("elt_runs_finished_24h", Some(state)));
        let rows = count(standing.count("elt_rows_inserted_24h", None));
        let said = format!("{} succeeded, {} failed, {rows} rows in 24 hours", ended("succeeded"), ended("failed"));
        self.part(Part::Runs, "runs", &said);
        self.details(&standing.failing, |pipeline| {
            let ago = age((Utc::now() - pipeline.failed_at).as_seconds_f64());
            let code = pipeline.error_code.as_deref().unwrap_or("failed");
            let since = if pipeline.recovered { ", recovered" } else { "" };
            format!("{}: {} of {} failed, {ago} ago: {code}{since}", pipeline.name, pipeline.failed, pipeline.ended)
        });
        match standing.count("elt_host_keys_waiting", None) {
            0 => {}
            keys => self.detail(&format!("{keys} host keys of SFTP servers wait for an admin")),
        }
    }

    fn schedules(&mut self, standing: &Standing) {
        let live: u64 = standing.counts("elt_schedules").map(|(_, schedules)| schedules).sum();
        let failing = standing.count("elt_schedules_failing", None);
        let failing = if failing > 0 { format!(", {failing} cannot look at their sources") } else { String::new() };
        self.part(Part::Schedules, "schedules", &format!("{live} live{failing}"));
        self.details(&standing.schedules, |schedule| match &schedule.error {
            Some(error) => format!("{}: {error}", schedule.name),
            None => format!("{}: {} late (queue {})", schedule.name, age(schedule.late_by_seconds), schedule.queue),
        });
    }

    fn retention(&mut self, standing: &Standing) {
        let said = match standing.retention.iter().any(|behind| behind.failure.is_some()) {
            true => "could not delete everything that is old",
            false if standing.retention.is_empty() => "up to date",
            false => "catching up",
        };
        self.part(Part::Retention, "retention", said);
        self.details(&standing.retention, |behind| {
            let place = if behind.place.is_empty() { String::new() } else { format!(" in {}", behind.place) };
            let why = behind.failure.as_deref().unwrap_or("more is deleted in the next turn");
            format!("{}{place}: {why}", behind.kind)
        });
    }

    fn disk(&mut self, standing: &Standing) {
        let Some(disk) = &standing.disk else { return };
        let shown = |bytes_: i64| bytes(bytes_.unsigned_abs());
        let said = format!("{} of {} free, {}", shown(disk.free), shown(disk.size), disk.folder.display());
        self.part(Part::Disk, "disk here", &said);
    }

    fn verdict(&mut self) {
        self.text.push('\n');
        if self.attention.is_empty() {
            let well = self.painted("All is well.", "32");
            let _ = writeln!(self.text, "  {well}");
            return;
        }
        let needs = self.painted("Needs attention:", "1;31");
        let _ = writeln!(self.text, "  {needs}");
        for attention in self.attention.iter().take(MOST_SHOWN) {
            let _ = writeln!(self.text, "  - {}", cut(&attention.what, WIDTH - 4));
        }
        if let Some(more) = self.attention.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0) {
            let _ = writeln!(self.text, "  - and {more} more (--json lists all)");
        }
    }

    /// The line of a part, with a mark that says whether it needs attention.
    fn part(&mut self, part: Part, name: &str, said: &str) {
        let needs = self.attention.iter().any(|attention| attention.part == part);
        let mark = if needs { self.painted("!", "1;31") } else { self.painted("✓", "32") };
        self.line(&mark, name, said);
    }

    fn line(&mut self, mark: &str, name: &str, said: &str) {
        let _ = writeln!(self.text, "  {mark} {name:<12}{}", cut(said, WIDTH - INDENT));
    }

    fn details<T>(&mut self, items: &[T], line: impl Fn(&T) -> String) {
        for item in items.iter().take(MOST_SHOWN) {
            self.detail(&line(item));
        }
        if let Some(more) = items.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0) {
            self.detail(&format!("and {more} more (--json lists all)"));
        }
    }

    fn detail(&mut self, said: &str) {
        let line = cut(said, WIDTH - INDENT);
        let line = self.painted(&line, "2");
        let _ = writeln!(self.text, "{:INDENT$}{line}", "");
    }

    /// A text in a colour of the terminal: 1 is bold, 2 dim, 31 red, 32 green.
    fn painted(&self, text: &str, style: &str) -> String {
        if self.colour { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests;
