//! The connection to the control database takes nothing from the environment or the home folder of the process.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::{Folder, Said, elt, run};

const CANARY: &str = "leaked";
const KEY: &str = "a key of more than thirty-two bytes";
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

/// Runs a command with all of these set, against a server that asks for the password in clear text and hangs up. Answers
/// everything the server was sent.
fn against_a_listener(arguments: &[&str], url: &str, answers_tls: bool) -> (Said, String) {
    let folder = Folder::new();
    for (name, content) in [
        (".pgpass", format!("*:*:*:*:{CANARY}-pgpass")),
        (".pg_service.conf", format!("[{CANARY}]\npassword={CANARY}-service\nuser={CANARY}")),
        (".postgresql/postgresql.crt", CANARY.to_owned()),
        (".postgresql/postgresql.key", CANARY.to_owned()),
        (".postgresql/root.crt", CANARY.to_owned()),
    ] {
        let path = folder.write(name, &content);
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a mode");
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let heard: JoinHandle<Vec<u8>> = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        listen(&mut stream, answers_tls).unwrap_or_else(|error| panic!("{error}"))
    });
    let mut command = elt(&folder, arguments);
    for name in VARIABLES {
        command.env(name, format!("{CANARY}-{}", name.to_lowercase()));
    }
    command
        .env("PGPORT", "1")
        .env("PGSSLMODE", "verify-full")
        .env("PGOPTIONS", format!("-c search_path={CANARY}"))
        .env("PGPASSFILE", folder.path().join(".pgpass"))
        .env("PGSERVICEFILE", folder.path().join(".pg_service.conf"))
        .env("HOME", folder.path())
        .env("ELT_SECRET_KEY", KEY)
        .env("ELT_JWT_KEY", KEY)
        .env("DATABASE_URL", url.replace("HOST", &format!("127.0.0.1:{port}")));
    let said = run(command);
    let heard = String::from_utf8_lossy(&heard.join().expect("a conversation")).into_owned();
    (said, heard)
}

fn listen(stream: &mut TcpStream, answers_tls: bool) -> std::io::Result<Vec<u8>> {
    let mut said = message(stream, 0)?;
    if said.len() == 8 && answers_tls {
        stream.write_all(b"S")?;
        return Ok(said);
    }
    if said.len() == 8 {
        stream.write_all(b"N")?;
        said.extend(message(stream, 0)?);
    }
    stream.write_all(b"R\0\0\0\x08\0\0\0\x03")?;
    said.extend(message(stream, 1)?);
    Ok(said)
}

/// A message behind `typed` bytes that say what it is.
fn message(stream: &mut TcpStream, typed: usize) -> std::io::Result<Vec<u8>> {
    let mut head = vec![0; typed + 4];
    stream.read_exact(&mut head)?;
    let length = u32::from_be_bytes(head[typed..].try_into().expect("four bytes"));
    let mut body = vec![0; length as usize - 4];
    stream.read_exact(&mut body)?;
    Ok([head, body].concat())
}

#[test]
fn what_the_url_leaves_out_is_a_fixed_default() {
    for arguments in [&["user", "list"][..], &["migrate"], &["serve", "--listen", "127.0.0.1:0"], &["worker"]] {
        let (said, heard) = against_a_listener(arguments, "postgres://u@HOST/d", false);
        assert_eq!(said.code, Some(69), "{arguments:?}: {}", said.stderr);
        assert!(heard.contains("user\0u\0"), "{arguments:?}: {heard:?}");
        assert!(!heard.contains(CANARY), "{arguments:?}: {heard:?}");
        assert!(!said.stderr.contains(CANARY), "{arguments:?}: {}", said.stderr);
        assert!(
            said.stderr.contains("not used: PGAPPNAME, PGOPTIONS, PGSSLCERT, PGSSLKEY, PGSSLROOTCERT"),
            "{}",
            said.stderr
        );
    }
}

#[test]
fn the_url_alone_says_which_certificates_count() {
    let (said, _) = against_a_listener(&["user", "list"], "postgres://u@HOST/d?sslmode=verify-full", true);
    assert_eq!(said.code, Some(69), "{}", said.stderr);
    assert!(!said.stderr.contains(CANARY) && !said.stderr.contains("No such file"), "{}", said.stderr);
}
