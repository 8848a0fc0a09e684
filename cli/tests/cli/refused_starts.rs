//! A start that is refused leaves no server behind.

use crate::support::{Folder, PASSWORD, elt, run, servers_in, up};

const SHORT: (&str, &str) = ("ELT_JWT_KEY", "too short");

#[test]
fn a_refused_first_start_leaves_no_process() {
    for (setting, code) in [
        (SHORT, 78),
        (("ELT_SECRET_KEY", "too short"), 78),
        // elt notices the next two only after it started the database.
        (("ELT_ADMIN_PASSWORD", "short"), 1),
        (("ELT_TARGET_URL", "postgres://elt@127.0.0.1"), 78),
    ] {
        let folder = Folder::new();
        let mut command = elt(&folder, &["up", "--listen", "127.0.0.1:0"]);
        command.env(setting.0, setting.1);
        let said = run(command);
        assert_eq!(said.code, Some(code), "{setting:?}: {}", said.stderr);
        assert_eq!(servers_in(&folder), Vec::<i32>::new(), "{setting:?}");
    }
}

#[test]
fn a_refused_start_on_an_installation_leaves_no_process() {
    let folder = Folder::new();
    folder.write("people.yaml", "sources: [{type: local, path: in}]\ntarget: {table: people}\n");
    up(&folder, &[]).stop();
    for (arguments, setting) in [
        (&["up", "--listen", "127.0.0.1:0"][..], SHORT),
        (&["serve", "--listen", "127.0.0.1:0"], SHORT),
        (&["worker"], ("ELT_SECRET_KEY", "too short")),
        (&["worker"], ("DATABASE_URL", "postgres://elt:elt@127.0.0.1:1/elt")),
    ] {
        let mut command = elt(&folder, arguments);
        command.env(setting.0, setting.1);
        let said = run(command);
        assert!(said.code.is_some_and(|code| code == 78 || code == 69), "{arguments:?}: {}", said.stderr);
        assert_eq!(servers_in(&folder), Vec::<i32>::new(), "{arguments:?}");
    }
    let said = run(elt(&folder, &["user", "remove", "nobody"]));
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert_eq!(servers_in(&folder), Vec::<i32>::new());
    // `elt run` notices an invalid file of keys only after it started its database.
    let keys = std::fs::read_to_string(folder.path().join("data/keys.json")).expect("the keys");
    folder.write("data/keys.json", "{}");
    for arguments in [&["run", "--once", "people.yaml"][..], &["plan", "people.yaml"], &["up"], &["serve"], &["worker"]]
    {
        let said = run(elt(&folder, arguments));
        assert_eq!(said.code, Some(78), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains("keys.json is not the file of keys elt wrote"), "{arguments:?}: {}", said.stderr);
        assert_eq!(servers_in(&folder), Vec::<i32>::new(), "{arguments:?}");
    }
    folder.write("data/keys.json", &keys);
    let again = up(&folder, &[("ELT_USER_PASSWORD", PASSWORD)]);
    again.stop();
}
