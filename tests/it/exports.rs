//! Exports that are not read, and how many connections to targets one user may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::support::TestApp;
use crate::support::app::Login;

const WIDE: &str = "target:\n  table: wide\n";
/// Rows of about a kilobyte, more than all buffers on the way hold.
const WIDE_TABLE: &str =
    "create table wide as select n as id, repeat(md5(n::text), 30) as text from generate_series(1, 20000) n";

async fn app(unread: u32, longest: u32) -> TestApp {
    let app = TestApp::start_with(|options| {
        options.api.unread_seconds = unread;
        options.api.export_seconds = longest;
    })
    .await;
    sqlx::raw_sql(WIDE_TABLE).execute(&app.target).await.expect("made a table");
    app
}

/// Asks for an export by hand, with a small receive window. Returns the connection and the status.
async fn export(app: &TestApp, login: Login) -> (TcpStream, String) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(2_048).expect("a small window");
    let mut stream = socket.connect(app.address).await.expect("connected");
    let head = format!(
        "POST /data-view?format=csv HTTP/1.1\r\nhost: elt\r\nauthorization: Bearer {}\r\ncontent-type: \
         application/yaml\r\ncontent-length: {}\r\n\r\n{WIDE}",
        app.token(login).await,
        WIDE.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.expect("a status line"));
    }
    let status = String::from_utf8_lossy(&line).split(' ').nth(1).unwrap_or_default().to_owned();
    (stream, status)
}

async fn open_connections(app: &TestApp) -> i64 {
    let sql =
        "select count(*) from pg_stat_activity where application_name = 'elt:api' and datname = current_database()";
    sqlx::query_scalar(sql).fetch_one(&app.target).await.expect("counted the connections")
}

#[tokio::test]
async fn unread_exports_stop_no_run_and_no_other_user_and_end() {
    let app = app(3, 600).await;
    let mut exports = Vec::new();
    for _ in 0..100 {
        exports.push(export(&app, Login::User).await);
    }
    let counts = ["200", "429"].map(|status| exports.iter().filter(|(_, found)| found == status).count());
    assert_eq!(counts[0] + counts[1], 100, "only allowed or refused");
    assert!((4..100).contains(&counts[0]), "{counts:?}");
    // A server process is listed for a moment longer than its connection is used.
    let few = app.eventually(async || (open_connections(&app).await <= 4).then_some(())).await;
    few.expect("one user holds few connections");

    app.folder().write("people.csv", "id,name\n1,Ann\n");
    app.load(&app.yaml("people", "")).await;
    let view = app.post("/data-view").yaml("target: {table: people}\n").await.ok();
    assert_eq!(view["total"], 1, "the admin has places of their own");
    let ended = app.eventually(async || (open_connections(&app).await == 0).then_some(())).await;
    assert!(ended.is_some(), "unread exports keep their connections");
    let again = app.post("/data-view").as_user().yaml(WIDE).await.ok();
    assert_eq!(again["total"], 20_000, "the analyst has places again");
}

#[tokio::test]
async fn an_export_ends_when_its_time_is_over_although_it_is_read() {
    let app = app(30, 2).await;
    let (mut stream, status) = export(&app, Login::User).await;
    assert_eq!(status, "200");
    // A reader that always takes a little never leaves the export unread.
    let mut received = Vec::new();
    let mut some = [0; 16_384];
    loop {
        match stream.read(&mut some).await {
            Ok(0) | Err(_) => break,
            Ok(count) => received.extend_from_slice(&some[..count]),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!received.ends_with(b"0\r\n\r\n"), "a file that is cut off must not look like a whole one");
    let ended = app.eventually(async || (open_connections(&app).await == 0).then_some(())).await;
    ended.expect("the connection ends with its export");
}

#[tokio::test]
async fn too_many_data_views_at_a_time_are_answered_with_a_reason() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.api.target_connections = 2;
        options.api.target_connections_per_user = 1;
        options.api.unread_seconds = 600;
    })
    .await;
    sqlx::raw_sql(WIDE_TABLE).execute(&app.target).await.expect("made a table");
    let (held, status) = export(&app, Login::User).await;
    assert_eq!(status, "200");
    let refused = app.post("/data-view").as_user().yaml(WIDE).await;
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(refused.problem(429)["code"], "too_many_target_connections");
    let (other, status) = export(&app, Login::Admin).await;
    assert_eq!(status, "200");
    app.post("/users").json(json!({ "username": "eve", "password": "a long password", "role": "user" })).await.ok();
    let eve = app.login("eve", "a long password").await;
    let busy = app.post("/data-view").bearer(&eve).yaml(WIDE).await;
    assert_eq!(busy.header("retry-after"), "5");
    assert_eq!(busy.problem(503)["code"], "target_connections_busy");
    drop(held);
    let answered = async || app.post("/data-view").as_user().yaml(WIDE).await.status.is_success().then_some(());
    assert!(app.eventually(answered).await.is_some(), "the place of a client that went away is free again");
    drop(other);
    // A server that still sends to somebody cannot drop its databases.
    let ended = app.eventually(async || (open_connections(&app).await == 0).then_some(())).await;
    assert!(ended.is_some(), "the connection of a client that went away stays open");
}

#[tokio::test]
async fn an_analyst_cannot_try_passwords_of_a_server() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.api.network.user_rules.net_allow_user = vec!["127.0.0.0/8".parse().expect("a rule")];
    })
    .await;
    let url = app.target_url();
    let (login, server) = url.rsplit_once('@').expect("a login");
    let (user, _) = login.rsplit_once(':').expect("a password");
    let mut statuses = Vec::new();
    for guess in 0..40 {
        let yaml = format!("target:\n  url: {user}:guess{guess}@{server}\n  table: t\n");
        statuses.push(app.post("/data-view").as_user().yaml(&yaml).await.status.as_u16());
    }
    let tried = statuses.iter().filter(|status| **status == 502).count();
    assert_eq!(tried, 10, "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429));
    let other = format!("target:\n  url: {url}\n  table: t\n");
    assert_eq!(app.post("/data-view").yaml(&other).await.status, 404, "another user is not kept waiting");
}

#[tokio::test]
async fn an_analyst_reaches_private_servers_only_when_the_settings_name_them() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&accepted);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counting.fetch_add(1, Ordering::Relaxed);
            drop(stream);
        }
    });
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let of =
        |host: &str| format!("target: {{host: '{host}', port: {port}, user: u, password: p, database: d, table: t}}\n");
    for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "::ffff:127.0.0.1", "0.0.0.0"] {
        let told = app.post("/data-view").as_user().yaml(&of(host)).await.problem(502);
        assert_eq!(told["code"], "target_unusable", "{host}");
    }
    app.post("/data-view").as_user().yaml(&of("127。0。0。1")).await.problem(400);
    assert_eq!(accepted.load(Ordering::Relaxed), 0, "nobody connected");
    app.post("/data-view").yaml(&of("127.0.0.1")).await.problem(502);
    assert!(accepted.load(Ordering::Relaxed) > 0, "an admin may");
    let own = app.post("/data-view").as_user().yaml("target: {table: nothing}\n").await;
    assert_eq!(own.problem(404)["code"], "target_no_table", "the default target is always allowed");

    let open = TestApp::start_with(|options| {
        options.workers = 0;
        options.api.network.user_rules.net_allow_user = vec!["127.0.0.0/8".parse().expect("a rule")];
    })
    .await;
    let before = accepted.load(Ordering::Relaxed);
    open.post("/data-view").as_user().yaml(&of("127.0.0.1")).await.problem(502);
    assert!(accepted.load(Ordering::Relaxed) > before, "the settings name the network");
}
