//! Blobs of Azure, against a server that speaks its protocol and checks every signature.

use axum::http::{HeaderValue, Method};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use elt_worker::extract::{self, places};

use crate::places_s3::{extract, quick, source};
use crate::support::bucket_server::{BucketServer, Object, SECRET_KEY, Speaks};
use crate::support::extraction::{Extraction, texts};

/// The server of the account `acme` with the container `sales`.
async fn acme() -> BucketServer {
    BucketServer::start(Speaks::Azure { account: "acme" }, "sales").await
}

/// Both ways of the account to identify itself.
fn logins() -> [String; 2] {
    let key = BASE64.encode(SECRET_KEY);
    [format!("account_key: '{key}'"), "sas: '?sv=2023-11-03&sp=rl&sig=canary%2Bsas%2Fsignature%3D'".to_owned()]
}

fn blobs(server: &BucketServer, more: &str) -> elt_shared::config::SourceConfig {
    source(&format!(
        "url: 'az://sales/in/*.csv', endpoint: 'http://{}', allow_http: true, account: acme, {more}",
        server.address
    ))
}

#[tokio::test]
async fn blobs_of_azure_are_read_with_a_key_or_a_signature() {
    let server = acme().await;
    let lab = Extraction::new().await;
    for number in 0..1_100 {
        server.put(&format!("in/{number:04}.txt"), "x");
    }
    server.put("in/a b+c.csv", "id\n1\n");
    let [key, sas] = logins();
    for login in [format!("{key}, after_load: {{action: tag, to: 'seen=yes & no'}}"), sas] {
        let source = blobs(&server, &login);
        let extracted = extract(&lab, &source).await.expect("a blob");
        assert_eq!(texts(&extracted), [("az://sales/in/a b+c.csv".to_owned(), "id\n1\n".to_owned())]);
        assert_eq!(extract::after_load(&[source], &extracted.files, &lab.context).await, [""; 0]);
    }
    assert_eq!(server.object("in/a b+c.csv").expect("there").tags.len(), 1);
    for login in ["account_key: Y2FuYXJ5", "sas: 'sv=1&sig=canary'"] {
        let refused = extract(&lab, &blobs(&server, login)).await.expect_err("not let in");
        assert_eq!(refused.code().as_str(), "source_login", "{refused}");
        assert!(!refused.to_string().contains("canary"), "{refused}");
    }
}

#[tokio::test]
async fn blobs_that_were_loaded_are_moved_and_deleted() {
    let lab = Extraction::new().await;
    for login in logins() {
        let server = acme().await;
        server.put("in/a b+c.csv", "id\n1\n");
        server.put("done/a b+c.csv", "an older one");
        // The service makes the copy after its answer.
        server.put_object("in/slow.csv", Object { copied_after: 3, ..Object::new("id\n2\n") });
        let moving = blobs(&server, &format!("{login}, after_load: {{action: move, to: done/}}"));
        let extracted = extract(&lab, &moving).await.expect("two blobs");
        assert_eq!(extract::after_load(&[moving], &extracted.files, &lab.context).await, [""; 0]);
        assert_eq!(server.keys(), ["done/a b+c-2.csv", "done/a b+c.csv", "done/slow.csv"]);
        assert_eq!(server.object("done/a b+c-2.csv").expect("moved").body, "id\n1\n");

        server.put("in/b.csv", "id\n3\n");
        let deleting = blobs(&server, &format!("{login}, after_load: {{action: delete}}"));
        let extracted = extract(&lab, &deleting).await.expect("a blob");
        assert_eq!(extract::after_load(&[deleting], &extracted.files, &lab.context).await, [""; 0]);
        assert!(server.object("in/b.csv").is_none());
    }
}

#[tokio::test]
async fn a_blob_is_not_deleted_when_its_copy_fails_or_it_has_changed_meanwhile() {
    let (server, lab) = (acme().await, Extraction::new().await);
    let [login, _] = logins();
    let moving = blobs(&server, &format!("{login}, after_load: {{action: move, to: done/}}"));
    let warnings = async || {
        let extracted = extract(&lab, &moving).await.expect("a blob");
        let sources = std::slice::from_ref(&moving);
        places::after_load_within(sources, &extracted.files, &lab.context, &quick()).await
    };
    server.put("in/a.csv", "id\n1\n");
    server.script(|asked, objects| {
        let is_copy =
            asked.method == Method::HEAD && objects.contains_key(&asked.key) && asked.key.starts_with("done/");
        is_copy.then(|| {
            let mut answer = axum::response::Response::default();
            answer.headers_mut().insert("x-ms-copy-status", HeaderValue::from_static("failed"));
            answer
        })
    });
    let failed = warnings().await;
    assert!(failed[0].contains("stays as it is: az://sales failed: it did not finish the copy"), "{failed:?}");
    assert!(server.object("in/a.csv").is_some());

    // It is replaced after it was copied.
    server.put("in/a.csv", "id\n2\n");
    server.script(|asked, objects| {
        if asked.method == Method::DELETE {
            objects.insert("in/a.csv".into(), Object::new("id\n3\n"));
        }
        None
    });
    let changed = warnings().await;
    assert_eq!(changed, ["az://sales/in/a.csv was loaded and stays as it is: it has changed since"]);
    assert_eq!(server.object("in/a.csv").expect("the new one").body, "id\n3\n");
}
