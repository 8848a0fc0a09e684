//! Places whose servers do other things than they should.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use elt_worker::extract::places::{self, StoreLimits};
use elt_worker::extract::probe;

use crate::places_s3::{extract, names, quick, sales};
use crate::support::app::PATIENCE;
use crate::support::bucket_server::{BucketServer, Object, Speaks};
use crate::support::extraction::{Extraction, failure, texts};
use crate::support::sshd::Sshd;

async fn bucket() -> BucketServer {
    BucketServer::start(Speaks::S3 { region: "eu-central-1" }, "sales").await
}

/// A page of a listing with these keys and sizes, and with these elements behind them.
fn page(objects: &[(&str, &str)], more: &str) -> Response {
    let mut text = "<ListBucketResult>".to_owned();
    for (key, size) in objects {
        write!(
            text,
            "<Contents><Key>{key}</Key><LastModified>2026-11-29T10:00:00.000Z</LastModified><ETag>x</ETag><Size>{size}</Size>\
             </Contents>"
        )
        .expect("written");
    }
    (StatusCode::OK, format!("{text}{more}</ListBucketResult>")).into_response()
}

#[tokio::test]
async fn a_listing_that_is_not_all_of_it_is_an_error() {
    let (server, lab) = (bucket().await, Extraction::new().await);
    let told = async || failure(extract(&lab, &sales(server.address, "", "")).await, 0);
    let whole = "<ListBucketResult><Contents><Key>a.csv</Key><Size>1</Size></Contents></ListBucketResult>";
    for cut in [28, 60, whole.len() - 19, whole.len() - 1] {
        server.script(move |_, _| Some((StatusCode::OK, whole[..cut].to_owned()).into_response()));
        let told = told().await;
        let expected = "source_unreadable: s3://sales did not answer with the listing of a bucket: it ";
        assert!(told.starts_with(expected), "{cut}: {told}");
    }
    server.script(|_, _| Some(page(&[("a.csv", "1")], "<IsTruncated>true</IsTruncated>")));
    let more = told().await;
    assert!(more.ends_with("it says that more follows, but not how to ask for it"), "{more}");
    // Two pages that follow each other, with and without objects.
    static ONE: [(&str, &str); 1] = [("a.csv", "1")];
    for objects in [&ONE[..], &[]] {
        let asked = AtomicUsize::new(0);
        server.script(move |_, _| {
            let token = asked.fetch_add(1, Ordering::Relaxed) % 2;
            Some(page(objects, &format!("<NextContinuationToken>{token}</NextContinuationToken>")))
        });
        let again = told().await;
        assert!(again.ends_with("a page follows that was there before"), "{again}");
    }
}

#[tokio::test]
async fn pages_without_an_end_and_without_objects_come_to_an_end() {
    let (server, lab) = (bucket().await, Extraction::new().await);
    let asked = AtomicUsize::new(0);
    server.script(move |_, _| {
        let token = asked.fetch_add(1, Ordering::Relaxed);
        Some(page(&[], &format!("<NextContinuationToken>{token}</NextContinuationToken>")))
    });
    let failed = failure(extract(&lab, &sales(server.address, "", "")).await, 0);
    assert!(failed.contains("its pages do not come to an end"), "{failed}");
    assert_eq!(server.asked().len(), 10_000);
}

#[tokio::test]
async fn sizes_that_no_sum_can_hold_are_too_much() {
    let (server, lab) = (bucket().await, Extraction::new().await);
    let largest = u64::MAX.to_string();
    server.script(move |_, _| {
        Some(page(&[("a.csv", largest.as_str()), ("b.csv", largest.as_str()), ("c.csv", "3")], ""))
    });
    let failed = failure(extract(&lab, &sales(server.address, "", "")).await, 0);
    assert!(failed.starts_with("source_too_large: s3://sales holds "), "{failed}");
    let tested = probe::probe(0, &sales(server.address, "", ""), &lab.context).await;
    assert_eq!((tested.files_total, tested.bytes_total), (3, Some(u64::MAX)));
}

#[tokio::test]
async fn objects_that_were_not_asked_for_are_not_read_and_none_is_read_twice() {
    let (server, lab) = (bucket().await, Extraction::new().await);
    for key in ["in/a.csv", "in/deep/b.csv", "other/c.csv"] {
        server.put(key, "id\n1\n");
    }
    // A server that knows neither prefix nor delimiter, and lists an object on two pages.
    server.script(|asked, objects| {
        if !asked.key.is_empty() {
            return None;
        }
        let tag = objects["in/a.csv"].tag.clone();
        let object = |key: &str| format!("<Contents><Key>{key}</Key><ETag>{tag}</ETag><Size>5</Size></Contents>");
        let all: String = ["in/a.csv", "in/deep/b.csv", "other/c.csv"].map(object).concat();
        let is_first = !asked.query.iter().any(|(name, _)| name == "continuation-token");
        let more = if is_first { "<NextContinuationToken>x</NextContinuationToken>" } else { "" };
        Some((StatusCode::OK, format!("<ListBucketResult>{all}{more}</ListBucketResult>")).into_response())
    });
    let extracted = extract(&lab, &sales(server.address, "in/", "")).await.expect("one of them");
    assert_eq!(names(&extracted), ["in/a.csv"]);
    assert_eq!(texts(&extracted).len(), 1);
}

#[tokio::test]
async fn an_object_that_sends_more_than_it_has_is_not_taken() {
    let (server, lab) = (bucket().await, Extraction::new().await);
    server.put("a.csv", "id\n1\n");
    server.script(|asked, objects| {
        let is_read = asked.method == Method::GET && !asked.key.is_empty();
        is_read.then(|| {
            let pieces = std::iter::repeat_n(Bytes::from_static(&[b'x'; 64 << 10]), 1 << 14);
            let pieces = pieces.map(Ok::<_, std::io::Error>);
            let body = Body::from_stream(futures::stream::iter(pieces));
            Response::builder().header("etag", format!("\"{}\"", objects["a.csv"].tag)).body(body).expect("an answer")
        })
    });
    let limits = StoreLimits { idle: Duration::from_secs(5), ..quick() };
    let reading = places::extract_within(0, &sales(server.address, "a.csv", ""), &lab.context, &limits).await;
    let failed = failure(reading, 0);
    assert_eq!(failed, "source_changed: s3://sales/a.csv changed while it was read");
    let spooled = std::fs::read_dir(&lab.context.spool).expect("a spool").map(|entry| entry.expect("an entry"));
    let bytes: u64 = spooled.map(|entry| entry.metadata().expect("its size").len()).sum();
    assert!(bytes < 8 << 20, "not all that the server sends is kept: {bytes}");
}

#[tokio::test]
async fn a_test_of_a_source_shows_the_files_in_each_archive() {
    let (server, sshd, lab) = (bucket().await, Sshd::start(), Extraction::new().await);
    let fixture = |name: &str| {
        std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archives").join(name))
            .expect(name)
    };
    for (name, content) in [
        ("in/0.csv", b"first\n1\n".to_vec()),
        ("in/a.zip", fixture("methods.zip")),
        ("in/b.zip", fixture("zip64.zip")),
        ("in/c.zip", b"no archive".to_vec()),
        ("in/large.zip", vec![0; (16 << 20) + 1]),
    ] {
        server.put_object(name, Object::new(content.clone()));
        sshd.write(name, content);
    }
    let expected = ["0.csv", "0.csv", "12.csv", "14.csv", "8.csv", "1.csv", "2.csv", "large.zip"];
    let sftp = elt_shared::config::SourceConfig::Sftp(sshd.source("in/*"));
    for source in [sales(server.address, "in/*", ""), sftp] {
        let probing = tokio::time::timeout(PATIENCE, probe::probe(0, &source, &lab.context)).await;
        let tested = probing.expect("an answer");
        let names: Vec<_> =
            tested.files.iter().map(|file| file.name.rsplit(['/', '!']).next().expect("a name")).collect();
        assert_eq!(names, expected, "{tested:#?}");
        assert_eq!(tested.columns, ["first"]);
        let notes = tested.notes.join("\n");
        assert!(notes.contains("in/c.zip: it cannot be unpacked"), "{notes}");
        assert!(notes.contains("in/large.zip is not opened by a test, because it is large"), "{notes}");
    }
}
