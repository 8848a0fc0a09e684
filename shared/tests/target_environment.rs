//! Nothing of a process's environment and home folder reaches the server of a target.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use elt_shared::config::{SslMode, TargetDatabase};
use elt_shared::secret::Secret;
use elt_shared::settings::NetworkSettings;
use elt_shared::target::{AnswerLimits, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Set in the process that connects.
const CHILD: &str = "ELT_TEST_HOME_OF_CHILD";
/// In every value that must not leave the process.
const CANARY: &str = "leaked";

const VARIABLES: [&str; 16] = [
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGUSER",
    "PGPASSWORD",
    "PGDATABASE",
    "PGSSLMODE",
    "PGSSLKEY",
    "PGSSLCERT",
    "PGSSLROOTCERT",
    "PGOPTIONS",
    "PGAPPNAME",
    "PGPASSFILE",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGREQUIREAUTH",
];

#[test]
fn a_target_inherits_nothing_of_the_environment_or_the_home_folder() {
    if std::env::var_os(CHILD).is_some() {
        return;
    }
    let home = tempfile::tempdir().expect("a folder");
    write(home.path(), ".pgpass", &format!("*:*:*:*:{CANARY}-pgpass"));
    write(home.path(), ".pg_service.conf", &format!("[{CANARY}]\npassword={CANARY}-service\nuser={CANARY}"));
    fs::create_dir(home.path().join(".postgresql")).expect("a folder");
    for name in ["postgresql.crt", "postgresql.key", "root.crt"] {
        write(&home.path().join(".postgresql"), name, CANARY);
    }
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program);
    child.args(["--exact", "the_child_connects", "--nocapture"]).env(CHILD, home.path()).env("HOME", home.path());
    for name in VARIABLES {
        child.env(name, format!("{CANARY}-{}", name.to_lowercase()));
    }
    child.env("PGPORT", "1").env("PGSSLMODE", "verify-full").env("PGOPTIONS", format!("-c search_path={CANARY}"));
    child.env("PGPASSFILE", home.path().join(".pgpass")).env("PGSERVICEFILE", home.path().join(".pg_service.conf"));
    let ended = child.output().expect("it ran");
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains("sessions seen: 9"), "{said}");
}

fn write(folder: &Path, name: &str, content: &str) {
    let path = folder.join(name);
    fs::write(&path, content).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
}

#[tokio::test]
async fn the_child_connects() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let mut seen = 0;
    let urls = ["u@H/d", "u:@H/d", "u@H/d%3F&password=", "u:@H/d?", "u:@H/d?sslmode=disable", "u@H/d?sslmode=allow"];
    for url in urls {
        said_nothing_of_ours(|port| {
            TargetDatabase::Url(Secret::new(format!("postgres://{}", url.replace('H', &format!("127.0.0.1:{port}")))))
        })
        .await;
        seen += 1;
    }
    for password in [None, Some(Secret::new("")), Some(Secret::new("own"))] {
        said_nothing_of_ours(|port| TargetDatabase::Server {
            host: "127.0.0.1".into(),
            port,
            database: "d".into(),
            user: "u".into(),
            password: password.clone(),
            sslmode: SslMode::Prefer,
        })
        .await;
        seen += 1;
    }
    // The listener would hear of these, if the reader of URLs let them pass.
    for url in ["postgres://u@127.0.0.1/d#&password=", "postgres://u@127.0.0.1/d?password=", "postgres://@127.0.0.1/d"]
    {
        let refused = open(&TargetDatabase::Url(Secret::new(url))).await.expect_err("refused");
        assert_eq!(refused.code().as_str(), "target_url", "{url}");
    }
    println!("sessions seen: {seen}");
}

async fn said_nothing_of_ours(database: impl Fn(u16) -> TargetDatabase) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let database = database(listener.local_addr().expect("an address").port());
    let (refused, said) = tokio::join!(open(&database), listen(listener));
    assert!(refused.is_err());
    let text = String::from_utf8_lossy(&said);
    assert!(text.contains("user\0u\0"), "{text:?}");
    assert!(!text.contains(CANARY), "{text:?}");
}

async fn open(database: &TargetDatabase) -> Result<sqlx::PgConnection, elt_shared::target::TargetError> {
    connect(database, None, &NetworkSettings::default(), "elt:test", AnswerLimits::VIEW).await
}

/// Has no TLS, asks for the password in clear text, and hangs up. Returns everything the client said.
async fn listen(listener: TcpListener) -> Vec<u8> {
    let conversation = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut said = message(&mut stream, false).await;
        if said.len() == 8 {
            stream.write_all(b"N").await.expect("no TLS");
            said.extend(message(&mut stream, false).await);
        }
        stream.write_all(b"R\0\0\0\x08\0\0\0\x03").await.expect("asked");
        said.extend(message(&mut stream, true).await);
        said
    };
    tokio::time::timeout(Duration::from_secs(10), conversation).await.expect("a whole conversation")
}

async fn message(stream: &mut TcpStream, typed: bool) -> Vec<u8> {
    let mut said = Vec::new();
    if typed {
        said.push(stream.read_u8().await.expect("a type"));
    }
    let length = stream.read_u32().await.expect("a length");
    said.extend(length.to_be_bytes());
    let mut body = vec![0; length as usize - 4];
    stream.read_exact(&mut body).await.expect("a body");
    said.extend(body);
    said
}
