//! Targets, sources and disks that are away: runs wait for them, say so, and go on when they are back.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use elt_shared::queue::sweeper;
use elt_shared::runs::lifecycle::{self, EndedBy, Started, Taken, Wait};
use elt_shared::runs::{End, Failure, Outcome, RunState};
use elt_shared::store::runs::Run;
use elt_shared::store::target_outages::Pauses;
use elt_shared::target::TargetPlace;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::chaos_proxy::ChaosProxy;
use crate::support::closed_port::ClosedPort;
use crate::support::control::Control;
use crate::support::folder::Folder;

/// Pauses that are short enough for a test.
const SOON: &str = "retry: {max_elapsed: 1h, initial_seconds: 1, max_seconds: 2}\n";

/// A proxy before the app's target, and the URL that leads through it.
async fn proxied_target(app: &TestApp) -> (ChaosProxy, String) {
    let mut url = reqwest::Url::parse(&app.target_url()).expect("a URL");
    let upstream: SocketAddr = url.socket_addrs(|| None).expect("an address")[0];
    let proxy = ChaosProxy::start(upstream, []).await;
    url.set_port(Some(proxy.address.port())).expect("a port");
    (proxy, url.to_string())
}

/// A config that loads the app's folder through a proxy.
fn through(app: &TestApp, url: &str, table: &str, more: &str) -> String {
    let target = format!("target: {{url: '{url}', table: {table}}}");
    format!("name: {table}\n{}", app.yaml(table, more).replace(&format!("target:\n  table: {table}"), &target))
}

async fn look(app: &TestApp, run: &Value) -> Value {
    app.get(&format!("/runs/{}", run["id"].as_str().expect("an id"))).await.ok()
}

/// A run, once it has met an outage this often.
async fn after_outages(app: &TestApp, run: &Value, outages: i64) -> Value {
    let waiting = app.eventually(async || {
        let run = look(app, run).await;
        (run["outages"].as_i64() >= Some(outages) && run["state"] == "queued").then_some(run)
    });
    waiting.await.unwrap_or_else(|| panic!("the run did not meet {outages} outages"))
}

#[tokio::test]
async fn a_run_outlives_its_target_and_says_what_it_waits_for_and_since_when() {
    let app = TestApp::start().await;
    let (proxy, url) = proxied_target(&app).await;
    app.folder().write("people.csv", "id\n1\n2\n");
    proxy.go_away();
    let run = app.trigger(&through(&app, &url, "people", SOON)).await;
    // More attempts, over more time, than a run without a budget of time has.
    let waiting = after_outages(&app, &run, 5).await;
    assert_eq!((&waiting["attempt"], &waiting["error"]), (&json!(0), &Value::Null), "{waiting:#}");
    let wait = &waiting["waiting"];
    let what = wait["for"].as_str().expect("a text");
    assert!(what.starts_with("target 127.0.0.1:") && !what.contains('@'), "{what}");
    assert_eq!((&wait["code"], &waiting["waits_for"]), (&json!("target_unreachable"), &wait["for"]), "{waiting:#}");
    assert!(wait["since"].is_string() && wait["next_at"].is_string(), "{waiting:#}");

    proxy.let_through();
    let done = app.finished(&run["id"]).await;
    assert_eq!((&done["state"], &done["attempt"], &done["waiting"]), (&json!("succeeded"), &json!(1), &Value::Null));
    assert_eq!(app.count("people").await, 2);
    assert!(app.control("select 1 from target_outages").await.is_empty(), "the outage is over");
}

#[tokio::test]
async fn one_of_many_runs_tries_to_reach_their_target_and_all_load_when_it_is_back() {
    let app = TestApp::start_with(|options| options.workers = 2).await;
    let (proxy, url) = proxied_target(&app).await;
    app.folder().write("people.csv", "id\n1\n");
    proxy.go_away();
    for number in 0..12 {
        app.trigger(&through(&app, &url, &format!("t_{number}"), SOON)).await;
    }
    let tried =
        "select (select failures from target_outages) as failures, (select count(*) from run_attempts) as attempts";
    let counted = app.eventually(async || {
        let waiting = app.control("select 1 from runs where waits_on is not null").await.len();
        let counted = app.control(tried).await.remove(0);
        (waiting == 12 && counted["failures"].as_i64() >= Some(4)).then_some(counted)
    });
    let counted = counted.await.expect("all wait, and one tries again and again");
    let (failures, attempts) = (counted["failures"].as_i64().unwrap_or(0), counted["attempts"].as_i64().unwrap_or(0));
    // Four runs may have started before the outage was known: two workers with two slots each.
    assert!(attempts <= failures + 4, "{attempts} attempts for {failures} failures of the one that tries");

    proxy.let_through();
    app.finished_all().await;
    let states = app.control("select state, count(*) as n from runs group by state").await;
    assert_eq!(states, [json!({ "state": "succeeded", "n": 12 })]);
    let started = app.control("select max(n) as most from (select count(*) n from run_attempts where outcome <> 'retry' group by run_id) a").await;
    assert_eq!(started[0]["most"], 1, "each went on with one attempt");
}

#[tokio::test]
async fn a_run_gives_up_when_its_time_is_over_and_says_how_long_it_waited_for_what() {
    let app = TestApp::start().await;
    app.folder().write("people.csv", "id\n1\n");
    let closed = ClosedPort::new();
    let url = format!("postgres://ann:hunter2@{}/shop", closed.address);
    let run = app.trigger(&through(&app, &url, "people", "retry: {max_elapsed: 2s, initial_seconds: 1}\n")).await;
    let failed = app.finished(&run["id"]).await;
    assert_eq!((&failed["state"], &failed["error_code"]), (&json!("failed"), &json!("target_unreachable")));
    let error = failed["error"].as_str().expect("a sentence");
    assert!(error.starts_with("the run waited ") && error.contains(" s in vain for target 127.0.0.1:"), "{error}");
    assert!(failed["next_step"].as_str().is_some_and(|step| step.contains("max_elapsed")), "{failed:#}");
    assert!(!failed.to_string().contains("hunter2"));

    let at_once = app.trigger(&through(&app, &url, "people", "retry: {max_elapsed: 0}\n")).await;
    let failed = app.finished(&at_once["id"]).await;
    assert!(failed["error"].as_str().is_some_and(|error| error.contains("cannot be reached")), "{failed:#}");
}

#[tokio::test]
async fn a_run_waits_for_a_source_that_is_away_and_for_a_target_that_is_read_only() {
    let app = TestApp::start().await;
    let closed = ClosedPort::new();
    let source = format!(
        "name: away\nsources: [{{type: api, url: \"http://{}/rows?key=hunter2\"}}]\ntarget: {{table: away}}\n\
         monitor: {{enabled: false}}\n{SOON}",
        closed.address
    );
    let run = app.trigger(&source).await;
    let waiting = after_outages(&app, &run, 1).await;
    assert_eq!(waiting["waiting"]["for"], format!("source http://{}/rows", closed.address), "{waiting:#}");
    app.post(&format!("/runs/{}/stop", run["id"].as_str().expect("an id"))).await.ok();
    assert_eq!(app.finished(&run["id"]).await["state"], "stopped", "a run that waits can be stopped");

    app.folder().write("people.csv", "id\n1\n");
    let read_only = |on: bool| {
        let set = if on { "set default_transaction_read_only = on" } else { "reset default_transaction_read_only" };
        format!("do $$ begin execute format('alter database %I {set}', current_database()); end $$")
    };
    // The session that turns it off must write itself.
    let mut owner = app.target.acquire().await.expect("a connection");
    sqlx::raw_sql(sqlx::AssertSqlSafe(read_only(true))).execute(&mut *owner).await.expect("made read-only");
    let run = app.trigger(&app.yaml("people", SOON)).await;
    let waiting = after_outages(&app, &run, 2).await;
    assert_eq!(waiting["waiting"]["code"], "target_read_only", "{waiting:#}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(read_only(false))).execute(&mut *owner).await.expect("made writable");
    assert_eq!(app.finished(&run["id"]).await["state"], "succeeded");
    assert_eq!(app.count("people").await, 1);
}

#[tokio::test]
async fn a_login_whose_role_is_read_only_fails_at_once() {
    let app = TestApp::start().await;
    app.folder().write("people.csv", "id\n1\n");
    let set = "do $$ begin execute format(
                   'alter role %I in database %I set default_transaction_read_only = on', current_user, current_database());
               end $$";
    sqlx::raw_sql(set).execute(&app.target).await.expect("made read-only");
    let run = app.trigger(&app.yaml("people", SOON)).await;
    let failed = app.finished(&run["id"]).await;
    assert_eq!(failed["error_code"], "target_read_only", "{failed:#}");
    assert!(failed["next_step"].as_str().is_some_and(|step| step.contains("alter role")), "{failed:#}");
}

#[tokio::test]
async fn runs_of_one_table_are_not_started_in_vain() {
    let app = TestApp::start_with(|options| options.workers = 2).await;
    app.folder().write("people.csv", "id\n1\n");
    let yaml = app.yaml("people", "load: {dedupe: none}\n");
    for _ in 0..15 {
        app.trigger(&yaml).await;
    }
    app.finished_all().await;
    assert_eq!(app.count("people").await, 15);
    let attempts = app.control("select outcome, count(*) as n from run_attempts group by outcome order by 1").await;
    let vain =
        attempts.iter().find(|row| row["outcome"] == "target_busy").map_or(0, |row| row["n"].as_i64().unwrap_or(0));
    assert!(vain <= 3, "{attempts:?}");
}

/// A place to load to.
fn place() -> TargetPlace {
    TargetPlace { server: "server".into(), table: "table".into(), shown: "target db:5432/shop".into() }
}

async fn start(control: &Control, run: &Run, place: &TargetPlace) -> Taken {
    let longest = Some(Duration::from_secs(3_600));
    lifecycle::take(&control.db, run.id, "w", Some(place), longest).await.expect("asked")
}

async fn begun(control: &Control, run: &Run, place: &TargetPlace) -> Box<Started> {
    match start(control, run, place).await {
        Taken::Begun { started, .. } => started,
        other => panic!("the run did not begin: {other:?}"),
    }
}

/// The run does not reach its server.
async fn fail(control: &Control, run: &Run) {
    let mut db = control.db.acquire().await.expect("a connection");
    let pauses = Pauses { first: Duration::from_secs(600), longest: Duration::from_secs(600) };
    let wait = Wait {
        shown: "target db:5432/shop",
        failure: Failure { code: "target_unreachable", error: "refused" },
        longest: Duration::from_secs(3_600),
        pause: Duration::from_secs(600),
        server: Some(("server", pauses)),
    };
    let state = lifecycle::wait(&mut db, run.id, run.epoch, &wait).await.expect("asked");
    assert_eq!(state, Some(RunState::Queued));
}

async fn let_the_pause_pass(control: &Control) {
    control.execute("update target_outages set next_try_at = now() - interval '1 minute'").await;
    control.execute("update runs set not_before = now() where not_before is not null").await;
}

#[tokio::test]
async fn a_worker_that_dies_while_it_tries_holds_up_the_others_no_longer_than_its_lease() {
    let control = Control::start().await;
    let [first, second] = [control.run("a").await, control.run("b").await];
    let (to_a, to_b) = (place(), TargetPlace { table: "other".into(), ..place() });
    fail(&control, &begun(&control, &first, &to_a).await.run).await;
    assert!(matches!(start(&control, &second, &to_b).await, Taken::Waits), "its server is known to be away");
    control.lose_tickets().await;
    sweeper::sweep(&control.db, "elt").await.expect("swept");
    assert_eq!(control.tickets(second.id).await, 0, "it waits for the result of the other");

    let_the_pause_pass(&control).await;
    let trying = begun(&control, &first, &to_a).await.run;
    assert_eq!(trying.waits_on.as_deref(), Some("server"), "it tries for all");
    assert!(matches!(start(&control, &second, &to_b).await, Taken::Waits), "one tries at a time");
    control.expire(first.id).await;
    assert!(matches!(start(&control, &second, &to_b).await, Taken::Begun { .. }), "the one that tried is gone");
}

#[tokio::test]
async fn another_run_tries_when_the_one_that_should_was_stopped_and_all_wake_when_the_server_answers() {
    let control = Control::start().await;
    let [first, second, third] = [control.run("a").await, control.run("b").await, control.run("c").await];
    let other = |table: &str| TargetPlace { table: table.into(), ..place() };
    fail(&control, &begun(&control, &first, &place()).await.run).await;
    for (run, place) in [(&second, other("b")), (&third, other("c"))] {
        assert!(matches!(start(&control, run, &place).await, Taken::Waits));
    }
    let mut db = control.db.acquire().await.expect("a connection");
    lifecycle::request_stop(&mut db, first.id).await.expect("stopped");
    control.lose_tickets().await;
    let_the_pause_pass(&control).await;
    sweeper::sweep(&control.db, "elt").await.expect("swept");
    let woken = [control.tickets(second.id).await, control.tickets(third.id).await];
    assert_eq!(woken.iter().sum::<i64>(), 1, "one of the two tries: {woken:?}");

    let (tries, waits, place) =
        if woken[0] == 1 { (&second, &third, other("b")) } else { (&third, &second, other("c")) };
    begun(&control, tries, &place).await;
    let away = lifecycle::server_answers(&control.db, "server").await.expect("noted");
    assert!(away.is_some());
    assert_eq!(control.tickets(waits.id).await, 1, "the other is woken");
    let waits = control.look(waits.id).await;
    assert_eq!((waits.waits_on, waits.waits_for, waits.waiting_since), (None, None, None));
    assert_eq!(lifecycle::server_answers(&control.db, "server").await.expect("noted"), None);
}

#[tokio::test]
async fn a_run_that_finds_the_outage_second_has_no_ticket_until_the_first_one_is_stopped() {
    let control = Control::start().await;
    let [first, second] = [control.run("a").await, control.run("b").await];
    let to_b = TargetPlace { table: "other".into(), ..place() };
    // Both begin before the outage is known.
    let both = [begun(&control, &first, &place()).await.run, begun(&control, &second, &to_b).await.run];
    control.lose_tickets().await;
    for run in &both {
        fail(&control, run).await;
    }
    assert_eq!([control.tickets(first.id).await, control.tickets(second.id).await], [1, 0], "one of them tries");
    let waiting = control.look(second.id).await;
    assert_eq!((waiting.not_before, waiting.waits_on.as_deref()), (None, Some("server")));

    let mut db = control.db.acquire().await.expect("a connection");
    lifecycle::request_stop(&mut db, first.id).await.expect("stopped");
    let_the_pause_pass(&control).await;
    sweeper::sweep(&control.db, "elt").await.expect("swept");
    assert_eq!(control.tickets(second.id).await, 1, "now the other tries");
    let trying = begun(&control, &second, &to_b).await.run;
    assert!(lifecycle::server_answers(&control.db, "server").await.expect("noted").is_some());
    let (by, end) = (EndedBy::Attempt(trying.epoch), End::Succeeded { outcome: Outcome::Clean });
    assert!(lifecycle::finish(&mut db, second.id, by, &end, None).await.expect("asked"));
    assert_eq!(control.look(second.id).await.state, RunState::Succeeded);
}

#[tokio::test]
async fn a_try_that_fails_before_it_reaches_the_server_makes_the_pause_longer() {
    let control = Control::start().await;
    let run = control.run("a").await;
    fail(&control, &begun(&control, &run, &place()).await.run).await;
    let mut db = control.db.acquire().await.expect("a connection");
    let failure = Failure { code: "source_unreachable", error: "refused" };
    let hour = Duration::from_secs(3_600);
    for failures in [2, 3] {
        let_the_pause_pass(&control).await;
        let trying = begun(&control, &run, &place()).await.run;
        assert_eq!(trying.waits_on.as_deref(), Some("server"), "it tries for all");
        let state = match failures {
            2 => {
                let source = Wait { shown: "source", failure, longest: hour, pause: hour, server: None };
                lifecycle::wait(&mut db, run.id, trying.epoch, &source).await
            }
            _ => lifecycle::retry_later(&mut db, run.id, trying.epoch, hour, failure).await,
        };
        assert_eq!(state.expect("asked"), Some(RunState::Queued));
        let noted: (i32, bool, bool) =
            sqlx::query_as("select failures, next_try_at > now(), tried_by is null from target_outages")
                .fetch_one(&control.db)
                .await
                .expect("the outage");
        assert_eq!(noted, (failures, true, true));
    }
}

#[tokio::test]
async fn a_run_that_is_held_or_whose_ticket_is_on_its_way_is_not_chosen_to_try() {
    let control = Control::start().await;
    let [first, second, third] = [control.run("a").await, control.run("b").await, control.run("c").await];
    let other = |table: &str| TargetPlace { table: table.into(), ..place() };
    fail(&control, &begun(&control, &first, &place()).await.run).await;
    for (run, place) in [(&second, other("b")), (&third, other("c"))] {
        assert!(matches!(start(&control, run, &place).await, Taken::Waits));
    }
    let mut db = control.db.acquire().await.expect("a connection");
    lifecycle::request_stop(&mut db, first.id).await.expect("stopped");
    control.execute("insert into pauses (scope, name, paused_by) values ('pipeline', 'b', 'ann')").await;
    control.execute("update runs set held = 'paused' where name = 'b'").await;
    let_the_pause_pass(&control).await;
    // One of several runs is chosen at random.
    for _ in 0..8 {
        control.lose_tickets().await;
        sweeper::sweep(&control.db, "elt").await.expect("swept");
        assert_eq!([control.tickets(second.id).await, control.tickets(third.id).await], [0, 1]);
    }

    // The queue delivers this ticket again by itself.
    control.execute("update apalis.jobs set status = 'Failed', attempts = 1 where status = 'Pending'").await;
    sweeper::sweep(&control.db, "elt").await.expect("swept");
    assert_eq!([control.tickets(second.id).await, control.tickets(third.id).await], [0, 0]);
}

#[tokio::test]
async fn neither_a_sweep_nor_a_failed_try_waits_for_a_transaction_that_has_the_outage() {
    let control = Control::start().await;
    let [first, second] = [control.run("a").await, control.run("b").await];
    fail(&control, &begun(&control, &first, &place()).await.run).await;
    let_the_pause_pass(&control).await;
    let trying = begun(&control, &first, &place()).await.run;
    let lost =
        begun(&control, &second, &TargetPlace { server: "elsewhere".into(), table: "b".into(), ..place() }).await;
    control
        .execute(
            "insert into target_outages (server, code, next_try_at) values ('old', 'x', now() - interval '2 hours')",
        )
        .await;
    control.expire(lost.run.id).await;

    let mut other = control.db.begin().await.expect("a transaction");
    sqlx::query("select from target_outages for update").execute(&mut *other).await.expect("locked");
    let (mut db, hour) = (control.db.acquire().await.expect("a connection"), Duration::from_secs(3_600));
    let failure = Failure { code: "source_unreachable", error: "refused" };
    let both = async {
        sweeper::sweep(&control.db, "elt").await.expect("swept");
        lifecycle::retry_later(&mut db, first.id, trying.epoch, hour, failure).await.expect("asked")
    };
    let state = tokio::time::timeout(Duration::from_secs(60), both).await.expect("nothing waits");
    assert_eq!(state, Some(RunState::Queued));
    other.rollback().await.expect("rolled back");
    // The run that should try is not at work, so another one may try at once.
    let to_c = TargetPlace { table: "c".into(), ..place() };
    let third = control.run("c").await;
    assert_eq!(begun(&control, &third, &to_c).await.run.waits_on.as_deref(), Some("server"));
}

#[tokio::test]
async fn a_run_whose_time_is_over_tries_once_more_even_while_another_does() {
    let control = Control::start().await;
    let [first, second] = [control.run("a").await, control.run("b").await];
    let to_b = TargetPlace { table: "other".into(), ..place() };
    fail(&control, &begun(&control, &first, &place()).await.run).await;
    assert!(matches!(start(&control, &second, &to_b).await, Taken::Waits));
    control.lose_tickets().await;
    control.execute("update runs set waits_until = now() - interval '1 second'").await;
    sweeper::sweep(&control.db, "elt").await.expect("swept");
    assert_eq!(control.tickets(second.id).await, 1);
    let last = begun(&control, &second, &to_b).await;
    assert!(last.outage_seconds.is_some_and(|seconds| seconds >= 0.0));
    assert_eq!(last.run.waits_on, None, "it tries for itself alone");
}

#[tokio::test]
async fn a_run_that_waits_for_a_table_is_woken_when_the_run_that_has_it_ends_or_dies() {
    for dies in [false, true] {
        let control = Control::start().await;
        let [first, second, third] = [control.run("a").await, control.run("a").await, control.run("a").await];
        let holder = begun(&control, &first, &place()).await.run;
        for waiter in [&second, &third] {
            assert!(matches!(start(&control, waiter, &place()).await, Taken::Waits));
        }
        let waiting = control.look(second.id).await;
        assert_eq!((waiting.state, waiting.attempt, waiting.waits_for_run), (RunState::Queued, 0, Some(first.id)));
        assert_eq!(waiting.waiting_code.as_deref(), Some("target_busy"));
        control.lose_tickets().await;
        if dies {
            control.execute("update runs set attempt = max_attempts where state = 'running'").await;
            control.expire(first.id).await;
            sweeper::sweep(&control.db, "elt").await.expect("swept");
        } else {
            let mut db = control.db.acquire().await.expect("a connection");
            let (by, end) = (EndedBy::Attempt(holder.epoch), End::Succeeded { outcome: Outcome::Clean });
            assert!(lifecycle::finish(&mut db, first.id, by, &end, None).await.expect("asked"));
        }
        assert_eq!(control.tickets(second.id).await, 1, "the one that waits longest is woken");
        begun(&control, &second, &place()).await;
        assert!(matches!(start(&control, &third, &place()).await, Taken::Waits | Taken::NotNeeded));
    }
}

#[tokio::test]
async fn a_worker_whose_data_folder_is_lost_takes_no_runs_and_says_so_until_it_is_back() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    app.folder().write("people.csv", "id\n1\n");
    let disk = Folder::new();
    let data = disk.path().join("data");
    let mut worker = app.worker_settings.clone();
    worker.data_dir = data.clone();
    tokio::spawn(elt_worker::run(app.worker_db.clone(), worker, app.stopping()));
    app.load(&app.yaml("people", "")).await;

    std::fs::rename(&data, disk.path().join("elsewhere")).expect("took the folder away");
    let because = app.eventually(async || takes_nothing(&app).await).await.expect("the worker says so");
    assert_eq!(because, format!("the data folder {} is gone", data.display()));
    let run = app.trigger(&app.yaml("people", "")).await;
    // A worker that took runs would have taken this one long before its next heartbeat.
    let heartbeat = async || app.control("select heartbeat_at from workers").await;
    let before = heartbeat().await;
    app.eventually(async || (heartbeat().await != before).then_some(())).await.expect("the worker lives");
    sweeper::sweep(&app.db, "elt").await.expect("swept");
    let ticket =
        app.control("select j.status from runs r join apalis.jobs j on j.id = r.ticket_id where r.state = 'queued'");
    assert_eq!(ticket.await, [json!({ "status": "Pending" })], "no worker takes the run");
    std::fs::rename(disk.path().join("elsewhere"), &data).expect("brought the folder back");
    let done = app.finished(&run["id"]).await;
    assert_eq!((&done["state"], &done["attempt"]), (&json!("succeeded"), &json!(1)), "{done:#}");
    assert_eq!(done["outages"], 0, "no attempt was made without the folder: {done:#}");
    assert_eq!(takes_nothing(&app).await, None);
}

#[tokio::test]
async fn a_worker_with_a_full_disk_leaves_runs_to_others() {
    let disk = Folder::new();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(disk.path()).output();
    if !mounted.is_ok_and(|mounted| mounted.status.success()) {
        eprintln!("skipped: only root can make a small disk");
        return;
    }
    let unmount = Unmount(disk.path().to_owned());
    let app = TestApp::start_with(|options| options.workers = 0).await;
    app.folder().write("people.csv", "id\n1\n");
    std::fs::write(disk.path().join("ballast"), vec![0; 3 << 20]).expect("filled the disk");
    let mut full = app.worker_settings.clone();
    (full.data_dir, full.min_free_mib) = (disk.path().to_owned(), 2);
    tokio::spawn(elt_worker::run(app.worker_db.clone(), full, app.stopping()));
    let because = app.eventually(async || takes_nothing(&app).await).await.expect("the worker says so");
    assert!(because.contains("less than 2.0 MiB (ELT_MIN_FREE_MIB)"), "{because}");
    let runs = [app.trigger(&app.yaml("a", "")).await, app.trigger(&app.yaml("b", "")).await];
    let stop = app.start_worker();
    for run in &runs {
        assert_eq!(app.finished(&run["id"]).await["state"], "succeeded", "the other worker took it");
    }
    stop.cancel();
    std::fs::remove_file(disk.path().join("ballast")).expect("made room");
    app.load(&app.yaml("people", "")).await;
    drop(unmount);
}

/// Takes a small disk away again.
struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// The reason why a worker of the app takes no runs.
async fn takes_nothing(app: &TestApp) -> Option<String> {
    let workers = app.get("/workers").await.ok();
    let workers = workers["data"].as_array().expect("workers");
    workers.iter().find_map(|worker| worker["takes_nothing_because"].as_str().map(str::to_owned))
}
