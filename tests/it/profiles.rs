//! Profiles of columns: what the values of a run look like, counted again by SQL over the loaded table.

use serde_json::{Value, json};

use crate::support::TestApp;

async fn profile_of(app: &TestApp, run: &Value) -> Value {
    let id = run["id"].as_str().expect("an id");
    app.get(&format!("/runs/{id}/profile")).await.ok()
}

fn column<'a>(view: &'a Value, name: &str) -> &'a Value {
    let columns = view["profile"]["columns"].as_array().unwrap_or_else(|| panic!("a profile: {view:#}"));
    columns.iter().find(|column| column["name"] == name).unwrap_or_else(|| panic!("{name}: {view:#}"))
}

/// Rows with a value of each type. Some values are missing, and some come often.
fn people(rows: usize) -> String {
    let mut csv = "id,amount,ratio,born,seen_at,active,city,note\n".to_owned();
    for row in 0..rows {
        let amount = if row % 10 == 3 { String::new() } else { format!("{}.{:02}", row * 7 % 400, row % 100) };
        let ratio = f64::from((row % 50) as u16) / 8.0 - 2.0;
        let city = ["Oslo", "Rome", "Łódź"][row % 7 % 3];
        let note = if row % 4 == 0 { String::new() } else { format!("note {}", row % 5) };
        csv.push_str(&format!(
            "{row},{amount},{ratio:e},2001-{:02}-{:02},2024-05-01 {:02}:00:00,{},{city},{note}\n",
            row % 12 + 1,
            row % 28 + 1,
            row % 24,
            row % 3 == 0
        ));
    }
    csv
}

#[tokio::test]
async fn a_profile_says_what_sql_says_of_the_table() {
    let app = TestApp::start().await;
    app.folder().write("people.csv", people(3_000));
    let run = app.load(&app.yaml("people", "")).await;
    let view = profile_of(&app, &run).await;
    assert_eq!((&view["table"], &view["profile"]["rows"]), (&json!("people"), &json!(3_000)), "{view:#}");
    assert!(run["report"]["profile"].is_null(), "a report is listed with runs, so that the profile is not in it");

    for name in ["id", "amount", "ratio", "born", "seen_at", "active", "city", "note"] {
        let counted = app
            .rows(&format!("select count(*) - count({name}) as nulls, count(distinct {name}) as distinct from people"))
            .await;
        let found = column(&view, name);
        assert_eq!(found["nulls"], counted[0]["nulls"], "{name}: {found:#}");
        let (distinct, expected) = (found["distinct"].as_f64(), counted[0]["distinct"].as_f64());
        let (distinct, expected) = (distinct.expect("a number"), expected.expect("a number"));
        match found["distinct_exact"] == true {
            true => assert_eq!(distinct, expected, "{name}"),
            false => assert!((distinct - expected).abs() < expected * 0.08, "{name}: {distinct} of {expected}"),
        }
    }
    for name in ["id", "amount", "ratio"] {
        let ends =
            app.rows(&format!("select min({name})::float8 as min, max({name})::float8 as max from people")).await;
        for end in ["min", "max"] {
            let found: f64 = column(&view, name)[end].as_str().expect("an end").parse().expect("a number");
            assert_eq!(Some(found), ends[0][end].as_f64(), "{name} {end}");
        }
    }
    let ends = app.rows("select min(born)::text as min, max(born)::text as max from people").await;
    assert_eq!((&column(&view, "born")["min"], &column(&view, "born")["max"]), (&ends[0]["min"], &ends[0]["max"]));
    assert_eq!(column(&view, "seen_at")["max"], "2024-05-01T23:00:00");

    let ends = app.rows(r#"select min(city collate "C") as min, max(city collate "C") as max from people"#).await;
    assert_eq!((&column(&view, "city")["min"], &column(&view, "city")["max"]), (&ends[0]["min"], &ends[0]["max"]));
    let lengths = app
        .rows("select min(length(note)) as min, max(length(note)) as max, round(avg(length(note)), 2)::float8 as average from people")
        .await;
    let length = &column(&view, "note")["length"];
    assert_eq!((&length["min"], &length["max"]), (&lengths[0]["min"], &lengths[0]["max"]));
    assert_eq!(length["average"].as_f64(), lengths[0]["average"].as_f64());
    for name in ["city", "note", "active"] {
        let top = app
            .rows(&format!(
                r#"select {name}::text as value, count(*) as count from people where {name} is not null
                   group by 1 order by 2 desc, {name}::text collate "C""#
            ))
            .await;
        assert_eq!(column(&view, name)["top"], json!(top), "{name}");
        assert_eq!(column(&view, name)["top_exact"], true);
    }
    for name in ["id", "amount", "ratio", "born", "seen_at"] {
        let counts = column(&view, name)["histogram"]["counts"].as_array().expect("a histogram").clone();
        let sum: u64 = counts.iter().map(|count| count.as_u64().expect("a number")).sum();
        let values = app.rows(&format!("select count({name}) as values from people")).await;
        assert_eq!(json!(sum), values[0]["values"], "{name}");
        assert!(counts.len() <= 32);
    }
}

#[tokio::test]
async fn rows_that_were_there_are_profiled_and_rejected_ones_are_not() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id,age\n1,30\n2,40\n");
    let yaml = app.yaml("people", "schema: {columns: {id: int, age: {type: int, max: 100}}}\nstrict_mode: true\n");
    app.load(&yaml).await;
    app.folder().write("b.csv", "id,age\n3,50\n4,999\n");
    let second = app.load(&yaml).await;
    assert_eq!((&second["rows_duplicate"], &second["rows_quarantined"]), (&json!(2), &json!(1)));
    let view = profile_of(&app, &second).await;
    assert_eq!(view["profile"]["rows"], 3, "{view:#}");
    let age = column(&view, "age");
    assert_eq!((&age["min"], &age["max"], &age["distinct"]), (&json!("30"), &json!("50"), &json!(3)));
}

#[tokio::test]
async fn values_at_the_edges_are_kept_apart_and_cut() {
    let app = TestApp::start().await;
    let huge = "y".repeat(300_000);
    let rows = [
        json!({ "nothing": null, "number": 1.5, "moment": "0001-01-01", "text": huge }),
        json!({ "nothing": null, "number": -2.25e-7, "moment": "9999-12-31", "text": "x" }),
    ];
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    let special = r#"{"nothing": null, "number": NaN, "moment": "2024-02-29", "text": "x"}"#;
    let infinite = r#"{"nothing": null, "number": -Infinity, "moment": null, "text": "x"}"#;
    app.folder().write("a.ndjson", format!("{}\n{special}\n{infinite}\n", lines.join("\n")));
    let schema = "schema: {columns: {nothing: int, number: double, moment: date, text: text}}\nload: {dedupe: none}\n";
    let view = profile_of(&app, &app.load(&app.yaml("edges", schema)).await).await;

    let nothing = column(&view, "nothing");
    assert_eq!((&nothing["nulls"], &nothing["distinct"], nothing.get("min")), (&json!(4), &json!(0), None));
    let ends = app.rows("select min(number)::text as min, max(number)::text as max from edges").await;
    let number = column(&view, "number");
    assert_eq!((&number["min"], &number["max"], &number["not_finite"]), (&ends[0]["min"], &ends[0]["max"], &json!(2)));
    let moment = column(&view, "moment");
    assert_eq!(
        (&moment["min"], &moment["max"], &moment["nulls"]),
        (&json!("0001-01-01"), &json!("9999-12-31"), &json!(1))
    );
    let text = column(&view, "text");
    assert_eq!(text["max"].as_str().expect("a text").chars().count(), 65, "64 characters and a mark");
    assert_eq!((&text["length"]["max"], &text["top"][0]), (&json!(300_000), &json!({ "value": "x", "count": 3 })));
}

#[tokio::test]
async fn masked_columns_show_their_masks_only() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id,email\n1,ann@example.com\n2,ann@example.com\n");
    let masked = "settle_seconds: 0\n    shape: {mask: {email: last4}}\n";
    let yaml = app.yaml("people", "").replace("settle_seconds: 0\n", masked);
    let view = profile_of(&app, &app.load(&yaml).await).await;
    assert!(!view.to_string().contains("ann@"), "{view:#}");
    let stored = app.rows("select distinct email from people").await;
    assert_eq!(column(&view, "email")["top"], json!([{ "value": stored[0]["email"], "count": 2 }]));
}

#[tokio::test]
async fn the_config_says_how_much_is_kept() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id,city\n1,Oslo\n2,Rome\n");
    let counts = app.load(&app.yaml("counted", "load: {profile: counts}\n")).await;
    let view = profile_of(&app, &counts).await;
    assert!(!view.to_string().contains("Oslo") && !view.to_string().contains("\"2\""), "{view:#}");
    assert_eq!((&column(&view, "city")["distinct"], &column(&view, "city")["length"]["max"]), (&json!(2), &json!(4)));

    let none = app.load(&app.yaml("unprofiled", "load: {profile: none}\n")).await;
    assert_eq!(profile_of(&app, &none).await["profile"], Value::Null);
    let kept = app.control("select name from elt.run_profiles").await;
    assert_eq!(kept, [json!({ "name": "counted" })]);
    let marker = app.rows("select count(*) as kept from _elt_loads where report::jsonb ? 'profile'").await;
    assert_eq!(marker[0]["kept"], 1, "the marker of the run without a profile has none either");
}

#[tokio::test]
async fn a_plan_has_no_profile_and_a_repeated_run_does_not_add_one() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n2\n");
    let run = app.load(&app.yaml("people", "")).await;
    let plan = app.post("/runs").json(json!({ "config_id": run["config_id"], "kind": "plan" })).await.json;
    let plan = app.finished(&plan["id"]).await;
    assert_eq!(profile_of(&app, &plan).await["profile"], Value::Null, "{plan:#}");

    // As if the first run had committed, and its end had not been written: another attempt takes the report from the marker.
    let id = run["id"].as_str().expect("an id");
    let before = profile_of(&app, &run).await;
    app.execute(&format!("delete from run_profiles where run_id = '{id}'")).await;
    app.execute(&format!(
        "update runs set state = 'queued', finished_at = null, outcome = null, report = null, not_before = null where id = '{id}'"
    ))
    .await;
    let again = app.finished(&run["id"]).await;
    assert_eq!(again["report"]["finished_from_marker"], true, "{again:#}");
    assert_eq!(profile_of(&app, &run).await["profile"], before["profile"]);
    assert_eq!(app.control("select count(*) as kept from elt.run_profiles").await[0]["kept"], 1);
    assert_eq!(app.count("people").await, 2);
}

#[tokio::test]
async fn a_load_that_is_tried_again_without_refused_rows_has_one_profile() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id,age\n1,30\n2,40\n3,50\n");
    sqlx::query("create table people (id bigint, age bigint check (age <> 40))")
        .execute(&app.target)
        .await
        .expect("the table");
    let run = app.load(&app.yaml("people", "")).await;
    assert_eq!(run["rows_quarantined"], 1, "{run:#}");
    let view = profile_of(&app, &run).await;
    let age = column(&view, "age");
    assert_eq!((&view["profile"]["rows"], &age["distinct"], &age["nulls"]), (&json!(2), &json!(2), &json!(0)));
}

#[tokio::test]
async fn a_profile_of_very_many_columns_stays_small() {
    let app = TestApp::start().await;
    let names: Vec<String> = (0..1_500).map(|index| format!("column_{index}")).collect();
    // Short values, because PostgreSQL keeps a row within a page.
    let row = |letter: &str| vec![letter; 1_500].join(",");
    app.folder().write("wide.csv", format!("{}\n{}\n{}\n", names.join(","), row("a"), row("b")));
    let run = app.load(&app.yaml("wide", "")).await;
    let view = profile_of(&app, &run).await;
    assert_eq!(view["profile"]["columns"].as_array().expect("columns").len(), 1_500);
    let size = app.control("select max(octet_length(profile::text)) as bytes from elt.run_profiles").await;
    assert!(size[0]["bytes"].as_u64().expect("a size") < 1_500_000, "{size:?}");
}

#[tokio::test]
async fn the_history_of_a_pipeline_shows_its_newest_profiles() {
    let app = TestApp::start().await;
    for (rows, cities) in [(2, "Oslo"), (4, "Rome")] {
        let lines: Vec<String> = (0..rows).map(|row| format!("{row},{cities}")).collect();
        app.folder().write("a.csv", format!("id,city\n{}\n", lines.join("\n")));
        app.load(&app.yaml("people", "name: people\n")).await;
    }
    let history = app.get("/pipelines/people/profile").await.ok();
    let rows: Vec<&Value> =
        history["data"].as_array().expect("a list").iter().map(|one| &one["profile"]["rows"]).collect();
    assert_eq!(rows, [&json!(4), &json!(2)], "newest first: {history:#}");
    assert!(history["data"][0]["profile"]["columns"][0].get("top").is_none_or(|top| top == &json!([])), "{history:#}");

    let one = app.get("/pipelines/people/profile?column=city&limit=1&table=people").await.ok();
    assert_eq!(one["data"].as_array().expect("a list").len(), 1);
    let columns = one["data"][0]["profile"]["columns"].as_array().expect("columns");
    assert_eq!((columns.len(), &columns[0]["name"], &columns[0]["max"]), (1, &json!("city"), &json!("Rome")));
    for elsewhere in ["/pipelines/nothing/profile", "/pipelines/people/profile?table=others"] {
        assert_eq!(app.get(elsewhere).await.ok()["data"], json!([]), "{elsewhere}");
    }
    assert_eq!(app.get("/pipelines/people/profile").as_user().await.problem(403)["status"], 403);
}

#[tokio::test]
async fn profiles_end_with_the_reports_they_belong_to() {
    use elt_shared::queue::retention::{self, Keep, Kind};
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n");
    app.load(&app.yaml("people", "")).await;
    let clean =
        async |keep: Keep| retention::clean(&app.db, Kind::Reports, &keep, None).await.expect("cleaned").removed;
    assert_eq!(clean(Keep::default()).await, 0);
    app.execute("update runs set finished_at = now() - interval '31 days'").await;
    assert_eq!(clean(Keep::default()).await, 1);
    assert_eq!(app.control("select count(*) as kept from elt.run_profiles").await[0]["kept"], 0);
}
