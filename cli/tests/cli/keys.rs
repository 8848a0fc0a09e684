//! The secret key: what it seals at `elt migrate`, and starts with another one.

use elt_cluster::Cluster;
use elt_shared::config::content_key;
use elt_shared::secret::KeyRing;
use elt_shared::store::{configs, secret_keys};
use serde_json::Value;
use sqlx::PgPool;

use crate::support::{Folder, Said, client::Client, elt, run, servers_in, up};

pub const KEY: &str = "the secret key of an installation: random";
pub const OTHER: &str = "some other secret key: just as random";

/// `elt` with this secret key, run to its end.
pub fn with_key(folder: &Folder, arguments: &[&str], key: &str) -> Said {
    let mut command = elt(folder, arguments);
    command.env("ELT_SECRET_KEY", key);
    run(command)
}

pub fn ring(key: &str) -> KeyRing {
    KeyRing::of(key.into(), Vec::new()).expect("a key")
}

/// The private cluster of a folder and its control database, as the owner.
pub async fn database(folder: &Folder) -> (Cluster, PgPool) {
    let cluster = Cluster::start(&folder.path().join("data"), None).await.expect("started the cluster");
    let options = cluster.control_url().expose().parse::<sqlx::postgres::PgConnectOptions>().expect("a URL");
    let db = elt_shared::store::connect(options, 2, elt_shared::store::Limits::COMMANDS).await.expect("connected");
    (cluster, db)
}

pub async fn close((cluster, db): (Cluster, PgPool)) {
    db.close().await;
    cluster.stop().await.expect("stopped the cluster");
}

/// Everything that is stored of configs, keys, users, tokens and the audit.
async fn stored(db: &PgPool) -> Vec<Value> {
    sqlx::query_scalar(
        "select to_jsonb(c) from elt.config_history c union all select to_jsonb(k) from elt.secret_keys k
         union all select to_jsonb(u) from elt.users u union all select to_jsonb(t) from elt.api_tokens t
         union all select to_jsonb(s) from elt.secrets s
         union all select to_jsonb(a) from elt.audit a union all select to_jsonb(e) from elt.audit_chain e order by 1",
    )
    .fetch_all(db)
    .await
    .expect("the rows")
}

pub fn text(number: i32) -> String {
    format!("name: p{number}\ntarget: {{table: t, password: hunter-{number}}}\n")
}

/// A version as releases stored it that did not seal.
pub async fn store_in_clear(db: &PgPool, number: i32) {
    sqlx::query(
        "insert into elt.config_history (version, name, yaml_content, content_key, yaml_preview, created_by, runnable,
                                         problems, warnings)
         values ($1, 'p', $2, $3, '', 'ann', false, '[]', '[]')",
    )
    .bind(number)
    .bind(text(number))
    .bind(content_key(KEY.as_bytes(), &text(number)).to_vec())
    .execute(db)
    .await
    .expect("inserted");
}

async fn in_clear(db: &PgPool) -> i64 {
    configs::count_in_clear(db).await.expect("counted")
}

#[tokio::test]
async fn migrate_seals_configs_in_clear_and_goes_on_where_it_was_interrupted() {
    const VERSIONS: i32 = 60;
    let folder = Folder::new();
    let opened = database(&folder).await;
    let db = &opened.1;
    let said = run(elt(&folder, &["migrate"]));
    assert_eq!(said.code, Some(0), "no key is needed while there is nothing to seal: {}", said.stderr);
    for number in 1..=VERSIONS {
        store_in_clear(db, number).await;
    }

    let said = run(elt(&folder, &["migrate"]));
    assert_eq!(said.code, Some(78), "{}", said.stderr);
    assert!(said.stderr.contains("ELT_SECRET_KEY is not set"), "{}", said.stderr);
    assert_eq!(in_clear(db).await, i64::from(VERSIONS));

    // The first batch of a migration that was interrupted.
    secret_keys::register(db, &ring(KEY)).await.expect("registered");
    assert_eq!(configs::seal_batch(db, &ring(KEY), 25).await.expect("sealed"), 25);
    let before = stored(db).await;
    let said = with_key(&folder, &["migrate"], OTHER);
    assert_eq!(said.code, Some(78), "{}", said.stderr);
    assert!(said.stderr.contains("wrong_secret_key"), "{}", said.stderr);
    assert_eq!(stored(db).await, before);

    let said = with_key(&folder, &["migrate"], KEY);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(in_clear(db).await, 0);
    let sealed = stored(db).await;
    assert!(!format!("{sealed:?}").contains("hunter"), "{sealed:?}");
    for version in configs::list(db, None, None, 100).await.expect("the versions") {
        let (number, masked) = (version.version, version.masked().expect("the masked text"));
        assert_eq!(version.open(&ring(KEY)).expect("it opens").expose(), text(number));
        assert_eq!(masked, text(number).replace(&format!("hunter-{number}"), "\"***\""));
    }

    assert_eq!(with_key(&folder, &["migrate"], KEY).code, Some(0));
    assert_eq!(stored(db).await, sealed, "what is sealed stays as it is");
    close(opened).await;
}

#[tokio::test]
async fn another_secret_key_refuses_every_start_and_changes_nothing() {
    let folder = Folder::new();
    let yaml = "sources: [{type: local, path: in}]\ntarget: {table: people}\n";
    folder.write("people.yaml", yaml);
    folder.write("in/a.csv", "id\n1\n");
    let started = up(&folder, &[("ELT_SECRET_KEY", KEY)]);
    let client = Client::log_in(&started.url).await;
    let trigger = client.trigger(yaml, None).await;
    client.wait_until_finished(&trigger).await;
    started.stop();
    let opened = database(&folder).await;
    let before = stored(&opened.1).await;
    close(opened).await;

    let refusal = format!(
        "error: wrong_secret_key: the control database has values sealed with the secret key {}, and this process has only \
         {}\n  what to do: Start with the key it was sealed with: as ELT_SECRET_KEY, as one of ELT_SECRET_KEY_OLD, or in the \
         keys.json of the data folder. `elt keys show` says what each key seals. Nothing was changed.\n",
        ring(KEY).current_id(),
        ring(OTHER).current_id()
    );
    for arguments in [
        &["up", "--listen", "127.0.0.1:0"][..],
        &["serve", "--listen", "127.0.0.1:0"],
        &["serve", "--migrate", "--listen", "127.0.0.1:0"],
        &["worker"],
        &["worker", "--migrate"],
        &["run", "--once", "people.yaml"],
        &["plan", "people.yaml"],
        &["migrate"],
        &["keys", "show"],
        &["keys", "rotate"],
        &["keys", "drop", "0123456789abcdef"],
        &["user", "add", "eve"],
        &["user", "password", "admin"],
        &["user", "remove", "admin"],
        &["token", "create", "ci", "--owner", "admin", "--scope", "read"],
        &["token", "revoke", "ci"],
        &["secret", "set", "shop", "--file", "people.yaml"],
        &["secret", "remove", "shop"],
        &["audit", "verify"],
    ] {
        let said = with_key(&folder, arguments, OTHER);
        assert_eq!(said.code, Some(78), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.ends_with(&refusal), "{arguments:?}: {}", said.stderr);
        assert_eq!(servers_in(&folder), Vec::<i32>::new(), "{arguments:?}");
    }
    // A current key that is a mistake changes nothing either, although an older one opens everything.
    for arguments in
        [&["user", "add", "eve"][..], &["token", "revoke", "ci"], &["secret", "set", "shop", "--file", "people.yaml"]]
    {
        let mut command = elt(&folder, arguments);
        command.env("ELT_SECRET_KEY", OTHER).env("ELT_SECRET_KEY_OLD", KEY);
        let said = run(command);
        assert_eq!(said.code, Some(78), "{arguments:?}: {}", said.stderr);
        assert!(
            said.stderr.contains("nothing is sealed with the current secret key"),
            "{arguments:?}: {}",
            said.stderr
        );
    }
    let opened = database(&folder).await;
    assert_eq!(stored(&opened.1).await, before);
    close(opened).await;

    // The old key opens what it sealed, beside a new one that seals from now on.
    up(&folder, &[("ELT_SECRET_KEY", OTHER), ("ELT_SECRET_KEY_OLD", KEY)]).stop();
}

#[tokio::test]
async fn a_refused_first_start_leaves_no_keys_behind() {
    let first = Folder::new();
    up(&first, &[("ELT_SECRET_KEY", KEY)]).stop();
    let (cluster, db) = database(&first).await;
    let before = stored(&db).await;
    let other = Folder::new();
    other.write("people.yaml", "sources: [{type: local, path: in}]\ntarget: {table: people}\n");
    for arguments in
        [&["up", "--listen", "127.0.0.1:0"][..], &["run", "--once", "people.yaml"], &["plan", "people.yaml"]]
    {
        let mut command = elt(&other, arguments);
        command.env("DATABASE_URL", cluster.control_url().expose());
        let said = run(command);
        assert_eq!(said.code, Some(78), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains("wrong_secret_key"), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.ends_with("Nothing was changed.\n"), "{arguments:?}: {}", said.stderr);
        assert!(!other.path().join("data/keys.json").exists(), "{arguments:?}");
    }
    assert_eq!(stored(&db).await, before);
    close((cluster, db)).await;
}
