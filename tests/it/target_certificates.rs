//! Certificates of targets, which configs name as stored secrets: against a real PostgreSQL that asks for them.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::authority::Authority;
use crate::support::{TestApp, cluster};

/// The account that may log in with a certificate only.
const ACCOUNT: &str = "elt_it_certified";

/// A file that only the account of the server may read.
fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("permissions");
    let owner = folder.metadata().expect("the folder");
    chown(&path, Some(owner.uid()), Some(owner.gid())).expect("given to the server's account");
}

/// A PostgreSQL with TLS that lets [`ACCOUNT`] in with a certificate of `authority` only. Returns its port.
async fn server(authority: &Authority) -> u16 {
    let url = cluster::another("certificates").await;
    let mut db = PgConnection::connect(&url).await.expect("connected");
    let folder: String = sqlx::query_scalar("show data_directory").fetch_one(&mut db).await.expect("a folder");
    let folder = Path::new(&folder);
    let (certificate, key) = authority.sign("localhost");
    write(folder, "server.crt", &certificate);
    write(folder, "server.key", &key);
    write(folder, "root.crt", &authority.certificate);
    let rules = std::fs::read_to_string(folder.join("pg_hba.conf")).expect("the rules");
    write(folder, "pg_hba.conf", &format!("hostssl all {ACCOUNT} 127.0.0.1/32 cert\n{rules}"));
    for statement in [
        format!("create role {ACCOUNT} login"),
        "create database certified".into(),
        format!("alter database certified owner to {ACCOUNT}"),
        "alter system set ssl_ca_file = 'root.crt'".into(),
        "alter system set ssl = on".into(),
        "select pg_reload_conf()".into(),
    ] {
        sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut db).await.expect(&statement);
    }
    sqlx::query_scalar::<_, i32>("select inet_server_port()").fetch_one(&mut db).await.expect("a port") as u16
}

async fn put(app: &TestApp, name: &str, value: &str) {
    let body = json!({ "value": value, "pipelines": ["*"] });
    app.request("PUT", &format!("/secrets/{name}")).json(body).await.ok();
}

async fn ended(app: &TestApp, yaml: &str) -> Value {
    let run = app.trigger(yaml).await;
    app.finished(&run["id"]).await
}

#[tokio::test]
async fn a_target_that_asks_for_a_certificate_is_loaded_viewed_and_verified() {
    let app = TestApp::start().await;
    let (authority, stranger) = (Authority::new("one"), Authority::new("another"));
    let port = server(&authority).await;
    let (certificate, key) = authority.sign(ACCOUNT);
    for (name, value) in
        [("ca", &authority.certificate), ("other-ca", &stranger.certificate), ("cert", &certificate), ("key", &key)]
    {
        put(&app, name, value).await;
    }
    app.folder().write("a.csv", "id\n1\n2\n");
    let yaml = |host: &str, more: &str| {
        let target = format!(
            "host: {host}\n  port: {port}\n  database: certified\n  user: {ACCOUNT}\n  table: people\n{more}retry: \
             {{max_attempts: 1}}"
        );
        app.yaml("people", "").replace("table: people", &target)
    };
    let certified =
        "  ca_certificate: ${secret:ca}\n  client_certificate: ${secret:cert}\n  client_key: ${secret:key}\n";
    let good = yaml("localhost", certified);
    // The server takes its new settings a moment after it was asked to.
    let run = app.eventually(async || Some(ended(&app, &good).await).filter(|run| run["state"] == "succeeded")).await;
    assert_eq!(run.expect("the certificates are accepted")["rows_inserted"], 2);
    assert_eq!(app.post("/data-view").yaml(&good).await.ok()["total"], 2);

    let refused = async |yaml: String| {
        let run = ended(&app, &yaml).await;
        assert!(!run.to_string().contains("PRIVATE KEY"), "{run:#}");
        (run["error_code"].clone(), run["error"].as_str().unwrap_or_default().to_owned())
    };
    let (code, error) = refused(yaml("localhost", &certified.replace("secret:ca}", "secret:other-ca}"))).await;
    assert_eq!(code, "target_certificate", "{error}");
    assert!(error.contains("was signed by an authority that is not known here"), "{error}");
    // Without `sslmode`, a config that names an authority wants to know who the server is.
    let (code, error) = refused(yaml("127.0.0.1", certified)).await;
    assert_eq!(code, "target_certificate", "{error}");
    assert!(error.contains("was issued for another host name"), "{error}");
    assert_eq!(
        ended(&app, &yaml("127.0.0.1", &format!("  sslmode: verify-ca\n{certified}"))).await["state"],
        "succeeded"
    );
    let (code, error) = refused(yaml("localhost", "  ca_certificate: ${secret:ca}\n")).await;
    assert_eq!(code, "target_login", "{error}");
    let (code, error) = refused(yaml("localhost", &certified.replace("secret:key", "secret:cert"))).await;
    assert_eq!(code, "config", "{error}");
    assert!(
        error.contains(
            "target.client_key: \"${secret:cert}\" does not hold a private key without a passphrase in PEM form"
        ),
        "{error}"
    );
}
