//! Files that people and programs upload to a pipeline: they land whole, once and under their own name, and are loaded.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use elt_shared::inbox::{self, Xxh3};
use elt_shared::queue::retention::Kind;
use elt_worker::data_retention;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::TestApp;
use crate::support::app::Login;
use crate::support::client::{Answer, Request};

mod in_pieces;

const ORDERS: &str = "id,name\n1,Ann\n2,Bob\n";

/// A config of the pipeline `orders`, which reads its inbox into the table of the same name.
fn yaml(source: &str, more: &str) -> String {
    format!(
        "name: orders\nsources:\n  - type: inbox\n{source}target: {{table: orders}}\nmonitor: {{enabled: false}}\n{more}"
    )
}

/// An app with the pipeline `orders`, stored by an admin.
async fn with_pipeline(source: &str) -> TestApp {
    let app = TestApp::start().await;
    store(&app, &yaml(source, "")).await;
    app
}

async fn store(app: &TestApp, yaml: &str) -> Value {
    app.post("/upload-config").yaml(yaml).await.ok()
}

fn hash(content: &str) -> String {
    let mut hash = Xxh3::new();
    hash.update(content.as_bytes());
    format!("{:032x}", hash.digest128())
}

fn put<'a>(app: &'a TestApp, file: &str, content: &str) -> Request<'a> {
    app.request("PUT", &format!("/pipelines/orders/files/{file}")).body("text/csv", content.to_owned())
}

/// Sends the bytes of `content` from `first` on, as a piece.
async fn put_from(app: &TestApp, upload: &str, content: &str, range: std::ops::Range<usize>) -> Answer {
    put(app, "orders.csv", &content[range.clone()])
        .query(&[("upload", upload)])
        .header("content-range", &format!("bytes {}-{}/{}", range.start, range.end - 1, content.len()))
        .await
}

/// The entries of the pipeline's folder, hidden ones included.
fn entries(app: &TestApp) -> Vec<String> {
    let folder = inbox::path(&app.data_dir().path().join("inbox"), "orders");
    let mut names: Vec<String> = match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into()).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => panic!("{error}"),
    };
    names.sort();
    names
}

fn content(app: &TestApp, file: &str) -> String {
    let folder = inbox::path(&app.data_dir().path().join("inbox"), "orders");
    fs::read_to_string(folder.join(file)).expect("the file")
}

/// Number of uploads that are not complete.
fn partials(app: &TestApp) -> u64 {
    let inbox = inbox::Inbox::open(&app.data_dir().path().join("inbox"), "orders").expect("opened");
    inbox.map_or(0, |inbox| inbox.contents().expect("listed").partials)
}

#[tokio::test]
async fn a_file_lands_is_loaded_and_has_the_same_hash_in_the_receipt() {
    let app = with_pipeline("").await;
    let landed = put(&app, "orders.csv", ORDERS).query(&[("run", "true")]).await;
    assert_eq!(landed.status, 201, "{}", landed.text);
    let landed = landed.ok();
    assert_eq!(
        (&landed["outcome"], &landed["bytes"], &landed["hash"]),
        (&json!("landed"), &json!(ORDERS.len()), &json!(hash(ORDERS)))
    );
    let run = app.finished(&landed["run_id"]).await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let file = &run["report"]["files"][0];
    assert_eq!((&file["name"], &file["content_hash"]), (&json!("inbox/orders.csv"), &landed["hash"]));
    assert_eq!(app.count("orders").await, 2);

    let again = put(&app, "orders.csv", ORDERS).await;
    assert_eq!((again.status.as_u16(), &again["outcome"]), (200, &json!("unchanged")));
    let listed = app.get("/pipelines/orders/files").await.ok();
    assert_eq!((&listed["data"][0]["name"], &listed["data"][0]["bytes"]), (&json!("orders.csv"), &json!(ORDERS.len())));
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));

    let action = "PUT /pipelines/{name}/files/{file}";
    let rows = app
        .control(&format!(
            "select actor, object, outcome, detail from elt.audit where action = '{action}' order by seq"
        ))
        .await;
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(
        (&rows[0]["actor"], &rows[0]["object"], &rows[0]["outcome"]),
        (&json!("admin"), &json!("file orders/orders.csv"), &json!("done"))
    );
    assert_eq!(
        (&rows[0]["detail"]["hash"], &rows[0]["detail"]["bytes"], &rows[0]["detail"]["outcome"]),
        (&landed["hash"], &landed["bytes"], &json!("landed"))
    );
}

#[tokio::test]
async fn monitoring_finds_a_file_that_landed_and_after_load_removes_it() {
    let app = TestApp::start().await;
    let monitored = yaml("    after_load: {action: delete}\n", "").replace("{enabled: false}", "{interval_seconds: 1}");
    // Nothing was uploaded yet, so the first run has nothing to load.
    let first = app.trigger(&monitored).await;
    assert_eq!(app.finished(&first["id"]).await["state"], "succeeded");
    put(&app, "a.csv", "id,name\n1,Ann\n").await.ok();
    let loaded = app.eventually(async || {
        let tables = app.rows("select to_regclass('orders') is not null as there").await;
        (tables[0]["there"] == json!(true) && app.count("orders").await == 1 && entries(&app) == [".partial"])
            .then_some(())
    });
    loaded.await.expect("the file was loaded and removed");
}

#[tokio::test]
async fn of_two_uploads_of_one_name_one_wins_and_their_contents_are_never_mixed() {
    let app = with_pipeline("").await;
    let contents: Vec<String> =
        (0..4).map(|number| format!("id,name\n{}", format!("{number},x\n").repeat(40_000))).collect();
    let uploads = contents.iter().map(|content| put(&app, "orders.csv", content).into_future());
    let answers = futures::future::join_all(uploads).await;
    let won: Vec<usize> = (0..4).filter(|index| answers[*index].status == 201).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    assert!(answers.iter().enumerate().all(|(index, answer)| won[0] == index || answer.status == 409), "{answers:?}");
    assert!(content(&app, "orders.csv") == contents[won[0]]);
    assert_eq!(partials(&app), 0);

    // One upload under the same name from two requests: the second has no part in it.
    let token = app.token(Login::Admin).await.to_owned();
    let mut stream = TcpStream::connect(app.address).await.expect("connected");
    let head = format!(
        "PUT /pipelines/orders/files/b.csv?upload=my-upload-1 HTTP/1.1\r\nhost: elt\r\nauthorization: Bearer {token}\r\n\
         content-length: 10\r\n\r\nabc"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    app.eventually(async || (partials(&app) == 1).then_some(())).await.expect("the upload began");
    let second = put(&app, "b.csv", "0123456789").query(&[("upload", "my-upload-1")]).await;
    assert_eq!(second.header("retry-after"), "5");
    assert_eq!(second.problem(409)["code"], "upload_busy");
}

#[tokio::test]
async fn a_file_of_another_content_is_replaced_only_when_asked_for() {
    let app = with_pipeline("").await;
    put(&app, "orders.csv", ORDERS).await.ok();
    let longer = format!("{ORDERS}3,Eve\n");
    let same_size = ORDERS.replace("Bob", "Eve");
    for content in [&longer, &same_size] {
        assert_eq!(put(&app, "orders.csv", content).await.problem(409)["code"], "file_exists");
    }
    assert_eq!(content(&app, "orders.csv"), ORDERS);
    let replaced = put(&app, "orders.csv", &longer).query(&[("replace", "true"), ("run", "true")]).await;
    assert_eq!((replaced.status.as_u16(), &replaced["outcome"]), (200, &json!("replaced")));
    assert_eq!(content(&app, "orders.csv"), longer);
    app.finished(&replaced["run_id"]).await;
    assert_eq!(app.count("orders").await, 3);
}

#[tokio::test]
async fn limits_hold_before_the_first_byte_and_for_uploads_that_are_not_complete() {
    let app = TestApp::start_with(|options| {
        options.api.uploads.upload_max_bytes = 100;
        options.api.uploads.inbox_quota_bytes = 150;
    })
    .await;
    store(&app, &yaml("", "")).await;
    let bytes = |count| "x".repeat(count);
    let too_large = put(&app, "a.csv", &bytes(101)).await.problem(413);
    assert_eq!(too_large["code"], "file_too_large");
    put(&app, "a.csv", &bytes(80)).await.ok();
    // Of 60 bytes one has arrived, and room for the others is taken.
    let part =
        put(&app, "b.csv", "x").query(&[("upload", "my-upload-1")]).header("content-range", "bytes 0-0/60").await;
    assert_eq!(part.status, 202, "{}", part.text);
    let full = put(&app, "c.csv", &bytes(20)).await.problem(507);
    assert_eq!(full["code"], "inbox_full");
    assert_eq!((entries(&app), partials(&app)), (vec![".partial".to_owned(), "a.csv".to_owned()], 1));
    app.delete("/pipelines/orders/files/a.csv").await.ok();
    put(&app, "c.csv", &bytes(20)).await.ok();
    app.delete("/pipelines/orders/files/a.csv").await.problem(404);
    let rows =
        app.control("select object from elt.audit where action like 'DELETE /pipelines%' and outcome = 'done'").await;
    assert_eq!(rows, [json!({"object": "file orders/a.csv"})]);
}

#[tokio::test]
async fn no_name_leads_out_of_the_inbox() {
    let app = with_pipeline("").await;
    for name in ["..%2Fa.csv", "%2Fetc%2Fpasswd", "..%5Ca.csv", ".hidden", "a%0Ab.csv", &"a".repeat(201)] {
        let refused = put(&app, name, ORDERS).await.problem(422);
        assert_eq!(refused["code"], "invalid_file_name", "{name}");
    }
    assert_eq!(put(&app, "a%00b.csv", ORDERS).await.problem(400)["code"], "nul_character");
    assert!(entries(&app).is_empty(), "{:?}", entries(&app));
    app.request("PUT", "/pipelines/..%2Forders/files/a.csv").body("text/csv", ORDERS).await.problem(404);
    // A link in place of the folder, or of a file, leads nowhere.
    let base = app.data_dir().path().join("inbox");
    let elsewhere = app.data_dir().path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    symlink(&elsewhere, base.join("orders")).expect("a link");
    assert_eq!(put(&app, "a.csv", ORDERS).await.problem(500)["code"], "internal");
    fs::remove_file(base.join("orders")).expect("removed");
    put(&app, "a.csv", ORDERS).await.ok();
    fs::remove_file(base.join("orders/a.csv")).expect("removed");
    symlink(elsewhere.join("target"), base.join("orders/a.csv")).expect("a link");
    assert_eq!(put(&app, "a.csv", ORDERS).await.problem(409)["code"], "file_exists");
    assert_eq!(fs::read_dir(&elsewhere).expect("listed").count(), 0);
}

#[tokio::test]
async fn a_pipeline_reads_its_own_inbox_and_no_other() {
    let app = with_pipeline("").await;
    put(&app, "orders.csv", ORDERS).await.ok();
    let inbox = app.data_dir().path().join("inbox/orders");
    let thief = format!(
        "name: thief\nsources: [{{type: local, path: {}, settle_seconds: 0}}]\ntarget: {{table: stolen}}\nmonitor: {{enabled: false}}\n",
        inbox.display()
    );
    let run = app.trigger(&thief).await;
    let run = app.finished(&run["id"]).await;
    assert_eq!((&run["state"], &run["error_code"]), (&json!("failed"), &json!("outside_roots")), "{run:#}");
    // Its own inbox it may read by its path as well, but no upload that is not complete.
    put(&app, "b.csv", "x").query(&[("upload", "my-upload-1")]).header("content-range", "bytes 0-0/60").await.ok();
    let own = thief.replace("name: thief", "name: orders");
    app.load(&own.replace("table: stolen", "table: own")).await;
    assert_eq!(app.count("own").await, 2);
    let run = app.trigger(&own.replace("inbox/orders,", "inbox/orders/.partial,")).await;
    assert_eq!(app.finished(&run["id"]).await["error_code"], "outside_roots");
}

#[tokio::test]
async fn users_upload_where_an_admin_allowed_it() {
    let app = with_pipeline("").await;
    let by_user = |file: &str| put(&app, file, ORDERS).as_user();
    assert_eq!(by_user("a.csv").await.problem(404)["code"], "uploads_not_allowed");
    assert_eq!(app.get("/inboxes").as_user().await.ok()["data"], json!([]));
    // A user's own config allows nothing.
    let open = yaml("    users: true\n", "");
    app.post("/upload-config").as_user().yaml(&open).await.ok();
    assert_eq!(by_user("a.csv").await.problem(404)["code"], "uploads_not_allowed");
    // The same text, once an admin has uploaded it.
    store(&app, &open).await;
    by_user("a.csv").await.ok();
    let listed = app.get("/inboxes").as_user().await.ok();
    assert_eq!((&listed["data"][0]["pipeline"], &listed["data"][0]["may_run"]), (&json!("orders"), &json!(false)));
    assert_eq!(app.get("/inboxes").await.ok()["data"][0]["may_run"], json!(true));
    let run = by_user("b.csv").query(&[("run", "true")]).await;
    assert_eq!(run.problem(403)["code"], "forbidden", "users start no runs");
    assert_eq!(app.delete("/pipelines/orders/files/a.csv").as_user().await.status, 403);
    app.get("/pipelines/orders/files/a.csv").as_user().await.ok();
    // A later version of a user closes nothing, and one of an admin does.
    app.post("/upload-config").as_user().yaml(&yaml("", "priority: low\n")).await.ok();
    by_user("c.csv").await.ok();
    // A run that begins with a file is one of the version that an admin has uploaded.
    let begun = put(&app, "e.csv", ORDERS).query(&[("run", "true")]).await.ok();
    let run = app.get(&format!("/runs/{}", begun["run_id"].as_str().expect("a run"))).await.ok();
    assert_eq!(run["priority"], "normal", "the later version of the user says low");
    store(&app, &yaml("", "priority: low\n")).await;
    assert_eq!(by_user("d.csv").await.problem(404)["code"], "uploads_not_allowed");
    assert!(!entries(&app).contains(&"b.csv".to_owned()) && !entries(&app).contains(&"d.csv".to_owned()));
}

#[tokio::test]
async fn tokens_need_the_scope_and_the_pipeline() {
    let app = with_pipeline("").await;
    let token = async |name: &str, scopes: &[&str], pipeline: &str| {
        let token = app.api_token(name, scopes, json!({ "expires_in_days": 1, "pipelines": [pipeline] })).await;
        token["token"].as_str().expect("a token").to_owned()
    };
    let upload = token("upload", &["upload"], "orders").await;
    let read = token("read", &["read", "trigger"], "orders").await;
    let other = token("other", &["upload"], "people").await;
    put(&app, "a.csv", ORDERS).bearer(&upload).await.ok();
    assert_eq!(put(&app, "b.csv", ORDERS).bearer(&read).await.problem(403)["code"], "missing_scope");
    assert_eq!(put(&app, "b.csv", ORDERS).bearer(&other).await.problem(403)["code"], "other_pipeline");
    assert_eq!(app.get("/inboxes").bearer(&other).await.ok()["data"], json!([]));
    let run = put(&app, "b.csv", ORDERS).query(&[("run", "true")]).bearer(&upload).await;
    assert_eq!(run.problem(403)["code"], "missing_scope", "a run needs the scope trigger");
    assert_eq!(app.delete("/pipelines/orders/files/a.csv").bearer(&upload).await.status, 403);
}

#[tokio::test]
async fn only_files_that_a_source_reads_are_taken() {
    let app = with_pipeline("    glob: 'orders-*.csv'\n  - type: inbox\n    glob: '*.json'\n").await;
    put(&app, "orders-1.csv", ORDERS).await.ok();
    put(&app, "more.json", "[]").await.ok();
    assert_eq!(put(&app, "people.csv", ORDERS).await.problem(422)["code"], "file_not_wanted");
    store(&app, &app.yaml("orders", "name: orders\n")).await;
    assert_eq!(put(&app, "orders-2.csv", ORDERS).await.problem(409)["code"], "no_inbox");
    app.request("PUT", "/pipelines/nothing/files/a.csv").body("text/csv", ORDERS).await.problem(404);
}

#[tokio::test]
async fn a_worker_without_the_folder_says_so() {
    let app = TestApp::start_with(|options| options.worker.inbox = "/nonexistent/inbox".into()).await;
    let run = app.trigger(&yaml("", "")).await;
    let run = app.finished(&run["id"]).await;
    assert_eq!((&run["state"], &run["error_code"]), (&json!("failed"), &json!("inbox_missing")), "{run:#}");
    assert!(run["next_step"].as_str().expect("a next step").contains("ELT_INBOX"), "{run:#}");
}

#[tokio::test]
async fn uploads_that_nobody_finishes_are_removed_after_a_day() {
    let app = with_pipeline("").await;
    for upload in ["old-upload", "new-upload"] {
        put(&app, "a.csv", "x").query(&[("upload", upload)]).header("content-range", "bytes 0-0/60").await.ok();
    }
    put(&app, "whole.csv", ORDERS).await.ok();
    let folder = app.data_dir().path().join("inbox/orders");
    let make_old = |name: &str, beginning: &str| {
        let entries = fs::read_dir(folder.join(name)).expect("listed").map(|entry| entry.expect("an entry").path());
        for path in
            entries.filter(|path| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(beginning)))
        {
            let file = fs::File::options().write(true).open(path).expect("a file");
            file.set_modified(SystemTime::now() - Duration::from_secs(2 * 86_400)).expect("its time is set");
        }
    };
    make_old(".partial", "old-upload");
    make_old("", "whole.csv");
    let removed = data_retention::remove(&app.db, &app.worker_settings, Kind::Uploads).await.expect("removed");
    assert_eq!(removed.cleaned.removed, 1);
    assert_eq!(partials(&app), 1);
    assert_eq!(content(&app, "whole.csv"), ORDERS);
    app.get("/pipelines/orders/files/a.csv?upload=old-upload").await.problem(404);
    app.get("/pipelines/orders/files/a.csv?upload=new-upload").await.ok();
}
