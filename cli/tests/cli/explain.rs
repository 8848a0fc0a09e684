//! `elt explain`: what a code means, at the terminal.

use crate::support::{Folder, elt, run};

#[test]
fn a_code_is_explained_with_its_reason_and_the_next_step() {
    let said = run(elt(&Folder::new(), &["explain", "target_no_tls"]));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(
        said.stdout,
        "\
target_no_tls  (a run, API 502)

The target offers no TLS, and the connection must be encrypted. A connection to another machine is encrypted unless the config says otherwise.

What to do: Turn TLS on in the server, or write `sslmode: disable` or `prefer` under `target:` if password and rows may travel unencrypted.

Example: the target db.example.com:5432/shop offers no TLS, and the connection must be encrypted
"
    );
}

#[test]
fn without_a_code_all_codes_are_listed() {
    let said = run(elt(&Folder::new(), &["explain"]));
    assert_eq!(said.code, Some(0));
    for word in ["The schema contract", "worker_lost", "null_not_allowed", "last_admin"] {
        assert!(said.stdout.contains(word), "{word}: {}", said.stdout);
    }
}

#[test]
fn an_unknown_code_is_a_mistake_of_the_command_line_and_the_nearest_one_is_named() {
    let misspelled = run(elt(&Folder::new(), &["explain", "host_key_chnaged"]));
    assert_eq!((misspelled.code, misspelled.stdout.as_str()), (Some(64), ""));
    assert!(misspelled.stderr.contains("Did you mean host_key_changed?"), "{}", misspelled.stderr);
    let unknown = run(elt(&Folder::new(), &["explain", "a code of tomorrow"]));
    assert_eq!(unknown.code, Some(64));
    assert!(!unknown.stderr.contains("Did you mean"), "{}", unknown.stderr);
}
