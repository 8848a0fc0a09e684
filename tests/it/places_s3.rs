//! Sources in buckets, against servers that speak the protocols and check every signature.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{TimeDelta, Utc};
use elt_shared::config::{Document, NoReferences, SourceConfig};
use elt_worker::error::PipelineError;
use elt_worker::extract::places::{self, StoreLimits};
use elt_worker::extract::{self, Extracted};
use elt_worker::input::{Compression, Format};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};

use crate::support::app::PATIENCE;
use crate::support::bucket_server::{BucketServer, KEY_ID, Object, SECRET_KEY, Speaks, error};
use crate::support::chaos_proxy::{ChaosProxy, Fate};
use crate::support::closed_port::ClosedPort;
use crate::support::extraction::{Extraction, failure, texts};
use crate::support::identity_provider::pem_of_a_new_key;

const SPEAKS_S3: Speaks = Speaks::S3 { region: "eu-central-1" };

/// Short pauses, but as much time for each answer as a busy machine needs.
pub fn quick() -> StoreLimits {
    StoreLimits {
        connect: PATIENCE,
        idle: PATIENCE,
        backoff: Duration::from_millis(10),
        settle: Duration::ZERO,
        ..StoreLimits::default()
    }
}

/// A source with these keys, read from YAML.
pub fn source(keys: &str) -> SourceConfig {
    let text = format!("sources:\n- {{type: s3, {keys}}}\ntarget: {{table: t}}\n");
    let document = Document::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let config = document.pipeline(&NoReferences).unwrap_or_else(|error| panic!("{error}: {text}"));
    config.value.sources.into_iter().next().expect("a source")
}

/// Objects of the bucket `sales`, as the account that is let in.
pub fn sales(address: std::net::SocketAddr, path: &str, more: &str) -> SourceConfig {
    source(&format!(
        "url: 's3://sales/{path}', endpoint: 'http://{address}', allow_http: true, region: eu-central-1, \
         access_key_id: {KEY_ID}, secret_access_key: '{SECRET_KEY}'{more}"
    ))
}

pub async fn extract(lab: &Extraction, source: &SourceConfig) -> Result<Extracted, PipelineError> {
    places::extract_within(0, source, &lab.context, &quick()).await
}

pub fn names(extracted: &Extracted) -> Vec<String> {
    extracted.files.iter().map(|file| file.name.replace("s3://sales/", "")).collect()
}

#[tokio::test]
async fn an_object_a_folder_and_a_glob_are_read() {
    let (server, lab) = (BucketServer::start(SPEAKS_S3, "sales").await, Extraction::new().await);
    server.put("2026/b.csv", "id,name\n1,Ann\n");
    server.put("2026/a.JSON.gz", "packed");
    server.put("2026/notes.pdf", "no rows");
    server.put("2026/.hidden.csv", "id\n9\n");
    server.put("2026/", "");
    server.put("2026/deep/", "");
    server.put("2026/deep/er/c.txt", "id|name\n2|Bob\n");
    server.put("2026-old/d.csv", "id\n4\n");

    let one = extract(&lab, &sales(server.address, "2026/b.csv", "")).await.expect("an object");
    assert_eq!(texts(&one), [("s3://sales/2026/b.csv".to_owned(), "id,name\n1,Ann\n".to_owned())]);
    assert!(one.files[0].path.starts_with(&lab.context.spool) && one.files[0].required);

    for folder in ["2026/", "2026"] {
        let folder = extract(&lab, &sales(server.address, folder, "")).await.expect("a folder");
        assert_eq!(names(&folder), ["2026/a.JSON.gz", "2026/b.csv"]);
        assert_eq!((folder.files[0].format, folder.files[0].compression), (Format::Json, Compression::Gzip));
        assert!(!folder.files[0].required);
        let left_out: Vec<_> = folder.left_out.iter().map(|left| left.name.as_str()).collect();
        assert_eq!(left_out, ["s3://sales/2026/notes.pdf"]);
    }
    let flat = extract(&lab, &sales(server.address, "2026/*.csv", "")).await.expect("a glob");
    assert_eq!(names(&flat), ["2026/b.csv"]);
    let deep = extract(&lab, &sales(server.address, "2026*/**/*.{csv,txt}", "")).await.expect("a deep glob");
    assert_eq!(names(&deep), ["2026-old/d.csv", "2026/b.csv", "2026/deep/er/c.txt"]);
    let nothing = extract(&lab, &sales(server.address, "2026/*.ndjson", "")).await.expect("a glob may match nothing");
    assert!(nothing.files.is_empty());
    let prefixes: Vec<_> =
        server.asked().iter().filter(|asked| asked.key.is_empty()).map(|asked| asked.query.clone()).collect();
    assert!(prefixes.iter().all(|query| query.iter().any(|(key, _)| key == "prefix")), "{prefixes:?}");
    assert!(server.asked().iter().all(|asked| asked.header("x-amz-request-payer").is_none()));
}

#[tokio::test]
async fn odd_keys_are_read_under_their_own_names() {
    let (server, lab) = (BucketServer::start(SPEAKS_S3, "sales").await, Extraction::new().await);
    let keys = [
        "odd/a b+c%20d&e=f.csv",
        "odd//double.csv",
        "odd/Übersicht „2026“ 数据.csv",
        "odd/?#;:@$,'()!*~[x].csv",
        "odd/<tag>&amp;.csv",
        "odd/dots.../x..csv",
        "odd/ends with space /x.csv",
        "odd/tab\tand\u{1}.csv",
    ];
    for key in keys {
        server.put(key, format!("key\n{key}\n"));
    }
    server.put("odd/../up.csv", "id\n1\n");
    let extracted = extract(&lab, &sales(server.address, "odd/**", "")).await.expect("all of them");
    let read: Vec<String> = texts(&extracted).into_iter().map(|(_, text)| text).collect();
    let mut expected: Vec<String> = keys.map(|key| format!("key\n{key}\n")).into();
    expected.sort();
    assert_eq!(read, expected);
    let left_out: Vec<_> = extracted.left_out.iter().map(|left| (left.name.as_str(), left.reason.as_str())).collect();
    assert_eq!(
        left_out,
        [("s3://sales/odd/../up.csv", "a part of its key is `.` or `..`, which no URL can carry: rename it")]
    );
}

#[tokio::test]
async fn ten_thousand_keys_are_listed_in_pages() {
    let (server, lab) = (BucketServer::start(SPEAKS_S3, "sales").await, Extraction::new().await);
    for number in 0..10_000 {
        server.put(&format!("days/{number:05}.parts"), "x");
    }
    server.put("days/wanted.csv", "id\n1\n");
    let started = Instant::now();
    let extracted = extract(&lab, &sales(server.address, "days/*.csv", "")).await.expect("the one");
    println!("10,001 keys were listed in {:?}", started.elapsed());
    assert_eq!(names(&extracted), ["days/wanted.csv"]);
    assert!(started.elapsed() < PATIENCE);
    assert_eq!(server.asked().iter().filter(|asked| asked.key.is_empty()).count(), 11);
}

/// A few megabytes that differ everywhere.
fn large() -> String {
    (0..300_000).map(|row| format!("{row},name {row}\n")).collect()
}

#[tokio::test]
async fn a_broken_connection_is_read_on_where_it_broke() {
    let (server, lab) = (BucketServer::start(SPEAKS_S3, "sales").await, Extraction::new().await);
    let content = large();
    server.put("large.csv", content.clone());
    let proxy = ChaosProxy::start(server.address, [Fate::CutAfter(1_500_000), Fate::CutAfter(2_500_000)]).await;
    let extracted = extract(&lab, &sales(proxy.address, "large.csv", "")).await.expect("read in three parts");
    assert!(texts(&extracted)[0].1 == content, "every byte once and in its place");
    let surplus = proxy.delivered() - content.len() as u64;
    assert!(surplus < content.len() as u64, "what had arrived was not fetched again: {surplus} bytes too many");
    let tag = format!("\"{}\"", server.object("large.csv").expect("there").tag);
    let parts: Vec<_> = server.asked().into_iter().filter(|asked| asked.header("range").is_some()).collect();
    assert_eq!(parts.len(), 2);
    assert!(parts.iter().all(|part| part.header("if-match") == Some(tag.as_str())));
}

#[tokio::test]
async fn a_server_that_falls_silent_is_asked_again() {
    let (server, lab) = (BucketServer::start(SPEAKS_S3, "sales").await, Extraction::new().await);
    let content = large();
    server.put("large.csv", content.clone());
    let proxy = ChaosProxy::start(server.address, [Fate::SilentAfter(2_000_000)]).await;
    // Long enough for a busy machine, because a third silence would be one too many.
    let limits = StoreLimits { idle: Duration::from_secs(4), ..quick() };
    let source = sales(proxy.address, "large.csv", "");
    let extracted = places::extract_within(0, &source, &lab.context, &limits).await.expect("read in two parts");
    assert!(texts(&extracted)[0].1 == content, "every byte once and in its place");
}

#[tokio::test]
async fn an_object_that_is_replaced_while_it_is_read_is_read_anew() {
    let (server, lab) = (BucketServer::start(SPEAKS_S3, "sales").await, Extraction::new().await);
    server.put("a.csv", "id\n1\n");
    // Replaced after it was listed, once.
    server.script(|asked, objects| {
        let is_first = objects["a.csv"].body.len() == 5;
        if is_first && asked.header("if-match").is_some() {
            objects.insert("a.csv".into(), Object { modified: Utc::now(), ..Object::new("id\n1\n2\n") });
        }
        None
    });
    let extracted = extract(&lab, &sales(server.address, "a.csv", "")).await.expect("the new one");
    assert_eq!(texts(&extracted)[0].1, "id\n1\n2\n");

    // Replaced each time.
    server.script(|asked, objects| {
        if asked.header("if-match").is_some() {
            let rows = objects["a.csv"].body.len();
            objects.insert("a.csv".into(), Object::new(vec![b'1'; rows + 1]));
        }
        None
    });
    let error = extract(&lab, &sales(server.address, "a.csv", "")).await.expect_err("it never rests");
    assert_eq!(
        (error.code().as_str(), error.to_string().as_str()),
        ("source_changed", "s3://sales/a.csv changed while it was read")
    );
    let folder = extract(&lab, &sales(server.address, "*.csv", "")).await.expect("left for later");
    assert_eq!(folder.left_out[0].reason, "it changed each time it was read, so it is still being written");
}

#[tokio::test]
async fn each_object_of_a_folder_fails_by_itself() {
    let (server, lab) = (BucketServer::start(SPEAKS_S3, "sales").await, Extraction::new().await);
    for key in ["a.csv", "c.csv"] {
        server.put(key, "id\n1\n");
    }
    server.put_object("b.csv", Object { archived: true, ..Object::new("id\n2\n") });
    server.script(|asked, _| (asked.key == "c.csv").then(|| error(StatusCode::FORBIDDEN, "AccessDenied", "")));
    let extracted = extract(&lab, &sales(server.address, "", "")).await.expect("the other one");
    assert_eq!(names(&extracted), ["a.csv"]);
    let reasons: Vec<_> = extracted.left_out.iter().map(|left| left.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "it cannot be read: it is archived, and must be restored before it can be read",
            "it may not be read: the account may not read it"
        ]
    );
}

#[tokio::test]
async fn an_object_that_is_stored_packed_is_unpacked_once() {
    let (server, lab) = (BucketServer::start(SPEAKS_S3, "sales").await, Extraction::new().await);
    for key in ["a.csv", "b.csv.gz"] {
        server.put_object(key, Object { encoding: Some("gzip"), ..Object::new("packed") });
    }
    let extracted = extract(&lab, &sales(server.address, "", "")).await.expect("both");
    let compressions: Vec<_> = extracted.files.iter().map(|file| file.compression).collect();
    assert_eq!(compressions, [Compression::Gzip; 2]);
    assert_eq!(texts(&extracted)[0].1, "packed");
}

#[tokio::test]
async fn what_keeps_a_bucket_from_being_read_is_told_with_what_to_do() {
    let (server, lab) = (BucketServer::start(SPEAKS_S3, "sales").await, Extraction::new().await);
    server.put("a.csv", "id\n1\n");
    let (port, address) = (server.address.port(), server.address);
    let with = |url: &str, region: &str, id: &str, key: &str| {
        source(&format!(
            "url: '{url}', endpoint: 'http://{address}', allow_http: true, region: {region}, access_key_id: {id}, \
             secret_access_key: '{key}'"
        ))
    };
    let mut told = String::new();
    for source in [
        with("s3://sales/a.csv", "eu-central-1", KEY_ID, "canary/another+key"),
        with("s3://sales/*.csv", "eu-central-1", "AKIACANARYUNKNOWN", SECRET_KEY),
        with("s3://sales/a.csv", "us-west-2", KEY_ID, SECRET_KEY),
        with("s3://tales/", "eu-central-1", KEY_ID, SECRET_KEY),
        with("s3://sales/b.csv", "eu-central-1", KEY_ID, SECRET_KEY),
        with("s3://sales/b[.csv", "eu-central-1", KEY_ID, SECRET_KEY),
        source(&format!("url: 's3://sales/', endpoint: 'http://{address}', allow_http: true, credentials: anonymous")),
    ] {
        let error = extract(&lab, &source).await.expect_err("it cannot be read");
        let (code, step) = (error.code(), error.next_step());
        told.push_str(&format!("{code}: {error}\n  {step}\n"));
    }
    server.set_clock_ahead(TimeDelta::minutes(31));
    let skewed = extract(&lab, &sales(address, "a.csv", "")).await.expect_err("the clock is wrong").to_string();
    assert!(skewed.contains("the worker's clock is 3") && skewed.contains("min behind its own"), "{skewed}");
    server.set_clock_ahead(TimeDelta::zero());
    server.script(|_, _| Some(axum::response::Html("<!doctype html><h1>canary console</h1>").into_response()));
    told.push_str(&failure(extract(&lab, &sales(address, "", "")).await, port));
    assert!(!told.to_lowercase().contains("canary"), "{told}");
    insta::assert_snapshot!(told, @"
    source_login: s3://sales did not let elt in: it does not accept the signature, so the secret key is not the one of this access key
      Check `secret_access_key`: it must be complete, and belong to `access_key_id`.
    source_login: s3://sales did not let elt in: it does not know the access key
      Check `access_key_id`, and that the key was not deleted; temporary keys need their `session_token`.
    source_config: s3://sales is in the region eu-central-1, and was asked for in us-west-2
      Write `region: eu-central-1` into the source.
    source_missing: there is no bucket s3://tales
      Check the name of the bucket in `url`, and `endpoint` or `account`.
    source_missing: there is no s3://sales/b.csv
      Check the path in the config.
    bad_glob: s3://sales/b[.csv is not a valid glob pattern: unclosed character class; missing ']'
      Correct the pattern: *, ?, [a-z], {a,b} and **/ for folders at any depth.
    source_unreadable: s3://sales/ may not be read: the account may not list the bucket
      Ask the owner of the bucket for s3:ListBucket for the bucket. Buckets whose requests the requester pays cannot be read.
    source_unreadable: s3://sales did not answer with the listing of a bucket: it is another document
    ");
    let policed = Extraction::new().await.with_network(&["127.0.0.0/8"], &[]);
    let refused = failure(extract(&policed, &sales(address, "", "")).await, port);
    assert!(refused.starts_with("source_refused: s3://sales may not be called"), "{refused}");
}

#[tokio::test]
async fn a_server_that_is_away_or_busy_is_asked_again_and_then_an_outage() {
    let (server, lab) = (BucketServer::start(SPEAKS_S3, "sales").await, Extraction::new().await);
    server.put("a.csv", "id\n1\n");
    server.script(|asked, objects| {
        let tried = objects.entry("tries".into()).or_insert_with(|| Object::new(""));
        let is_busy = asked.key.is_empty() && tried.tags.len() < 2;
        tried.tags.push((String::new(), String::new()));
        is_busy.then(|| error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", ""))
    });
    let extracted = extract(&lab, &sales(server.address, "*.csv", "")).await.expect("the third attempt");
    assert_eq!(names(&extracted), ["a.csv"]);
    server.script(|_, _| Some(error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "")));
    let busy = extract(&lab, &sales(server.address, "*.csv", "")).await.expect_err("busy for ever");
    assert!(matches!(busy, PipelineError::Away { .. }), "{busy:?}");
    assert_eq!(
        busy.to_string(),
        "s3://sales cannot answer now: it answered 503 Service Unavailable (SlowDown) (3 attempts)"
    );
    let closed = ClosedPort::new();
    let away = extract(&lab, &sales(closed.address, "*.csv", "")).await.expect_err("nobody is there");
    assert!(matches!(away, PipelineError::Away { .. }), "{away:?}");
}

#[tokio::test]
async fn what_was_loaded_is_moved_deleted_or_tagged_if_it_is_still_the_same() {
    let (server, lab) = (BucketServer::start(SPEAKS_S3, "sales").await, Extraction::new().await);
    let warnings = async |action: &str, change: Option<&str>| {
        let source = sales(server.address, "in/*.csv", &format!(", after_load: {action}"));
        let extracted = extract(&lab, &source).await.expect("files");
        if let Some(changed) = change {
            server.put(changed, "id\n9\n");
        }
        extract::after_load(&[source], &extracted.files, &lab.context).await
    };
    server.put_object("in/a b.csv", Object { tags: vec![("team".into(), "sales".into())], ..Object::new("id\n1\n") });
    assert_eq!(warnings("{action: tag}", None).await, [""; 0]);
    let tags = server.object("in/a b.csv").expect("there").tags;
    assert_eq!(tags, [("team".to_owned(), "sales".to_owned()), ("elt".to_owned(), "loaded".to_owned())]);

    server.put("done/a b.csv", "an older one");
    server.put("in/c.csv", "id\n2\n");
    assert_eq!(
        warnings("{action: move, to: 's3://sales/done/'}", Some("in/c.csv")).await,
        ["s3://sales/in/c.csv was loaded and stays as it is: it has changed since"]
    );
    assert_eq!(server.keys(), ["done/a b-2.csv", "done/a b.csv", "in/c.csv"]);
    assert_eq!(server.object("done/a b-2.csv").expect("moved").body, "id\n1\n");

    assert_eq!(warnings("{action: delete}", None).await, [""; 0]);
    assert_eq!(server.keys(), ["done/a b-2.csv", "done/a b.csv"]);
}

#[tokio::test]
async fn a_copy_that_fails_deletes_nothing() {
    let (server, lab) = (BucketServer::start(SPEAKS_S3, "sales").await, Extraction::new().await);
    server.put("in/a.csv", "id\n1\n");
    let source = sales(server.address, "in/*.csv", ", after_load: {action: move, to: done}");
    let extracted = extract(&lab, &source).await.expect("a file");
    // S3 answers 200 before it knows that a copy fails.
    server.script(|asked, _| {
        asked.header("x-amz-copy-source").is_some().then(|| error(StatusCode::OK, "InternalError", ""))
    });
    let warnings = places::after_load_within(&[source], &extracted.files, &lab.context, &quick()).await;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("s3://sales/in/a.csv was loaded and stays as it is: "), "{warnings:?}");
    assert_eq!(server.keys(), ["in/a.csv"]);
}

#[tokio::test]
async fn a_look_changes_with_the_objects_and_only_with_them() {
    let (server, lab) = (BucketServer::start(SPEAKS_S3, "sales").await, Extraction::new().await);
    server.put("a.csv", "id\n1\n");
    let source = sales(server.address, "*.csv", "");
    let look = async || places::look(&source, &lab.context).await.expect("a look");
    let first = look().await;
    assert!(!first.needs_run);
    assert_eq!(look().await, first);
    server.put("notes.txt", "another glob's");
    assert_eq!(look().await, first);
    server.put("a.csv", "id\n2\n");
    let changed = look().await;
    assert_ne!(changed, first);
    server.put("b.csv", "id\n1\n");
    assert_ne!(look().await, changed);
}

#[tokio::test]
async fn objects_of_google_are_read_with_a_service_account() {
    let pem = pem_of_a_new_key("RS256", "PEM");
    let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let key = EncodingKey::from_rsa_der(&BASE64.decode(der).expect("base64"));
    let jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).expect("a public key");
    let server = BucketServer::start(Speaks::Gcs { key: Box::new(jwk) }, "sales").await;
    let lab = Extraction::new().await;
    server.put("in/a b.csv", "id\n1\n");
    server.put("in/c.csv", "id\n2\n");
    let account = serde_json::json!({"private_key": pem, "private_key_id": "1", "client_email": "elt@acme.example"});
    let of = |account: &str, more: &str| {
        let account = account.replace('\'', "\'\'");
        source(&format!(
            "url: 'gs://sales/in/*.csv', endpoint: 'http://{}', allow_http: true, service_account_key: '{account}'{more}",
            server.address
        ))
    };
    let moving = of(&account.to_string(), ", after_load: {action: move, to: done}");
    let extracted = extract(&lab, &moving).await.expect("both");
    let read: Vec<_> = texts(&extracted).into_iter().map(|(name, text)| format!("{name}: {text}")).collect();
    assert_eq!(read, ["gs://sales/in/a b.csv: id\n1\n", "gs://sales/in/c.csv: id\n2\n"]);
    assert_eq!(extract::after_load(&[moving], &extracted.files, &lab.context).await, [""; 0]);
    assert_eq!(server.keys(), ["done/a b.csv", "done/c.csv"]);
    let another = serde_json::json!({
        "private_key": pem_of_a_new_key("RS256", "PEM"), "private_key_id": "1", "client_email": "elt@acme.example"
    });
    let refused = extract(&lab, &of(&another.to_string(), "")).await.expect_err("another key");
    assert_eq!(refused.code().as_str(), "source_login", "{refused}");
    let broken = extract(&lab, &of("{\"private_key\": \"canary\"}", "")).await.expect_err("no key").to_string();
    assert!(
        broken.starts_with("the `service_account_key` for gs://sales cannot be used") && !broken.contains("canary")
    );
}
