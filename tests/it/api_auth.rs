//! How API sources identify themselves, against a real token server, on good and bad days.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use elt_shared::config::{ApiSource, Document, NoReferences, SourceConfig};
use elt_shared::secret::KeyRing;
use elt_worker::error::PipelineError;
use elt_worker::extract::http::{self, HttpLimits, SourceTokens};
use elt_worker::extract::{ExtractContext, Extracted};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::extraction::{Extraction, failure, texts};
use crate::support::http_source::{HttpSource, json_answer};
use crate::support::identity_provider::pem_of_a_new_key;
use crate::support::token_server::{CLIENT, FIRST, TokenServer};

mod refresh_tokens;

/// The secret key of an installation.
const KEY: &str = "a secret key of the tests, at least 32 bytes";
/// The ids that the token server has rows for.
const ALL: [u64; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/// The source of a config with this authentication.
fn source(url: &str, auth: &str) -> ApiSource {
    let yaml = format!(
        "sources: [{{type: api, url: \"{url}\", auth: {auth}, pagination: {{type: page}}}}]\ntarget: {{table: t}}\n"
    );
    let document = Document::parse(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
    let mut config = document.pipeline(&NoReferences).unwrap_or_else(|error| panic!("{error}: {yaml}")).value;
    match config.sources.remove(0) {
        SourceConfig::Api(api) => api,
        other => panic!("{other:?}"),
    }
}

/// A source of the server with its `token_url`, the client, and these keys.
fn oauth(server: &TokenServer, keys: &str) -> ApiSource {
    let (id, secret) = CLIENT;
    let token_url = server.url("/token");
    let auth =
        format!("{{type: oauth2, token_url: \"{token_url}\", client_id: {id}, client_secret: {secret}, {keys}}}");
    source(&server.url("/rows"), &auth)
}

/// A source that gets its tokens with the first refresh token.
fn refreshed(server: &TokenServer) -> ApiSource {
    oauth(server, &format!("grant: refresh_token, refresh_token: {FIRST}"))
}

/// A key ring of these keys.
fn keys(current: &str, older: &[&str]) -> KeyRing {
    KeyRing::of(current.into(), older.iter().map(|key| (*key).into()).collect()).expect("keys")
}

/// The extraction as another worker of the same installation does it.
fn another_worker(context: &ExtractContext, name: &str) -> ExtractContext {
    let tokens = SourceTokens::new(Some(keys(KEY, &[]).into()));
    ExtractContext { tokens, spool: context.spool.join(name), ..context.clone() }
}

/// An extraction whose pauses are short.
async fn extract(context: &ExtractContext, source: &ApiSource) -> Result<Extracted, PipelineError> {
    let limits = HttpLimits { backoff: Duration::from_millis(10), ..HttpLimits::default() };
    http::extract_within(0, source, context, &limits).await
}

/// Ids of all rows, in order.
async fn ids(context: &ExtractContext, source: &ApiSource) -> Vec<u64> {
    let extracted = extract(context, source).await.unwrap_or_else(|error| panic!("{error}"));
    let pages = texts(&extracted).into_iter().map(|(_, text)| text);
    let rows = pages.flat_map(|text| serde_json::from_str::<Vec<Value>>(&text).expect("rows"));
    rows.map(|row| row["id"].as_u64().expect("an id")).collect()
}

/// `code: message`, which must not have any of the secrets in it.
async fn failed(context: &ExtractContext, server: &TokenServer, source: &ApiSource) -> String {
    let result = extract(context, source).await;
    let shown = format!("{:?}", result.as_ref().err());
    assert!(!shown.contains("c4n4ry"), "{shown}");
    failure(result, server.address.port())
}

#[tokio::test]
async fn one_token_serves_all_pages_and_the_next_extraction() {
    let (server, lab) = (TokenServer::start().await, Extraction::new().await);
    for (times, keys) in
        ["scopes: [read, write], audience: rows", "client_auth: body, params: {resource: r}"].iter().enumerate()
    {
        let source = oauth(&server, keys);
        assert_eq!(ids(&lab.context, &source).await, ALL);
        assert_eq!(ids(&lab.context, &source).await, ALL);
        let known = http::look::Known::default();
        http::look::look(0, &source, &lab.context, &known).await.expect("a look at the source");
        assert_eq!(server.asked().len(), times + 1, "{keys}");
    }
    let asked = server.asked();
    assert_eq!(asked[0].body, "grant_type=client_credentials&scope=read+write&audience=rows");
    assert_eq!(
        asked[0].headers["authorization"],
        format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", CLIENT.0, CLIENT.1)))
    );
    assert_eq!(
        asked[1].body,
        format!("grant_type=client_credentials&resource=r&client_id={}&client_secret={}", CLIENT.0, CLIENT.1)
    );
    assert!(!asked[1].headers.contains_key("authorization"));
    assert_eq!(server.accepted_and_refused().1, 0);
}

#[tokio::test]
async fn a_token_that_expires_between_pages_is_renewed_once() {
    let (server, lab) = (TokenServer::start().await, Extraction::new().await);
    server.behave(|server| server.uses = vec![3]);
    assert_eq!(ids(&lab.context, &oauth(&server, "")).await, ALL);
    // Six requests, of which the last finds no more rows: three with each token, and one was refused in between.
    assert_eq!((server.asked().len(), server.accepted_and_refused()), (2, (6, 1)));

    let refused = server.accepted_and_refused().1;
    server.behave(|server| (server.uses, server.expires_in) = (vec![usize::MAX], json!(0.000_001)));
    let before = server.asked().len();
    assert_eq!(ids(&lab.context, &oauth(&server, "scopes: other")).await, ALL);
    assert_eq!(server.asked().len() - before, 6, "its end is known, so that it is renewed before each request");
    assert_eq!(server.accepted_and_refused().1, refused);
}

#[tokio::test]
async fn a_second_refusal_is_the_error_and_a_new_token_that_is_refused_is_not_renewed() {
    let (server, lab) = (TokenServer::start().await, Extraction::new().await);
    server.behave(|server| server.uses = vec![2, 0]);
    let told = failed(&lab.context, &server, &oauth(&server, "")).await;
    insta::assert_snapshot!(told, @"source_login: http://127.0.0.1:PORT/rows answered 401 Unauthorized: it does not accept the token, or wants one");
    assert_eq!((server.asked().len(), server.accepted_and_refused()), (2, (2, 2)));

    let server = TokenServer::start().await;
    server.behave(|server| server.uses = vec![0]);
    let told = failed(&lab.context, &server, &oauth(&server, "")).await;
    assert!(told.starts_with("source_login: "), "{told}");
    assert_eq!((server.asked().len(), server.accepted_and_refused()), (1, (0, 1)));

    // One that is remembered may have been revoked since.
    server.behave(|server| server.uses = vec![usize::MAX]);
    let source = oauth(&server, "scopes: again");
    assert_eq!(ids(&lab.context, &source).await, ALL);
    server.revoke_access();
    assert_eq!(ids(&lab.context, &source).await, ALL);
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn a_wrong_secret_is_refused_once_with_what_the_server_says() {
    let (server, lab) = (TokenServer::start().await, Extraction::new().await);
    let context = another_worker(&lab.context, "a");
    let with = |secret: &str, grant: &str| {
        let token_url = server.url("/token");
        let auth = format!(
            "{{type: oauth2, token_url: \"{token_url}\", client_id: elt, client_secret: {secret}, client_auth: body, {grant}}}"
        );
        source(&server.url("/rows"), &auth)
    };
    let told = failed(&context, &server, &with("c4n4ry-wr0ng", "grant: client_credentials")).await;
    insta::assert_snapshot!(told, @"http_token_refused: http://127.0.0.1:PORT/token answered 401 Unauthorized and gave no token: invalid_client: no client has this secret: ***");
    assert_eq!((server.asked().len(), server.accepted_and_refused()), (1, (0, 0)));

    // Who does not know the client's secret gets no token that another config has got with it.
    let grant = format!("grant: refresh_token, refresh_token: {FIRST}");
    assert_eq!(ids(&context, &with(CLIENT.1, &grant)).await, ALL);
    let told = failed(&context, &server, &with("c4n4ry-wr0ng", &grant)).await;
    assert!(told.starts_with("http_token_refused: "), "{told}");
    assert_eq!(ids(&context, &with(CLIENT.1, &grant)).await, ALL);
}

#[tokio::test]
async fn hostile_answers_of_a_token_endpoint_are_refused() {
    let (server, lab) = (TokenServer::start().await, Extraction::new().await);
    let other = TokenServer::start().await;
    let context = another_worker(&lab.context, "a");
    let answers: Vec<fn() -> Response> = vec![
        || "x".repeat(300 << 10).into_response(),
        || "<html>please log in</html>".into_response(),
        || "access_token=abc&token_type=bearer".into_response(),
        || StatusCode::NO_CONTENT.into_response(),
        || json_answer(json!(["a"])),
        || json_answer(json!({"access_token": 7})),
        || json_answer(json!({"access_token": ""})),
        || json_answer(json!({"access_token": "a\r\nX-Evil: c4n4ry"})),
        || json_answer(json!({"access_token": "x".repeat(40 << 10)})),
        || json_answer(json!({"error": "unauthorized_client", "error_description": "x".repeat(5000)})),
        || json_answer(json!({"access_token": "a", "refresh_token": "x".repeat(40 << 10)})),
        || (StatusCode::BAD_REQUEST, "c4n4ry ".repeat(1000)).into_response(),
        || Redirect::temporary("http://169.254.169.254/latest").into_response(),
        || (StatusCode::FOUND, [(LOCATION, "/rows")]).into_response(),
    ];
    let mut told = String::new();
    for (number, answer) in answers.into_iter().enumerate() {
        server.behave(|server| server.answers = Some(answer));
        for grant in ["grant: client_credentials", "grant: refresh_token, refresh_token: c4n4ry-refresh-0"] {
            let said = failed(&context, &server, &oauth(&server, grant)).await;
            if grant.ends_with("credentials") {
                told.push_str(&said);
                told.push('\n');
            } else {
                assert!(told.contains(&said), "{number}: {said}");
            }
        }
    }
    insta::assert_snapshot!(told.replace(&"x".repeat(300), "(300 times x)"), @r"
    http_token_answer: http://127.0.0.1:PORT/token gave no token: its answer is longer than 256 KiB
    http_token_answer: http://127.0.0.1:PORT/token gave no token: its answer is not JSON, but looks like a web page
    http_token_answer: http://127.0.0.1:PORT/token gave no token: its answer is not JSON
    http_token_answer: http://127.0.0.1:PORT/token gave no token: its answer is empty
    http_token_answer: http://127.0.0.1:PORT/token gave no token: its answer has no text `access_token`
    http_token_answer: http://127.0.0.1:PORT/token gave no token: its answer has no text `access_token`
    http_token_answer: http://127.0.0.1:PORT/token gave no token: its answer has an `access_token` that is empty
    http_token_answer: http://127.0.0.1:PORT/token gave no token: its answer has an `access_token` that has line breaks or other characters that cannot be sent in a header
    http_token_answer: http://127.0.0.1:PORT/token gave no token: its answer has an `access_token` that is longer than 32 KiB
    http_token_refused: http://127.0.0.1:PORT/token answered 200 OK and gave no token: unauthorized_client: (300 times x)…
    http_token_answer: http://127.0.0.1:PORT/token gave no token: its answer has a `refresh_token` that is longer than 32 KiB
    http_token_refused: http://127.0.0.1:PORT/token answered 400 Bad Request and gave no token
    http_token_answer: http://127.0.0.1:PORT/token gave no token: its answer is a redirect (307 Temporary Redirect), which is not followed because it would get the secrets
    http_token_answer: http://127.0.0.1:PORT/token gave no token: its answer is a redirect (302 Found), which is not followed because it would get the secrets
    ");
    assert_eq!((other.asked().len(), server.accepted_and_refused()), (0, (0, 0)));
}

#[tokio::test]
async fn the_token_endpoint_obeys_the_rules_for_hosts() {
    let server = TokenServer::start().await;
    let lab = Extraction::new().await.with_network(&["10.0.0.0/8", "localhost"], &[]);
    for (url, code) in [
        ("http://169.254.169.254/token", "source_refused: http://169.254.169.254/token may not be called"),
        ("http://10.1.2.3/token", "source_refused: http://10.1.2.3/token may not be called"),
    ] {
        let auth = format!("{{type: oauth2, token_url: \"{url}\", client_id: a, client_secret: c4n4ry-b}}");
        let told = failed(&lab.context, &server, &source(&server.url("/rows"), &auth)).await;
        assert!(told.starts_with(code), "{url}: {told}");
        let auth = format!("{{type: login, url: \"{url}\", token_path: a, body: {{password: c4n4ry-b}}}}");
        let told = failed(&lab.context, &server, &source(&server.url("/rows"), &auth)).await;
        assert!(told.starts_with(code), "{url}: {told}");
    }
}

#[tokio::test]
async fn a_password_and_signed_claims_get_a_token() {
    let (server, lab) = (TokenServer::start().await, Extraction::new().await);
    let source_of_ann = oauth(&server, "grant: password, username: ann, password: c4n4ry-pass-1");
    assert_eq!(ids(&lab.context, &source_of_ann).await, ALL);
    let form = &server.asked()[0].form;
    assert_eq!((form["grant_type"].as_str(), form["username"].as_str()), ("password", "ann"));

    for (algorithm, format) in [("RS256", "PEM"), ("RS256", "PKCS8"), ("PS256", "PKCS8"), ("ES256", "PKCS8")] {
        let pem = pem_of_a_new_key(algorithm, format);
        let key = serde_json::to_string(&pem).expect("a text");
        let auth = format!(
            "{{type: oauth2, grant: jwt_bearer, token_url: \"{}\", private_key: {key}, algorithm: {algorithm}, key_id: k1, \
             issuer: elt@example.com, subject: ann, scopes: read, claims: {{tenant: acme}}}}",
            server.url("/token")
        );
        assert_eq!(ids(&lab.context, &source(&server.url("/rows"), &auth)).await, ALL, "{algorithm} {format}");
        let form = server.asked().last().expect("asked").form.clone();
        assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
        let parts: Vec<&str> = form["assertion"].split('.').collect();
        let part = |part: &str| -> Value {
            serde_json::from_slice(&base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64"))
                .expect("JSON")
        };
        assert_eq!((parts.len(), &part(parts[0])["alg"], &part(parts[0])["kid"]), (3, &json!(algorithm), &json!("k1")));
        let claims = part(parts[1]);
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!("elt@example.com"), &json!(server.url("/token"))));
        assert_eq!(
            (&claims["sub"], &claims["scope"], &claims["tenant"]),
            (&json!("ann"), &json!("read"), &json!("acme"))
        );
    }
}

#[tokio::test]
async fn a_login_request_gets_a_token_or_cookies() {
    let (server, lab) = (TokenServer::start().await, Extraction::new().await);
    let login = |keys: &str| {
        let auth = format!("{{type: login, url: \"{}\", {keys}}}", server.url("/login"));
        source(&server.url("/rows"), &auth)
    };
    let body = "body: {user: ann, password: c4n4ry-pass-1}";
    let path = "token_path: $.data.session.token, expires_path: data.session.ttl";
    for keys in [
        format!("{body}, {path}"),
        format!("form: {{user: ann, password: c4n4ry-pass-1}}, {path}, send_name: X-Token"),
        format!("{body}, {path}, send_in: query"),
        format!("{body}, {path}, send_in: cookie"),
        body.to_owned(),
    ] {
        server.behave(|server| server.uses = vec![3]);
        let (before, refused) = (server.asked().len(), server.accepted_and_refused().1);
        assert_eq!(ids(&lab.context, &login(&keys)).await, ALL, "{keys}");
        assert_eq!((server.asked().len() - before, server.accepted_and_refused().1 - refused), (2, 1), "{keys}");
    }
    let mut told = String::new();
    for keys in [
        format!("body: {{password: c4n4ry-wr0ng}}, {path}"),
        format!("{body}, token_path: data.token"),
        format!("{body}, token_path: data.session"),
    ] {
        told.push_str(&failed(&lab.context, &server, &login(&keys)).await);
        told.push('\n');
    }
    insta::assert_snapshot!(told, @r"
    http_token_refused: http://127.0.0.1:PORT/login answered 403 Forbidden and gave no token
    http_token_answer: http://127.0.0.1:PORT/login gave no token: its answer has no text at `token_path` data.token
    http_token_answer: http://127.0.0.1:PORT/login gave no token: its answer has no text at `token_path` data.session
    ");
}

#[tokio::test]
async fn an_api_key_goes_where_the_config_says_and_to_no_other_host() {
    let (ours, other, lab) = (HttpSource::start().await, HttpSource::start().await, Extraction::new().await);
    for (keys, expected) in [
        ("token: c4n4ry", "x-api-key"),
        ("token: c4n4ry, name: X-Other", "x-other"),
        ("token: c4n4ry, in: query, name: key", "key"),
        ("token: c4n4ry, in: cookie, name: session", "session"),
    ] {
        ours.script(|_, _| json_answer(json!([])));
        let source = source(&ours.url("/script?a=b"), &format!("{{type: api_key, {keys}}}"));
        extract(&lab.context, &source).await.expect("no rows");
        let hit = ours.hits().pop().expect("a request");
        let found = match expected {
            "key" => hit.param("key"),
            "session" => hit.header("cookie").map(|cookies| cookies.replace("session=", "")),
            name => hit.header(name).map(str::to_owned),
        };
        assert_eq!((found.as_deref(), hit.param("a").as_deref()), (Some("c4n4ry"), Some("b")), "{keys}");

        let away = other.url("/script");
        other.script(|_, _| json_answer(json!([])));
        ours.script(move |_, _| Redirect::temporary(&away).into_response());
        extract(&lab.context, &source).await.expect("no rows");
        assert!(!format!("{:?}", other.hits()).contains("c4n4ry"), "{keys}");
    }
}

#[tokio::test]
async fn each_request_is_signed_as_it_is_sent() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    api.script(|hit, _| {
        let page: u64 = hit.param("page").expect("a page").parse().expect("a number");
        json_answer(if page <= 2 { json!([{"id": page}]) } else { json!([]) })
    });
    let auth = r#"{type: hmac, secret: c4n4ry, key_id: k1, encoding: base64, canonical: "{{method}} {{host}} {{path}}?{{query}} {{timestamp}} {{nonce}} {{body_hash}}", headers: {Authorization: "HMAC {{key_id}}:{{signature}}", X-Time: "{{timestamp}}", X-Nonce: "{{nonce}}", X-Hash: "{{body_hash}}"}}"#;
    extract(&lab.context, &source(&api.url("/script/orders?b=%20"), auth)).await.expect("rows");
    let hits = api.hits();
    assert_eq!(hits.len(), 3);
    let mut nonces = std::collections::HashSet::new();
    for hit in &hits {
        let header = |name: &str| hit.header(name).expect(name).to_owned();
        assert!(nonces.insert(header("x-nonce")), "a nonce is used once");
        let text = format!(
            "GET {} {}?{} {} {} {}",
            api.address,
            hit.path,
            hit.query,
            header("x-time"),
            header("x-nonce"),
            header("x-hash")
        );
        assert_eq!(header("authorization"), format!("HMAC k1:{}", hmac_sha256("c4n4ry", &text)));
        let age = chrono::Utc::now().timestamp() - header("x-time").parse::<i64>().expect("seconds");
        assert!((0..120).contains(&age), "{age}");
    }
}

/// In Base64, as OpenSSL computes it.
fn hmac_sha256(secret: &str, text: &str) -> String {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", secret, "-binary"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl is there");
    openssl.stdin.take().expect("stdin").write_all(text.as_bytes()).expect("written");
    BASE64_STANDARD.encode(openssl.wait_with_output().expect("ended").stdout)
}

#[tokio::test]
async fn no_secret_of_an_authentication_is_in_what_people_see() {
    let (server, app) = (TokenServer::start().await, TestApp::start().await);
    server.behave(|server| (server.rotates, server.uses) = (true, vec![3, usize::MAX]));
    let (id, secret) = CLIENT;
    let yaml = |secret: &str| {
        format!(
            "name: people\nsources:\n  - type: api\n    url: {}\n    pagination: {{type: page}}\n    auth:\n      type: oauth2\n      \
             grant: refresh_token\n      token_url: {}\n      client_id: {id}\n      client_secret: {secret}\n      \
             client_auth: body\n      refresh_token: {FIRST}\ntarget:\n  table: people\nmonitor: {{enabled: false}}\n",
            server.url("/rows"),
            server.url("/token")
        )
    };
    let run = app.trigger(&yaml(secret)).await;
    let done = app.finished(&run["id"]).await;
    assert_eq!((&done["state"], &done["rows_inserted"]), (&json!("succeeded"), &json!(10)), "{done}");
    server.revoke_access();
    let run = app.trigger(&yaml("c4n4ry-wr0ng-secret")).await;
    let failed = app.finished(&run["id"]).await;
    assert_eq!(failed["error_code"], "http_token_refused", "{failed}");
    assert!(failed.to_string().contains("invalid_client"), "{failed}");
    for path in ["/runs", "/logs?limit=500", "/configs", "/audit"] {
        let seen = app.get(path).await.text;
        assert!(!seen.contains("c4n4ry"), "{path}: {seen}");
    }
    for run in [done, failed] {
        let path = format!("/runs/{}", run["id"].as_str().expect("an id"));
        let seen = app.get(&path).await.text;
        assert!(!seen.contains("c4n4ry"), "{seen}");
    }
    assert_eq!(server.refresh_tokens(), [FIRST, "c4n4ry-refresh-1", "c4n4ry-refresh-2"]);
}
