//! Buckets that are read with the credentials of the worker itself.

use std::sync::Arc;

use elt_worker::extract::cloud::{CloudCredentials, LentCredentials};
use elt_worker::settings::{CloudCredential, CloudVariables};
use serde_json::json;

use crate::places_s3::{extract, source};
use crate::support::TestApp;
use crate::support::bucket_server::{BucketServer, KEY_ID, SECRET_KEY, Speaks};
use crate::support::closed_port::ClosedPort;
use crate::support::extraction::{Extraction, texts};
use crate::support::metadata_server::{MetadataServer, SESSION_TOKEN};

async fn sales() -> BucketServer {
    let server = BucketServer::start(Speaks::S3 { region: "eu-central-1" }, "sales").await;
    server.put("a.csv", "id\n1\n");
    server
}

/// The keys of a source of this server with the worker's own credentials.
fn keys(server: &BucketServer, credentials: &str) -> String {
    format!(
        "url: 's3://sales/*.csv', endpoint: 'http://{}', allow_http: true, region: eu-central-1, credentials: {credentials}",
        server.address
    )
}

/// A worker that lends its credentials.
fn lending(lab: &mut Extraction, environment: Option<CloudVariables>, metadata: Option<&str>) {
    let metadata = metadata.map(|address| address.parse().expect("an address"));
    lab.context.cloud = CloudCredentials::Lent(Arc::new(LentCredentials { environment, metadata }));
}

fn variables() -> CloudVariables {
    CloudVariables {
        access_key_id: Some(KEY_ID.into()),
        secret_access_key: Some(SECRET_KEY.into()),
        session_token: Some(SESSION_TOKEN.into()),
        ..CloudVariables::default()
    }
}

#[tokio::test]
async fn a_bucket_is_read_with_the_role_of_the_machine_or_the_keys_in_the_environment() {
    let (server, metadata, mut lab) = (sales().await, MetadataServer::start().await, Extraction::new().await);
    lending(&mut lab, Some(variables()), Some(&metadata.url()));
    for credentials in ["instance", "environment"] {
        let extracted = extract(&lab, &source(&keys(&server, credentials))).await.expect("a file");
        assert_eq!(texts(&extracted), [("s3://sales/a.csv".to_owned(), "id\n1\n".to_owned())]);
        let asked = server.asked();
        let tokens = asked.iter().map(|asked| asked.header("x-amz-security-token"));
        assert!(
            tokens.clone().count() > 0 && tokens.clone().all(|token| token == Some(SESSION_TOKEN)),
            "{credentials}"
        );
    }
    let folder = "/latest/meta-data/iam/security-credentials/";
    let expected = ["PUT /latest/api/token".to_owned(), format!("GET {folder}"), format!("GET {folder}elt-reader")];
    assert_eq!(metadata.asked(), expected, "the credentials are got once for all requests of a source");
}

#[tokio::test]
async fn credentials_that_are_not_lent_or_not_there_are_told_with_what_to_do() {
    let (server, metadata, mut lab) = (sales().await, MetadataServer::start().await, Extraction::new().await);
    let closed = ClosedPort::new();
    let nowhere = format!("http://{}", closed.address);
    let azure = "url: 'az://sales/a.csv', credentials: instance".to_owned();
    let google = "url: 'gs://sales/a.csv', endpoint: 'https://127.0.0.1:1', credentials: environment".to_owned();
    let [instance, environment] = ["instance", "environment"].map(|credentials| keys(&server, credentials));
    let mut told = String::new();
    let mut tell = async |lab: &Extraction, keys: &str| {
        let error = extract(lab, &source(keys)).await.expect_err("not readable");
        told.push_str(&format!("{}: {error}\n  {}\n", error.code(), error.next_step()));
    };
    tell(&lab, &instance).await;
    lending(&mut lab, None, Some(&metadata.url()));
    tell(&lab, &environment).await;
    lending(&mut lab, Some(CloudVariables::default()), Some(&nowhere));
    tell(&lab, &environment).await;
    tell(&lab, &instance).await;
    tell(&lab, &azure).await;
    tell(&lab, &google).await;
    assert!(server.asked().is_empty() && metadata.asked().is_empty());
    insta::assert_snapshot!(told, @"
    source_config: s3://sales cannot be read with the worker's own credentials: the operator of the workers does not lend them
      Write the keys of an account into the source, as `${secret:NAME}`; or the operator starts the workers with ELT_CLOUD_CREDENTIALS=instance, which lets every config by an admin use them.
    source_config: s3://sales cannot be read with the worker's own credentials: the operator of the workers does not lend them
      Write the keys of an account into the source, as `${secret:NAME}`; or the operator starts the workers with ELT_CLOUD_CREDENTIALS=environment, which lets every config by an admin use them.
    source_config: s3://sales cannot be read with the worker's own credentials: the worker's environment has no AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
      Start the workers with both variables, and with AWS_SESSION_TOKEN for temporary keys.
    source_login: s3://sales did not let elt in: the metadata service of the worker's machine has no credentials for it
      Give the machine a role, and let containers reach version 2 of the service (a hop limit of 2); or correct ELT_CLOUD_METADATA of the workers.
    source_config: az://sales cannot be read with the worker's own credentials: elt knows them for s3://, and those of the environment for gs://
      Write the keys of an account into the source, as `${secret:NAME}`.
    source_config: gs://sales cannot be read with the worker's own credentials: a token of Google is sent to Google only, and the source has an `endpoint`
      Remove `endpoint`, or write `service_account_key`.
    ");
}

#[tokio::test]
async fn a_config_borrows_the_workers_credentials_only_when_an_admin_vouches_for_it() {
    let (server, metadata) = (sales().await, MetadataServer::start().await);
    let address = metadata.url();
    let app = TestApp::start_with(|options| {
        options.worker.cloud_credentials = vec![CloudCredential::Instance];
        options.worker.cloud_metadata = address.parse().expect("an address");
    })
    .await;
    let yaml =
        format!("name: sales\nsources:\n- {{type: s3, {}}}\ntarget: {{table: sales}}\n", keys(&server, "instance"));
    let started = async |id: &serde_json::Value| {
        let run = app.post("/runs").json(json!({ "config_id": id })).await.ok();
        app.finished(&run["id"]).await
    };
    let uploaded = app.post("/upload-config").as_user().yaml(&yaml).await.ok();
    let run = started(&uploaded["id"]).await;
    assert_eq!(run["error_code"], "source_config", "{run:#}");
    assert!(run["error"].as_str().is_some_and(|error| error.contains("a user uploaded the config")), "{run:#}");
    assert!(metadata.asked().is_empty() && server.asked().is_empty());

    app.post("/upload-config").yaml(&yaml).await.ok();
    assert_eq!(started(&uploaded["id"]).await["state"], "succeeded");
    assert_eq!(app.count("sales").await, 1);

    // What lends the credentials is not a source.
    let before = metadata.asked().len();
    for keys in [
        format!("type: http, url: '{address}/latest/meta-data/iam/security-credentials/elt-reader', format: json"),
        format!("type: api, url: '{address}/latest/meta-data/iam/security-credentials/elt-reader'"),
        format!("type: s3, url: 's3://latest/', endpoint: '{address}', allow_http: true, credentials: anonymous"),
    ] {
        let yaml = format!("name: thief\nsources:\n- {{{keys}}}\ntarget: {{table: loot}}\n");
        let thief = app.post("/upload-config").yaml(&yaml).await.ok();
        let run = started(&thief["id"]).await;
        assert_eq!(run["error_code"], "source_refused", "{run:#}");
    }
    assert_eq!(metadata.asked().len(), before);
}
