//! How `elt status` is shown: a line for each part of the installation, with its details below, in 80 columns.

use std::fmt::Write;

use chrono::Utc;

use super::standing::{Attention, Part, Standing};
use crate::table::{bytes, count};

/// Columns of the screen.
const WIDTH: usize = 80;
/// Columns before the text of a part.
const INDENT: usize = 16;
/// Details that are shown of each part.
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
        self.part(Part::Database, "database", &format!("PostgreSQL {}, {migrated}", database.server_version));
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

/// What runs wait for, as the end of "3 …".
fn waits_for(reason: &str) -> String {
    match reason {
        "table" => "wait for another run of their table".into(),
        "outage" => "wait for a target, a source or a disk that is away".into(),
        "retry" => "wait for their next attempt".into(),
        "time" => "wait for their start".into(),
        "pause" => "are paused".into(),
        "limit" => "wait because as many as may are at work".into(),
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
fn cut(text: &str, width: usize) -> String {
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
    use chrono::TimeDelta;
    use elt_shared::store::gauges::Gauge;
    use elt_shared::store::status::{FailingPipeline, RetentionBehind, ScheduleInNeed};
    use elt_shared::store::workers::Worker;
    use uuid::Uuid;

    use super::super::api::Api;
    use super::super::standing::{Database, Disk};
    use super::*;

    fn gauge(name: &str, label: &str, value: f64) -> Gauge {
        Gauge { name: name.into(), label: (!label.is_empty()).then(|| label.into()), value }
    }

    fn worker(host: &str, version: &str, running: i64, state: &str) -> Worker {
        Worker {
            id: format!("w-{host}"),
            host: host.into(),
            pid: 7,
            version: version.into(),
            queue: "elt".into(),
            concurrency: 4,
            started_at: Utc::now() - TimeDelta::hours(50),
            heartbeat_at: Utc::now(),
            stopping: state == "stopping",
            takes_nothing_because: None,
            drain_asked_at: None,
            drain_asked_by: None,
            stopped_at: None,
            state: state.into(),
            running,
        }
    }

    fn well() -> Standing {
        Standing {
            database: Database { server_version: "17.6".into(), missing_migrations: 0 },
            api: Api {
                url: "http://127.0.0.1:8080".into(),
                is_required: false,
                answers: true,
                ready: true,
                reason: None,
            },
            gauges: vec![
                gauge("elt_workers_alive", "", 1.0),
                gauge("elt_slots", "", 4.0),
                gauge("elt_slots_used", "", 2.0),
                gauge("elt_runs", "running", 2.0),
                gauge("elt_runs_finished_24h", "succeeded", 1_310.0),
                gauge("elt_rows_inserted_24h", "", 1_234_567.0),
                gauge("elt_schedules", "active", 12.0),
            ],
            workers: vec![worker("alpha", "0.1.0", 2, "working")],
            failing: Vec::new(),
            schedules: Vec::new(),
            retention: Vec::new(),
            disk: Some(Disk { folder: "/var/lib/elt".into(), size: 100_000_000_000, free: 82_000_000_000 }),
        }
    }

    fn shown(standing: &Standing) -> String {
        render(standing, &standing.attention(), false)
    }

    #[test]
    fn all_is_well() {
        insta::assert_snapshot!(shown(&well()), @r"
        ✓ database    PostgreSQL 17.6, up to date
        ✓ API         ready at http://127.0.0.1:8080
        ✓ workers     1 takes runs, 2 of 4 slots used
                      alpha  0.1.0  queue elt  2/4 slots  up 2 days
        ✓ queue       2 running, 0 due
        ✓ runs        1,310 succeeded, 0 failed, 1,234,567 rows in 24 hours
        ✓ schedules   12 live
        ✓ retention   up to date
        ✓ disk here   82.0 GB of 100.0 GB free, /var/lib/elt

        All is well.
        ");
    }

    #[test]
    fn what_needs_attention_is_marked_and_listed() {
        let failing = |name: &str, recovered| FailingPipeline {
            name: name.into(),
            failed: 3,
            ended: 40,
            recovered,
            run_id: Uuid::nil(),
            failed_at: Utc::now() - TimeDelta::minutes(5),
            error_code: Some("target_unreachable".into()),
            error: Some("could not connect".into()),
        };
        let schedule = |name: &str, error: Option<&str>| ScheduleInNeed {
            id: Uuid::nil(),
            name: name.into(),
            queue: "elt".into(),
            error: error.map(Into::into),
            late_by_seconds: 700.0,
        };
        let mut standing = well();
        standing.api = Api { is_required: true, reason: Some("Connection refused".into()), ..Api::default() };
        standing.api.url = "https://elt.example.com".into();
        standing.gauges.extend([
            gauge("elt_oldest_queued_seconds", "", 1_240.0),
            gauge("elt_runs_waiting", "worker", 12.0),
            gauge("elt_runs_waiting", "table", 4.0),
            gauge("elt_runs_waiting", "retry", 30.0),
            gauge("elt_runs_unknown", "", 1.0),
            gauge("elt_runs_finished_24h", "failed", 6.0),
            gauge("elt_schedules_failing", "", 1.0),
        ]);
        standing.workers.push(worker("a-host-with-a-name-that-is-far-too-long", "0.2.0", 0, "stopping"));
        standing.failing = vec![failing("orders", false), failing("people", true)];
        standing.schedules =
            vec![schedule("sftp-orders", Some(&"no such folder\n".repeat(20))), schedule("late", None)];
        let behind = |kind: &str, place: &str, failure: Option<&str>| RetentionBehind {
            kind: kind.into(),
            place: place.into(),
            failure: failure.map(Into::into),
        };
        standing.retention =
            vec![behind("log_lines", "", None), behind("files", "target shop", Some("the login may not delete"))];
        standing.disk = Some(Disk { folder: "/var/lib/elt".into(), size: 100_000_000_000, free: 900_000_000 });
        let shown = shown(&standing);
        insta::assert_snapshot!(shown, @r"
        ✓ database    PostgreSQL 17.6, up to date
        ! API         https://elt.example.com does not answer
        ! workers     1 takes runs, 2 of 4 slots used
                      alpha                     0.1.0  queue elt  2/4 slots  up 2 days
                      a-host-with-a-name-that…  0.2.0  queue elt  0/4 slots  stopping
        ! queue       2 running, 12 due, the oldest for 21 min
                      4 wait for another run of their table
                      30 wait for their next attempt
        ! runs        1,310 succeeded, 6 failed, 1,234,567 rows in 24 hours
                      orders: 3 of 40 failed, 5 min ago: target_unreachable
                      people: 3 of 40 failed, 5 min ago: target_unreachable, recovered
        ! schedules   12 live, 1 cannot look at their sources
                      sftp-orders: no such folder no such folder no such folder no su…
                      late: 12 min late (queue elt)
        ! retention   could not delete everything that is old
                      log_lines: more is deleted in the next turn
                      files in target shop: the login may not delete
        ! disk here   900.0 MB of 100.0 GB free, /var/lib/elt

        Needs attention:
        - the API at https://elt.example.com is not ready: Connection refused
        - workers run other versions than 0.1.0: 0.2.0 (a-host-with-a-name-that-is-fa…
        - a run has been due for 21 min
        - of one run it is unknown whether it loaded
        - orders fails: target_unreachable
        - the schedule of sftp-orders cannot look at its sources
        - and 3 more (--json lists all)
        ");
        assert!(shown.lines().all(|line| line.chars().count() <= WIDTH), "{shown}");
    }

    #[test]
    fn a_database_without_migrations_shows_no_numbers() {
        let database = Database { server_version: "15.4".into(), missing_migrations: 3 };
        let mut standing = Standing::of_old_database(database);
        standing.api = Api { url: "http://127.0.0.1:8080".into(), reason: Some("refused".into()), ..Api::default() };
        insta::assert_snapshot!(shown(&standing), @r"
        ! database    PostgreSQL 15.4, lacks 3 migrations of elt 0.1.0
        - API         none at http://127.0.0.1:8080 (--url names another)

        Needs attention:
        - the control database lacks 3 migrations: run `elt migrate`
        ");
    }

    #[test]
    fn colours_are_for_terminals() {
        let standing = well();
        assert!(!render(&standing, &[], false).contains('\x1b'));
        assert!(render(&standing, &[], true).contains("\x1b[32m✓\x1b[0m"));
    }

    #[test]
    fn ages_are_rough() {
        let ages = [0.2, 99.0, 130.0, 5_400.0, 9_000.0, 259_200.0, -4.0].map(age);
        assert_eq!(ages, ["0 s", "99 s", "2 min", "90 min", "2 h", "3 days", "0 s"]);
    }
}
