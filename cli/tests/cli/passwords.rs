//! `elt user add` and `elt user password`: where the password comes from.

use crate::support::{Folder, elt, run, run_with, up};

#[test]
fn a_password_is_read_from_stdin_or_generated() {
    let folder = Folder::new();
    let up = up(&folder, &[]);
    let login = |password: &str| {
        let body = serde_json::json!({ "username": "eve", "password": password });
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let request = reqwest::Client::new().post(format!("{}/auth/login", up.url)).json(&body);
        runtime.block_on(async { request.send().await.expect("an answer").status().as_u16() })
    };
    let _ = rustls::crypto::ring::default_provider().install_default();

    let said = run_with(elt(&folder, &["user", "add", "eve"]), "battery staple\n");
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), ""), "{}", said.stderr);
    assert_eq!(login("battery staple"), 200);

    let said = run_with(elt(&folder, &["user", "password", "eve"]), "horse correct\r\n");
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), ""), "{}", said.stderr);
    assert_eq!((login("battery staple"), login("horse correct")), (401, 200));

    let said = run(elt(&folder, &["user", "password", "eve"]));
    let password = said.stdout.trim().strip_prefix("password of eve: ").expect("a generated password").to_owned();
    assert_eq!((login("horse correct"), login(&password)), (401, 200));

    for (arguments, stdin, problem) in [
        (&["user", "password", "eve"][..], "\n", "the password on stdin is empty"),
        (&["user", "add", "bob"], "carol\ndave\n", "there is more than one line on stdin"),
        (&["user", "password", "eve", "--password-stdin"], "", "the password on stdin is empty"),
        (&["user", "password", "eve"], &"x".repeat(5_000), "the text on stdin is too long for a password"),
    ] {
        let said = run_with(elt(&folder, arguments), stdin);
        assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(said.stderr.contains(problem), "{arguments:?}: {}", said.stderr);
    }
    assert_eq!(login(&password), 200, "a refused password changes nothing");
    let list = run(elt(&folder, &["user", "list"])).stdout;
    assert!(!list.contains("bob"), "{list}");
    up.stop();
}

#[tokio::test]
async fn a_person_of_the_identity_provider_has_no_password_here() {
    let folder = Folder::new();
    up(&folder, &[]).stop();
    let opened = crate::keys::database(&folder).await;
    sqlx::query(
        "insert into elt.users (id, username, issuer, subject, role, tokens_after)
         values (gen_random_uuid(), 'ann', 'https://id.example.com', '1', 'user', now())",
    )
    .execute(&opened.1)
    .await
    .expect("added");
    let said = run(elt(&folder, &["user", "password", "ann"]));
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    let refusal = "error: `ann` logs in at the identity provider https://id.example.com and has no password here";
    assert!(said.stderr.contains(refusal), "{}", said.stderr);
    assert!(said.stderr.contains("what to do: Change the password at the identity provider."), "{}", said.stderr);
    assert_eq!(said.stdout, "", "no password is shown");
    crate::keys::close(opened).await;
}
