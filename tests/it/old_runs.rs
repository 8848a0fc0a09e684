//! Old runs: which of them retention deletes, and which of them something still needs.

use std::time::Duration;

use elt_shared::queue::retention::{self, Cleaned, Keep, Kind};
use elt_shared::runs::lifecycle::{self, RetryAnswer};
use elt_shared::store::retention_turns::{self as turns, Subject, TurnEnd};
use elt_shared::store::runs::Run;
use serde_json::json;
use uuid::Uuid;

use crate::support::control::Control;

/// Keeps only the newest run of each pipeline.
const KEEP: Keep = Keep { newest_runs: 1, ..Keep::DEFAULT };

/// A run of a table that ended `days` ago.
async fn ended(control: &Control, table: &str, state: &str, days: u32) -> Run {
    let run = control.run(table).await;
    control
        .execute(&format!(
            "update runs set state = '{state}', finished_at = now() - interval '{days} days' where id = '{}'",
            run.id
        ))
        .await;
    run
}

async fn clean(control: &Control, kind: Kind) -> Cleaned {
    retention::clean(&control.db, kind, &KEEP, None).await.expect("cleaned")
}

async fn left(control: &Control) -> Vec<Uuid> {
    sqlx::query_scalar("select id from runs order by id").fetch_all(&control.db).await.expect("the runs")
}

#[tokio::test]
async fn old_runs_go_with_their_attempts_and_the_newest_and_the_last_success_stay() {
    let control = Control::start().await;
    let before_last = ended(&control, "people", "succeeded", 300).await;
    control
        .execute(&format!("insert into run_attempts (run_id, epoch, worker_id) values ('{}', 1, 'w')", before_last.id))
        .await;
    let last_success = ended(&control, "people", "succeeded", 299).await;
    ended(&control, "people", "failed", 298).await;
    let newest = ended(&control, "people", "failed", 297).await;
    let other = ended(&control, "orders", "stopped", 400).await;
    let young = ended(&control, "young", "failed", 89).await;
    let young_too = ended(&control, "young", "failed", 88).await;

    assert_eq!(clean(&control, Kind::Runs).await, Cleaned { removed: 2, behind: false });
    assert_eq!(left(&control).await, [last_success.id, newest.id, other.id, young.id, young_too.id]);
    let attempts: i64 =
        sqlx::query_scalar("select count(*) from run_attempts").fetch_one(&control.db).await.expect("counted");
    assert_eq!(attempts, 0);
    assert_eq!(clean(&control, Kind::Runs).await.removed, 0);
}

#[tokio::test]
async fn a_run_that_is_not_over_stays_however_old_it_is() {
    let control = Control::start().await;
    for state in ["queued", "running"] {
        let run = control.run("people").await;
        control
            .execute(&format!(
                "update runs set state = '{state}', worker_id = 'w', lease_expires_at = now(),
                        created_at = now() - interval '1000 days' where id = '{}'",
                run.id
            ))
            .await;
    }
    control.execute("update runs set unknown_since = now() - interval '999 days' where state = 'queued'").await;
    ended(&control, "people", "failed", 1).await;
    assert_eq!(clean(&control, Kind::Runs).await.removed, 0);
    assert_eq!(left(&control).await.len(), 3);
}

#[tokio::test]
async fn a_run_stays_while_one_that_repeats_or_undoes_it_is_there_and_goes_with_it() {
    let control = Control::start().await;
    let first = ended(&control, "people", "failed", 300).await;
    let second = ended(&control, "people", "failed", 200).await;
    let third = ended(&control, "people", "failed", 3).await;
    let undone = ended(&control, "people", "failed", 300).await;
    let undo = ended(&control, "people", "stopped", 2).await;
    for (child, parent) in [(&second, &first), (&third, &second)] {
        let chain = format!("parent_id = '{0}', retry_of = '{0}'", parent.id);
        control.execute(&format!("update runs set {chain} where id = '{}'", child.id)).await;
    }
    control
        .execute(&format!("update runs set kind = 'undo', subject_id = '{}' where id = '{}'", undone.id, undo.id))
        .await;
    ended(&control, "people", "failed", 1).await;
    assert_eq!(clean(&control, Kind::Runs).await.removed, 0);

    control
        .execute(&format!(
            "update runs set finished_at = now() - interval '100 days' where id in ('{}', '{}')",
            third.id, undo.id
        ))
        .await;
    assert_eq!(clean(&control, Kind::Runs).await.removed, 5, "the whole chain goes in one turn");
    assert_eq!(left(&control).await.len(), 1);
}

#[tokio::test]
async fn a_run_that_is_repeated_while_it_is_deleted_is_not_lost() {
    let control = Control::start().await;
    let mut old = Vec::new();
    for _ in 0..20 {
        old.push(ended(&control, "people", "failed", 300).await);
    }
    ended(&control, "people", "failed", 1).await;
    let repeat = async {
        let mut repeated = Vec::new();
        for run in &old {
            let mut tx = control.db.begin().await.expect("a transaction");
            // A run that was deleted before cannot be repeated any more.
            if let Ok(Some(RetryAnswer::Started(retry))) = lifecycle::retry(&mut tx, run.id, None, "admin").await
                && tx.commit().await.is_ok()
            {
                repeated.push((run.id, retry.id));
            }
        }
        repeated
    };
    let (repeated, cleaned) = tokio::join!(repeat, clean(&control, Kind::Runs));
    let left = left(&control).await;
    for (run, retry) in &repeated {
        assert!(left.contains(run) && left.contains(retry));
    }
    assert_eq!(left.len(), 1 + 2 * repeated.len());
    assert_eq!(cleaned.removed as usize, old.len() - repeated.len());
}

#[tokio::test]
async fn runs_that_are_repeated_meanwhile_do_not_keep_the_others_of_their_batch() {
    let control = Control::start().await;
    for days in 300..340 {
        ended(&control, "people", "failed", days).await;
    }
    let newest = ended(&control, "people", "failed", 1).await;
    // As if one of many runs was repeated each time.
    control
        .execute(
            "create function is_repeated() returns trigger language plpgsql as $$ begin
                 if (select count(*) from gone) > 3 then
                     raise foreign_key_violation;
                 end if;
                 return null;
             end $$",
        )
        .await;
    control
        .execute(
            "create trigger is_repeated after delete on runs referencing old table as gone
             for each statement execute function is_repeated()",
        )
        .await;
    assert_eq!(clean(&control, Kind::Runs).await, Cleaned { removed: 40, behind: false });
    assert_eq!(left(&control).await, [newest.id]);
}

#[tokio::test]
async fn the_last_run_of_a_live_schedule_and_the_last_that_rejected_rows_stay() {
    let control = Control::start().await;
    let yaml = "name: watched\nsources: [{type: local, path: /data}]\ntarget: {table: watched}\n";
    let triggered = control.trigger(yaml, |_| {}).await;
    let schedule = triggered.run.schedule_id.expect("a schedule");
    let watched = triggered.run.id;
    control
        .execute(&format!(
            "update runs set state = 'failed', finished_at = now() - interval '300 days', target_key = 'db/watched'
             where id = '{watched}'"
        ))
        .await;
    ended(&control, "watched", "failed", 299).await;
    let rejected = ended(&control, "other", "succeeded", 200).await;
    control.execute(&format!("update runs set rows_quarantined = 3 where id = '{}'", rejected.id)).await;
    ended(&control, "other", "succeeded", 199).await;
    ended(&control, "other", "succeeded", 1).await;

    assert_eq!(clean(&control, Kind::Runs).await.removed, 1);
    let stay = left(&control).await;
    assert!(stay.contains(&watched) && stay.contains(&rejected.id));
    assert_eq!(clean(&control, Kind::Schedules).await.removed, 0);

    control
        .execute(&format!(
            "update schedules set state = 'stopped', updated_at = now() - interval '91 days' where id = '{schedule}'"
        ))
        .await;
    assert_eq!(clean(&control, Kind::Runs).await.removed, 1);
    assert_eq!(clean(&control, Kind::Schedules).await.removed, 1);
    let config = triggered.run.config_id;
    control.keep(&format!("{yaml}# newer\n")).await;
    control.execute("update config_history set \"timestamp\" = now() - interval '366 days'").await;
    assert_eq!(clean(&control, Kind::Configs).await.removed, 0, "another run has this version");
    control.execute(&format!("delete from runs where config_id = {config}")).await;
    assert_eq!(clean(&control, Kind::Configs).await.removed, 1, "its runs are gone");
}

#[tokio::test]
async fn a_long_report_keeps_its_numbers_and_a_short_one_its_files() {
    let control = Control::start().await;
    let report = |files: usize| {
        let files: Vec<_> = (0..files).map(|n| json!({ "name": format!("f{n}"), "rows_read": 1 })).collect();
        json!({ "rows_read": files.len(), "files_total": files.len(), "files": files, "combined_csv": "/data/a.csv" })
    };
    let mut runs = Vec::new();
    for (files, days) in [(500, 31), (20, 31), (500, 29), (0, 31)] {
        let run = ended(&control, "people", "succeeded", days).await;
        sqlx::query("update runs set report = $2 where id = $1")
            .bind(run.id)
            .bind(report(files))
            .execute(&control.db)
            .await
            .expect("a report");
        runs.push(run.id);
    }
    let without = ended(&control, "people", "failed", 31).await;
    assert_eq!(clean(&control, Kind::Reports).await, Cleaned { removed: 1, behind: false });
    let read = async |id| control.look(id).await.report;
    let thinned = read(runs[0]).await.expect("a report");
    assert_eq!(thinned["lists_removed"], true);
    assert_eq!((&thinned["files_total"], &thinned["files"]), (&json!(500), &json!([])));
    assert_eq!(thinned["combined_csv"], "/data/a.csv");
    assert_eq!(read(runs[1]).await, Some(report(20)));
    assert_eq!(read(runs[2]).await, Some(report(500)));
    assert_eq!(read(runs[3]).await, Some(report(0)));
    assert_eq!(read(without.id).await, None);

    control.execute("update runs set finished_at = now() - interval '30 days 1 minute' where finished_at > now() - interval '30 days'").await;
    assert_eq!(clean(&control, Kind::Reports).await.removed, 1, "the next turn goes on where the last one ended");
}

#[tokio::test]
async fn one_worker_at_a_time_has_a_turn_and_the_next_one_comes_after_an_hour_or_a_loss() {
    let control = Control::start().await;
    let subject = Subject { kind: Kind::Runs.name(), place: "" };
    let hour = Duration::from_secs(3600);
    let take = async || turns::take(&control.db, subject, hour, &json!({})).await.expect("asked");
    assert!(take().await);
    assert!(!take().await, "another worker has it");
    control.execute("update retention set held_until = now() - interval '1 second'").await;
    assert!(take().await, "that worker was lost");
    let finish = async |behind| {
        let end = TurnEnd { removed: 7, behind, failure: None };
        turns::finish(&control.db, subject, &end, None).await.expect("finished");
    };
    finish(true).await;
    assert!(take().await, "old runs are left");
    finish(false).await;
    assert!(!take().await, "it was done just now");
    let shown = turns::list(&control.db, hour).await.expect("listed");
    assert_eq!((shown[0].removed, shown[0].removed_in_all, shown[0].behind), (7, 14, false));
    control.execute("update retention set finished_at = now() - interval '2 hours'").await;
    assert!(turns::list(&control.db, hour).await.expect("listed")[0].behind);
    assert!(take().await);
}

#[tokio::test]
async fn a_place_without_a_turn_for_days_is_not_behind_and_a_host_that_is_gone_is_forgotten_soon() {
    let control = Control::start().await;
    let add = async |kind: Kind, place: &str, days: u32| {
        control
            .execute(&format!(
                "insert into retention (kind, place, started_at, finished_at, behind)
                 values ('{0}', '{place}', now() - interval '{days} days', now() - interval '{days} days', true)",
                kind.name()
            ))
            .await;
    };
    add(Kind::Markers, "1/2.public", 1).await;
    add(Kind::Markers, "1/3.public", 3).await;
    add(Kind::WorkFolders, "pod-1:/data", 6).await;
    add(Kind::CombinedCsvs, "pod-2:/data", 8).await;
    add(Kind::Runs, "", 9).await;
    turns::show(&control.db, "1/2.public", "db:5432/target.public").await.expect("noted");
    let behind = async || {
        let turns = turns::list(&control.db, Duration::from_secs(3600)).await.expect("listed");
        turns.into_iter().filter(|turn| turn.behind).map(|turn| turn.place).collect::<Vec<_>>()
    };
    assert_eq!(behind().await, ["", "db:5432/target.public"]);
    let gauge = elt_shared::store::gauges::list(&control.db).await.expect("read");
    assert!(gauge.iter().any(|gauge| gauge.name == "elt_retention_behind" && gauge.value == 2.0));

    assert_eq!(turns::forget_places(&control.db, 400).await.expect("forgotten"), 1);
    let places: Vec<String> =
        sqlx::query_scalar("select place from retention order by 1").fetch_all(&control.db).await.expect("the places");
    assert_eq!(places, ["", "1/2.public", "1/3.public", "pod-1:/data"]);
}
