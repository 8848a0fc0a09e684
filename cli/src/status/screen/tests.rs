//! The screen of installations that are well, and of others that are not.

use chrono::TimeDelta;
use elt_shared::store::Writable;
use elt_shared::store::api_processes::ApiProcess;
use elt_shared::store::gauges::Gauge;
use elt_shared::store::status::{FailingPipeline, RetentionBehind, ScheduleInNeed};
use elt_shared::store::workers::Worker;
use uuid::Uuid;

use super::*;
use crate::status::api::Api;
use crate::status::standing::{Database, Disk};

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
        database: Database { server_version: "17.6".into(), missing_migrations: 0, read_only: None },
        api: Api { url: "http://127.0.0.1:8080".into(), is_required: false, answers: true, ready: true, reason: None },
        gauges: vec![
            gauge("elt_workers_alive", "", 1.0),
            gauge("elt_slots", "", 4.0),
            gauge("elt_slots_used", "", 2.0),
            gauge("elt_runs", "running", 2.0),
            gauge("elt_runs_finished_24h", "succeeded", 1_310.0),
            gauge("elt_rows_inserted_24h", "", 1_234_567.0),
            gauge("elt_schedules", "active", 12.0),
        ],
        servers: vec![ApiProcess { version: env!("CARGO_PKG_VERSION").into(), host: "alpha".into() }],
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
    standing.schedules = vec![schedule("sftp-orders", Some(&"no such folder\n".repeat(20))), schedule("late", None)];
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
    let database = Database { server_version: "15.4".into(), missing_migrations: 3, read_only: None };
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
fn a_standby_is_named_and_needs_attention() {
    let database =
        Database { server_version: "15.4".into(), missing_migrations: 3, read_only: Writable::Standby.refusal() };
    let shown = shown(&Standing::of_old_database(database));
    assert!(shown.contains("! database    PostgreSQL 15.4, lacks 3 migrations of elt 0.1.0, read-only"), "{shown}");
    assert!(shown.contains("- the control database is a standby, which cannot be written to"), "{shown}");
}

#[test]
fn an_api_of_another_version_needs_attention() {
    let mut standing = well();
    standing.servers.push(ApiProcess { version: "0.0.9".into(), host: "beta".into() });
    let shown = shown(&standing);
    assert!(shown.contains("- API servers run other versions than 0.1.0: 0.0.9 (beta)"), "{shown}");
}

#[test]
fn colours_are_for_terminals() {
    let standing = well();
    assert!(!render(&standing, &[], false).contains('\x1b'));
    assert!(render(&standing, &[], true).contains("\x1b[32m✓\x1b[0m"));
}
