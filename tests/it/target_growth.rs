//! elt's own tables in a target: they do not grow with the number of runs.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use elt_shared::queue::retention::Keep;
use elt_shared::store::installation;
use elt_shared::store::retention_turns as turns;
use elt_worker::load::housekeeping;
use serde_json::json;
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::loader::Loader;

const STRICT: &str = "schema: {id: int64}\nstrict_mode: true\n";

/// Deletes old rows as a worker does after a load, whosever turn it is.
async fn keep_house(loader: &Loader, more: &str, keep: Keep) {
    sqlx::query("delete from retention").execute(&loader.control).await.expect("forgotten");
    let context = loader.begin("run", &loader.yaml("t", more)).await;
    housekeeping::after_load(&context, keep).await.unwrap_or_else(|error| panic!("{error}"));
    sqlx::query("delete from runs where id = $1").bind(context.run.id).execute(&loader.control).await.expect("deleted");
    let turns = turns::list(&loader.control, Duration::from_secs(3600)).await.expect("listed");
    assert_eq!(turns.len(), 3);
    assert!(turns.iter().all(|turn| !turn.behind && turn.failure.is_none()), "{turns:?}");
    assert!(turns.iter().all(|turn| turn.place.ends_with(".public") && turn.bytes_left.is_some()), "{turns:?}");
}

/// Makes elt's tables as an older release made them.
async fn as_of_an_older_release(loader: &Loader) {
    loader
        .sql(
            "alter table _elt_loads drop column installation_id;
             alter table _elt_files drop column table_name;
             alter table _elt_quarantine drop column place, drop column seen, drop column first_seen, drop column first_run_id;
             drop index _elt_quarantine_by_age",
        )
        .await;
}

/// An id as a run of that many days ago has it.
pub fn id_of(days: i64, number: u128) -> Uuid {
    let milliseconds = (Utc::now() - TimeDelta::days(days)).timestamp_millis().unsigned_abs();
    Uuid::from_u128(u128::from(milliseconds) << 80 | 7 << 76 | 2 << 62 | number)
}

#[tokio::test]
async fn a_bad_row_that_stays_in_its_file_is_one_open_row_that_counts_its_runs() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\nx\n\"y\ny\"\n");
    loader.folder.write("rows.json", r#"[{"id": "z"}, {"id": "z"}, {"id": 5}]"#);
    let yaml = loader.yaml("t", STRICT);
    let mut runs = Vec::new();
    let mut ids = Vec::new();
    for seen in 1..=3 {
        let context = loader.begin("run", &yaml).await;
        let report = loader.execute(&context).await.expect("loaded");
        assert_eq!(report.rows_quarantined, 4, "each run rejects all of them");
        runs.push(context.run.id);
        let rows = loader.rows("select id from _elt_quarantine order by id").await;
        assert_eq!(rows.len(), 4);
        ids.push(rows);
        let (first, last) = (runs[0], context.run.id);
        let counted = "select distinct seen, first_run_id, run_id, first_seen <= at from _elt_quarantine";
        assert_eq!(loader.rows(counted).await, [format!("{seen}|{first}|{last}|true")]);
    }
    assert_eq!(ids[0], ids[2], "people name rows by their ids");

    // Another text in the same line is another row.
    loader.only("a.csv", "id\n1\nw\n\"y\ny\"\n");
    loader.load("t", STRICT).await;
    assert_eq!(loader.rows("select raw, seen from _elt_quarantine where line = 3 order by id").await, ["x|3", "w|1"]);
    assert_eq!(loader.value("select seen from _elt_quarantine where line = 4").await, "4");
}

#[tokio::test]
async fn an_undone_run_gives_its_rejected_rows_back_to_the_run_before_it() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\nx\n");
    let yaml = loader.yaml("t", STRICT);
    let first = loader.begin("run", &yaml).await;
    loader.execute(&first).await.expect("loaded");
    loader.only("a.csv", "id\n1\nx\n2\ny\n");
    let second = loader.begin("run", &yaml).await;
    loader.execute(&second).await.expect("loaded");
    let rows = "select raw, seen, run_id from _elt_quarantine order by id";
    assert_eq!(loader.rows(rows).await, [format!("x|2|{}", second.run.id), format!("y|1|{}", second.run.id)]);

    let undo = loader.create("undo", &yaml, json!({}), Some(second.run.id)).await;
    let undo =
        elt_shared::runs::lifecycle::begin(&loader.control, undo.id, "tests").await.expect("asked").expect("begun");
    loader.execute(&loader.context(undo, &yaml)).await.expect("undone");
    assert_eq!(loader.rows(rows).await, [format!("x|1|{}", first.run.id)]);
}

#[tokio::test]
async fn a_replay_by_the_first_run_finds_rows_that_later_runs_rejected_again() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\nx\n");
    let yaml = loader.yaml("t", STRICT);
    let first = loader.begin("run", &yaml).await;
    loader.execute(&first).await.expect("loaded");
    loader.load("t", STRICT).await;
    let id = loader.value("select id from _elt_quarantine").await;
    let edits = json!({ "edits": { id: { "id": "2" } } });
    let replay = loader.create("replay", &yaml, edits, Some(first.run.id)).await;
    let replay =
        elt_shared::runs::lifecycle::begin(&loader.control, replay.id, "tests").await.expect("asked").expect("begun");
    let report = loader.execute(&loader.context(replay, &yaml)).await.expect("replayed");
    assert_eq!(report.rows_inserted, 1);

    // The file still has the bad row: it is open again, beside the one that was replayed.
    loader.load("t", STRICT).await;
    loader.load("t", STRICT).await;
    let rows = "select replayed_by is not null, seen from _elt_quarantine order by id";
    assert_eq!(loader.rows(rows).await, ["true|2", "false|2"]);
}

#[tokio::test]
async fn a_file_keeps_its_newest_receipt_and_the_newest_that_brought_rows() {
    let loader = Loader::start().await;
    let long = format!("{}.csv", "n".repeat(200));
    loader.only(&long, "id\n1\n");
    loader.folder.write("b.csv", "id\n2\n3\n");
    for _ in 0..4 {
        loader.load("t", "").await;
    }
    let receipts =
        "select split_part(name, '/', -1), rows_inserted, rows_duplicate from _elt_files order by name, run_id";
    let expected = ["b.csv|2|0".to_owned(), "b.csv|0|2".into(), format!("{long}|1|0"), format!("{long}|0|1")];
    assert_eq!(loader.rows(receipts).await, expected);
    loader.only("b.csv", "id\n2\n3\n4\n");
    loader.load("t", "").await;
    assert_eq!(loader.rows(&format!("select * from ({receipts}) r limit 1")).await, ["b.csv|1|2"]);
    // Another table that loads the same file has receipts of its own.
    loader.load("other", "").await;
    assert_eq!(loader.count("_elt_files where name like '%b.csv'").await, 2);
    loader.load("t", "load: {mode: replace}\n").await;
    loader.load("t", "load: {mode: replace}\n").await;
    assert!(loader.count("_elt_files where name like '%b.csv' and table_name = 't'").await <= 2);
}

#[tokio::test]
async fn a_plan_leaves_receipts_and_rejected_rows_as_they_are() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\nx\n");
    loader.load("t", STRICT).await;
    let all = "select (select string_agg(q::text, ';') from _elt_quarantine q), (select string_agg(f::text, ';') from _elt_files f)";
    let before = loader.value(all).await;
    let plan = loader.run("plan", &loader.yaml("t", STRICT)).await.expect("planned");
    assert_eq!(plan.rows_quarantined, 1);
    assert_eq!(loader.value(all).await, before);
}

#[tokio::test]
async fn tables_of_an_older_release_are_mended_by_the_next_load_and_their_backlog_is_merged() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\nx\nä\n");
    loader.load("t", STRICT).await;
    as_of_an_older_release(&loader).await;
    // Thirty runs of an older release: each with a receipt and the same two rejected rows.
    loader
        .sql(
            "with named as (select (lpad(to_hex(n), 12, '0') || '70008000' || lpad(n::text, 12, '0'))::uuid as id, n
                            from generate_series(1, 30) n),
                  loads as (insert into _elt_loads (run_id, table_name, config_id, epoch, loaded_at)
                            select id, 't', 1, 1, now() from named returning 1),
                  files as (insert into _elt_files
                            select id, p, (select name from _elt_files limit 1), 5, gen_random_uuid(), 3, (n = 7)::int, 0,
                                   1 - (n = 7)::int, 2, 0 from named, (select 0) zero (p) returning 1)
             insert into _elt_quarantine (at, run_id, table_name, config_id, file, line, code, reason, raw, cells)
             select at - interval '40 days' + n * interval '1 day', named.id, 't', 1, file, line, code, reason, raw, cells
             from named, (select * from _elt_quarantine) q",
        )
        .await;
    assert_eq!((loader.count("_elt_files").await, loader.count("_elt_quarantine").await), (31, 62));

    // An API of this release asks before any worker of it has loaded: see the quarantine's own test. Now a run loads.
    let context = loader.begin("run", &loader.yaml("t", STRICT)).await;
    loader.execute(&context).await.expect("loaded");
    assert_eq!(loader.count("_elt_quarantine").await, 64, "rows of older releases are not compared while a run waits");
    keep_house(&loader, STRICT, Keep::DEFAULT).await;
    assert_eq!(
        loader.rows("select raw, seen, run_id, first_run_id::text like '000000%', at > now() - interval '1 minute' from _elt_quarantine order by line").await,
        [format!("x|32|{}|true|true", context.run.id), format!("ä|32|{}|true|true", context.run.id)]
    );
    assert_eq!(
        loader.rows("select rows_inserted, rows_duplicate from _elt_files order by run_id").await,
        ["1|0", "0|1"]
    );
    // The next run finds the merged rows.
    loader.load("t", STRICT).await;
    assert_eq!(loader.rows("select distinct seen from _elt_quarantine").await, ["33"]);
    keep_house(&loader, STRICT, Keep::DEFAULT).await;
    assert_eq!((loader.count("_elt_files").await, loader.count("_elt_quarantine").await), (2, 2));
}

#[tokio::test]
async fn a_marker_stays_as_long_as_its_run_and_old_rejected_rows_go() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\nx\n");
    let context = loader.begin("run", &loader.yaml("t", STRICT)).await;
    loader.execute(&context).await.expect("loaded");
    let (gone, there, young) = (id_of(401, 1), id_of(402, 2), id_of(399, 3));
    let own = installation::id(&loader.control).await.expect("an id");
    let report = json!({ "rows_read": 1, "rows_deleted": 2, "files": vec![json!({ "name": "f" }); 30] });
    for id in [gone, there, young] {
        let marker = format!(
            "insert into _elt_loads (run_id, table_name, config_id, epoch, loaded_at, report, installation_id)
             values ('{id}', 't', 1, 1, now(), '{report}', '{own}');
             insert into _elt_files select '{id}', 9, '{id}', bytes, content_hash, rows_read, rows_inserted, rows_updated,
                 rows_duplicate, rows_quarantined, rows_filtered, 't' from _elt_files limit 1;"
        );
        loader.sql(&marker).await;
    }
    loader.sql(&format!("delete from _elt_loads where run_id = '{young}'")).await;
    for referring in ["delete from run_attempts", "delete from run_profiles"] {
        sqlx::query(referring).execute(&loader.control).await.expect("deleted");
    }
    sqlx::query("update runs set id = $2 where id = $1")
        .bind(context.run.id)
        .bind(there)
        .execute(&loader.control)
        .await
        .expect("an old run");
    loader
        .sql(
            "insert into _elt_quarantine (at, run_id, table_name, config_id, file, line, code, reason, raw)
             select now() - make_interval(days => 364 + n), gen_random_uuid(), 'elsewhere', 1, 'f', n, 'c', 'r', 'x'
             from generate_series(0, 1) n",
        )
        .await;

    keep_house(&loader, STRICT, Keep::DEFAULT).await;
    assert_eq!(loader.count(&format!("_elt_loads where run_id = '{gone}'")).await, 0);
    assert_eq!(loader.count(&format!("_elt_files where run_id = '{gone}'")).await, 0);
    assert_eq!(loader.count(&format!("_elt_files where run_id in ('{there}', '{young}')")).await, 2);
    let kept = format!(
        "select report ->> 'rows_deleted', report -> 'files', report ->> 'lists_removed' from _elt_loads where run_id = '{there}'"
    );
    assert_eq!(loader.rows(&kept).await, ["2|[]|true"]);
    assert_eq!(loader.rows("select line from _elt_quarantine where table_name = 'elsewhere'").await, ["0"]);
    assert_eq!(loader.count("_elt_quarantine where table_name = 't'").await, 1);
}

#[tokio::test]
async fn markers_of_another_installation_and_of_older_releases_stay() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n");
    loader.load("t", "").await;
    let own = installation::id(&loader.control).await.expect("an id");
    assert_eq!(loader.rows("select installation_id from _elt_loads").await, [own.to_string()]);
    let (foreign, unnamed, gone) = (id_of(500, 1), id_of(501, 2), id_of(502, 3));
    let other = Uuid::now_v7();
    for (id, installation) in [(foreign, format!("'{other}'")), (unnamed, "null".into()), (gone, format!("'{own}'"))] {
        let marker = format!(
            "insert into _elt_loads (run_id, table_name, config_id, epoch, loaded_at, installation_id)
             values ('{id}', 't', 1, 1, now(), {installation});
             insert into _elt_files select '{id}', 9, '{id}', bytes, content_hash, rows_read, rows_inserted, rows_updated,
                 rows_duplicate, rows_quarantined, rows_filtered, 't' from _elt_files limit 1;"
        );
        loader.sql(&marker).await;
    }
    keep_house(&loader, "", Keep::DEFAULT).await;
    let stay = [unnamed.to_string(), foreign.to_string()];
    for table in ["_elt_loads", "_elt_files"] {
        let left = format!("select run_id from {table} where run_id < '{}' order by run_id", id_of(400, 0));
        assert_eq!(loader.rows(&left).await, stay, "{table}");
    }
}

#[tokio::test]
async fn a_schema_has_one_turn_whichever_address_leads_to_it() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n");
    loader.load("t", "").await;
    keep_house(&loader, "", Keep::DEFAULT).await;
    let identity = loader
        .value(
            "select concat(system_identifier, '/', oid, '.public') from pg_control_system(), pg_database
             where datname = current_database()",
        )
        .await;
    let places: Vec<(String, String)> = sqlx::query_as("select distinct place, shown from retention")
        .fetch_all(&loader.control)
        .await
        .expect("the places");
    let [(place, shown)] = &places[..] else { panic!("{places:?}") };
    assert!(*place == identity && shown.ends_with(".public") && shown.contains(':'), "{places:?}");
}

#[tokio::test]
async fn the_quarantine_says_how_often_a_row_was_rejected_also_in_tables_of_an_older_release() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\nx\n");
    let yaml = app.yaml("people", "schema: {id: int64}\nstrict_mode: true\n");
    let mut runs = Vec::new();
    for _ in 0..2 {
        let started = app.post("/trigger-job").yaml(&yaml).await.ok();
        runs.push(app.finished(&started["run_id"]).await["id"].clone());
    }
    let list = async |run: &serde_json::Value| {
        app.get(&format!("/quarantine?run_id={}", run.as_str().expect("an id"))).await.ok()["data"].clone()
    };
    assert_eq!(list(&runs[0]).await, json!([]), "the row is the last run's");
    let row = list(&runs[1]).await[0].clone();
    assert_eq!((&row["seen"], &row["first_run_id"]), (&json!(2), &runs[0]), "{row:#}");
    assert!(row["first_seen"].as_str() < row["at"].as_str(), "{row:#}");

    sqlx::raw_sql(
        "alter table _elt_quarantine drop column seen, drop column first_seen, drop column first_run_id, drop column place",
    )
    .execute(&app.target)
    .await
    .expect("an older table");
    let row = list(&runs[1]).await[0].clone();
    assert_eq!((&row["seen"], &row["first_seen"], &row["first_run_id"]), (&json!(1), &row["at"], &row["run_id"]));
    let csv = app.get(&format!("/quarantine/export?run_id={}", runs[1].as_str().expect("an id"))).await;
    assert_eq!(csv.status, 200, "{}", csv.text);
}
