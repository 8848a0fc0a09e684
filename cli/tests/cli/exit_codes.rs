//! What a script learns from the exit code, and a person from the words.

use crate::support::{Folder, elt, run};

const RUNNABLE: &str = "sources: [{type: local, path: in}]\ntarget: {table: t}\n";

#[test]
fn help_names_the_exit_codes_and_every_command() {
    let said = run(elt(&Folder::new(), &["--help"]));
    assert_eq!(said.code, Some(0));
    for word in ["up", "serve", "worker", "migrate", "run", "plan", "check", "schema", "report", "user", "Exit codes:"]
    {
        assert!(said.stdout.contains(word), "{word}: {}", said.stdout);
    }
}

#[test]
fn a_command_line_that_is_none_ends_with_64() {
    assert_eq!(run(elt(&Folder::new(), &["fly"])).code, Some(64));
    assert_eq!(run(elt(&Folder::new(), &["up", "--listen", "nowhere"])).code, Some(64));
}

#[test]
fn check_names_the_place_and_ends_with_3() {
    let folder = Folder::new();
    folder.write("good.yaml", RUNNABLE);
    folder.write("bad.yaml", "sources:\n  - type: gopher\ntarget: {table: t}\n");
    folder.write("odd.yaml", &format!("strict_mod: true\n{RUNNABLE}"));

    let good = run(elt(&folder, &["check", "good.yaml"]));
    assert_eq!((good.code, good.stdout.as_str()), (Some(0), "good.yaml: `t` loads 1 source into t\n"));

    let bad = run(elt(&folder, &["check", "bad.yaml"]));
    assert_eq!(bad.code, Some(3));
    assert!(
        bad.stderr.starts_with("bad.yaml:2:11: error: sources[0].type: unknown variant \"gopher\""),
        "{}",
        bad.stderr
    );

    let odd = run(elt(&folder, &["check", "odd.yaml"]));
    assert_eq!(odd.code, Some(0));
    assert!(odd.stderr.contains("did you mean \"strict_mode\"?"), "{}", odd.stderr);
    assert_eq!(run(elt(&folder, &["check", "--strict", "odd.yaml"])).code, Some(3));
}

#[test]
fn a_database_that_is_away_ends_with_69_and_shows_no_password() {
    let folder = Folder::new();
    let mut command = elt(&folder, &["migrate"]);
    command.env("DATABASE_URL", "postgres://elt:hunter2@127.0.0.1:1/elt");
    let said = run(command);
    assert_eq!(said.code, Some(69), "{}", said.stderr);
    assert!(said.stderr.contains("could not connect to the control database at 127.0.0.1:1"), "{}", said.stderr);
    assert!(said.stderr.contains("Connection refused"), "{}", said.stderr);
    assert!(!said.stderr.contains("hunter2"), "{}", said.stderr);
}

#[test]
fn a_server_without_keys_ends_with_78_and_names_them() {
    let folder = Folder::new();
    let said = run(elt(&folder, &["serve", "--listen", "127.0.0.1:0"]));
    assert_eq!(said.code, Some(78), "{}", said.stderr);
    assert!(said.stderr.contains("ELT_JWT_KEY is not set"), "{}", said.stderr);
    assert_eq!(run(elt(&folder, &["worker"])).code, Some(78));
}

#[test]
fn an_occupied_port_is_named_with_what_to_do() {
    let occupier = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = occupier.local_addr().expect("an address").to_string();
    let said = run(elt(&Folder::new(), &["up", "--listen", &address]));
    assert_eq!(said.code, Some(78), "{}", said.stderr);
    assert!(said.stderr.contains(&format!("could not listen on {address}")), "{}", said.stderr);
    assert!(said.stderr.contains("Choose another address with --listen"), "{}", said.stderr);
}
