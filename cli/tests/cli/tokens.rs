//! `elt token`: created and printed once, listed without its text, revoked at once.

use crate::support::{Folder, elt, run, run_with, up};

#[test]
fn a_token_is_created_at_the_terminal_used_and_revoked() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = Folder::new();
    let up = up(&folder, &[]);
    let status = |token: &str| {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let request = reqwest::Client::new().get(format!("{}/runs", up.url)).bearer_auth(token);
        runtime.block_on(async { request.send().await.expect("an answer").status().as_u16() })
    };
    let elt = |arguments: &str| elt(&folder, &arguments.split(' ').collect::<Vec<_>>());
    let said = run(elt("user add deploy --service --role admin"));
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), ""), "{}", said.stderr);
    let said = run(elt("token create ci --owner deploy --scope read --scope trigger --pipeline orders --days 7"));
    let token = said.stdout.trim_end().to_owned();
    assert!(token.starts_with("elt_") && token.len() == 40, "{} {}", said.stdout, said.stderr);
    assert_eq!(status(&token), 200);

    for (arguments, problem) in [
        ("token create CI --owner deploy --scope read", "there already is a token `CI`"),
        ("token create x --owner nobody --scope read", "there is no user `nobody`"),
        ("token create x --owner deploy --scope read --days 999", "a token lives 1 to 366 days on this server"),
        ("token revoke x", "there is no token `x` that could be revoked"),
        ("user add token:ci --service", "a username does not start with `token:` or `cli:`"),
        ("user add Cli:root", "a username does not start with `token:` or `cli:`"),
    ] {
        let said = run(elt(arguments));
        assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""), "{arguments}");
        assert!(said.stderr.contains(problem), "{arguments}: {}", said.stderr);
    }
    let said = run_with(elt("user password deploy"), "battery staple\n");
    assert!(said.code == Some(1) && said.stderr.contains("is a service account"), "{}", said.stderr);

    let list = run(elt("token list")).stdout;
    assert!(list.contains("ci    deploy  trigger, read  orders     live"), "{list}");
    assert!(!list.contains(&token[4..]));
    let said = run(elt("token revoke CI"));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(status(&token), 401);
    assert!(run(elt("token list")).stdout.contains("revoked"));
}
