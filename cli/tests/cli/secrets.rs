//! What is secret in a config is in no line of any process, however much it tells.

use std::net::SocketAddr;

use axum::Router;
use axum::response::Html;
use axum::routing::get;

use crate::support::{Folder, elt, run};

/// Sources and targets that fail in different places, with a secret wherever one may be written.
fn configs(api: u16, silent: u16) -> Vec<String> {
    let api = |path: &str| {
        format!(
            "{{type: api, url: \"http://ann:canary-login@127.0.0.1:{api}/{path}?key=canary-url\", auth_token: canary-token, \
              headers: {{X-Key: canary-header}}, params: {{key: canary-param}}}}"
        )
    };
    let sftp =
        |login: &str| format!("{{type: sftp, host: 127.0.0.1, port: {silent}, username: ann, {login}, path: /a.csv}}");
    let key = "private_key: \"-----BEGIN OPENSSH PRIVATE KEY-----\\ncanary-key\\n-----END OPENSSH PRIVATE KEY-----\"";
    let of = |source: &str| format!("sources: [{source}]\ntarget: {{table: t}}\n");
    vec![
        of(&api("rows")),
        of(&api("page")),
        of(&api("missing")),
        of(&sftp("password: canary-password")),
        of(&sftp(key)),
        of(&sftp("private_key: canary-path")),
        format!(
            "sources: [{}]\ntarget: {{host: 127.0.0.1, port: {silent}, user: u, password: canary-target, database: d, table: t}}\n\
             retry: {{max_attempts: 1}}\n",
            api("rows")
        ),
    ]
}

#[test]
fn no_process_says_a_secret_even_when_it_says_everything() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let router = Router::new()
        .route("/rows", get(async || "[{\"id\": 1}]"))
        .route("/page", get(async || Html("<p>canary-page</p>")));
    runtime.spawn(async move { axum::serve(listener, router).await });
    // Taken, but not listening: nobody else comes to listen there.
    let closed = tokio::net::TcpSocket::new_v4().expect("a socket");
    closed.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    let nobody = closed.local_addr().expect("an address").port();

    let folder = Folder::new();
    let mut codes = Vec::new();
    for (number, yaml) in configs(port, nobody).iter().enumerate() {
        let file = format!("config-{number}.yaml");
        folder.write(&file, yaml);
        let mut command = elt(&folder, &["run", "--once", &file]);
        command.env("ELT_LOG", "trace");
        let said = run(command);
        for text in [&said.stdout, &said.stderr] {
            let line = text.lines().find(|line| line.contains("canary")).unwrap_or_default();
            assert_eq!(line, "", "{yaml}");
        }
        codes.push(said.code);
    }
    assert_eq!(codes[0], Some(0), "the first one works");
    assert!(codes[1..].iter().all(|code| *code != Some(0)), "{codes:?}");
    let log = std::fs::read_to_string(folder.path().join("data/elt.log")).expect("the log");
    assert!(log.lines().count() > 100, "everything is told: {} lines", log.lines().count());
    assert_eq!(log.lines().find(|line| line.contains("canary")), None);
}
