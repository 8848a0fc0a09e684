//! What is hidden, what stays, and that no way of writing a secret gives it away.

use proptest::prelude::*;

use crate::config::Document;

fn masked(text: &str) -> String {
    Document::parse(text).unwrap_or_else(|error| panic!("{error}: {text}")).masked()
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(masked(text), expected);
}

#[test]
fn a_secret_is_hidden_in_every_style_of_writing() {
    check("password: hunter2 # why\n", "password: \"***\" # why\n");
    check("password: 'hun''ter2' # why\n", "password: '***' # why\n");
    check("password: \"hun\\\"ter2\"   # why\n", "password: \"***\"   # why\n");
    check("t: {user: a, password: hunter2, port: 1}\n", "t: {user: a, password: \"***\", port: 1}\n");
    check("password: 12345\n", "password: \"***\"\n");
    check("\u{feff}password: hünter2\r\nuser: é\r\n", "\u{feff}password: \"***\"\r\nuser: é\r\n");
    check("password: one\n  two\nuser: a\n", "password: \"***\n  ***\"\nuser: a\n");
    check("password: 'one\n\n  two'\n", "password: '***\n\n  ***'\n");
    check("password: \"\"\nuser: a\n", "password: \"***\"\nuser: a\n");
    check("password:\n  - hunter2\n  - {a: b}\n", "password:\n  - \"***\"\n  - {\"***\": \"***\"}\n");
    check("? password\n: hunter2\n", "? password\n: \"***\"\n");
}

#[test]
fn a_block_of_lines_keeps_its_lines() {
    let key = "private_key: |  # mine\n  -----BEGIN KEY-----\n  AAAA\n\n  -----END KEY-----\n# next\nport: 22\n";
    check(key, "private_key: |  # mine\n  ***\n  ***\n\n  ***\n# next\nport: 22\n");
    check("s:\n  - token: &t >-\n      a\n      b\n  - *t\n", "s:\n  - token: &t >-\n      ***\n      ***\n  - *t\n");
    check("token: |2\n    a\n   b", "token: |2\n    ***\n   ***");
}

#[test]
fn a_secret_behind_an_anchor_is_hidden_where_it_is_written() {
    check("x-pw: &pw hunter2\npassword: *pw\n", "x-pw: &pw \"***\"\npassword: *pw\n");
    check("x-pw: &pw  !!str\n  hunter2 # c\npassword: *pw\n", "x-pw: &pw  !!str\n  \"***\" # c\npassword: *pw\n");
    check(
        "target:\n  <<: {password: old1}\n  password: new1\n",
        "target:\n  <<: {password: \"***\"}\n  password: \"***\"\n",
    );
}

#[test]
fn keys_that_promise_a_secret_hide_it() {
    for key in [
        "password",
        "passwd",
        "PASSWORD",
        "pass",
        "passphrase",
        "private_key",
        "auth_token",
        "token",
        "api-key",
        "apiKey",
        "client_secret",
        "access_key_id",
        "webhook",
        "Authorization",
        "credentials",
        "passwrd",
        "pasword",
        "tokn",
    ] {
        check(&format!("{key}: hunter2\n"), &format!("{key}: \"***\"\n"));
    }
    check("auth: hunter2\n", "auth: \"***\"\n");
    check("auth: {type: bearer, token: hunter2}\n", "auth: {type: bearer, token: \"***\"}\n");
}

#[test]
fn references_and_missing_values_are_no_secrets() {
    check(
        "password: ${env:PG_PASSWORD}\ntoken: \"${secret:feed.key}\"\n",
        "password: ${env:PG_PASSWORD}\ntoken: \"${secret:feed.key}\"\n",
    );
    check("password:\ntoken: ~\n", "password:\ntoken: ~\n");
    check("password: ${env:A}hunter2\n", "password: \"***\"\n");
}

#[test]
fn headers_and_parameters_are_hidden_unless_they_are_harmless() {
    check(
        "headers: {Accept: application/json, X-Api-Key: abc, Cookie: a=b, X-Tenant: acme}\n",
        "headers: {Accept: application/json, X-Api-Key: \"***\", Cookie: \"***\", X-Tenant: \"***\"}\n",
    );
    check(
        "params: {limit: 500, key: abc, since: 2026-01-01, q: a1b2c3d4e5f6a7b8c9, sig: [x, y]}\n",
        "params: {limit: 500, key: \"***\", since: 2026-01-01, q: \"***\", sig: [\"***\", \"***\"]}\n",
    );
}

#[test]
fn every_secret_of_an_authentication_is_hidden_and_its_addresses_stay() {
    check(
        "auth: {type: oauth2, grant: refresh_token, token_url: https://id.example/token?key=abc, client_id: elt, \
         client_secret: hunter2, refresh_token: r1, password: p, private_key: k, scopes: [read], params: {key: abc}}\n",
        "auth: {type: oauth2, grant: refresh_token, token_url: https://id.example/token?key=***, client_id: elt, \
         client_secret: \"***\", refresh_token: \"***\", password: \"***\", private_key: \"***\", scopes: [read], params: {key: \"***\"}}\n",
    );
    check(
        "auth: {type: login, url: https://a.example/login, body: {user: ann, password: hunter2, pin: 1234, key: abc, \
         credentials: {a: b}}, token_path: $.data.token}\n",
        "auth: {type: login, url: https://a.example/login, body: {user: ann, password: \"***\", pin: \"***\", key: \"***\", \
         credentials: {\"***\": \"***\"}}, token_path: $.data.token}\n",
    );
    check(
        "auth: {type: login, form: {user: ann, pass: hunter2}, headers: {X-Client: abc}}\n",
        "auth: {type: login, form: {user: ann, pass: \"***\"}, headers: {X-Client: \"***\"}}\n",
    );
    check(
        "auth: {type: hmac, secret: hunter2, headers: {X-Sign: \"{{signature}}\", X-Key: \"v1 {{key_id}}\"}}\n",
        "auth: {type: hmac, secret: \"***\", headers: {X-Sign: \"{{signature}}\", X-Key: \"***\"}}\n",
    );
    check(
        "auth: {type: api_key, in: query, name: key, token: hunter2}\n",
        "auth: {type: api_key, in: query, name: key, token: \"***\"}\n",
    );
    check("auth: {type: api_key, key: hunter2}\n", "auth: {type: api_key, key: \"***\"}\n");
    check("graphql: {variables: {key: abc, first: 2}}\n", "graphql: {variables: {key: \"***\", first: 2}}\n");
    check("token_url: hunter2\n", "token_url: \"***\"\n");
}

#[test]
fn urls_lose_their_user_information_and_secret_parameters() {
    check("url: postgres://ann:hunter2@db:5432/x\n", "url: postgres://***@db:5432/x\n");
    check("url: postgres://ann:hun@ter2@db/x\n", "url: postgres://***@db/x\n");
    check("url: postgres://ann:hun/ter?2@db/x\n", "url: postgres://***@db/x\n");
    check("url: https://ghtoken@api/x?page=1\n", "url: https://***@api/x?page=1\n");
    check(
        "url: \"https://api/x?page=1&token=abc&api_key=d#access_token=e\"\n",
        "url: \"https://api/x?page=1&token=***&api_key=***\"\n",
    );
    check("url: https://api/x?n=a1b2c3d4e5f6a7b8c9\n", "url: https://api/x?n=***\n");
    check("url: https://hooks.example.com/T01/aB3dE6gH9jK2mN5p\n", "url: https://hooks.example.com/T01/***\n");
    check(
        "url: https://api.telegram.org/bot123456:ABC-DEF1234ghIkl-zyx57W2v1u1/getMe\n",
        "url: https://api.telegram.org/***/getMe\n",
    );
    check("url: https://api.example.com/v1/token/a1b2c3d4/rows\n", "url: https://api.example.com/v1/token/***/rows\n");
    check("url: https://api.example.com/v2/tokens/recent\n", "url: https://api.example.com/v2/tokens/recent\n");
    check("url: \"postgres://ann:hunter\\x32@db/x\"\n", "url: \"***\"\n");
    check(
        "url: https://api.example.com:8443/v1/a?since=2026-01-01\n",
        "url: https://api.example.com:8443/v1/a?since=2026-01-01\n",
    );
    check("dsn: host=db password='hunter 2' user=ann\n", "dsn: host=db password=*** user=ann\n");
    check("path: ann:hunter2@db:/x\n", "path: ***@db:/x\n");
    check("path: /data/in@home/a:b\n", "path: /data/in@home/a:b\n");
}

#[test]
fn what_looks_like_a_token_is_hidden_under_any_key() {
    check("a: ghp_0123456789abcdef\n", "a: \"***\"\n");
    check("a: eyJhbGciOi.eyJzdWIi.sig\n", "a: \"***\"\n");
    check("a: |\n  -----BEGIN OPENSSH PRIVATE KEY-----\n  b3Bl\n", "a: |\n  ***\n  ***\n");
    check("a: Bearer abcdefgh1\n", "a: \"***\"\n");
}

#[test]
fn a_schema_names_columns_not_secrets() {
    let schema = "schema:\n  columns:\n    token: text\n    password: {type: varchar(20), pattern: \"[a-z]+\"}\n";
    check(schema, schema);
    check("schema: {password: hunter2}\n", "schema: {password: \"***\"}\n");
}

#[test]
fn comments_keep_quiet_about_secrets_too() {
    check("a: 1 # password: hunter2 (old)\n", "a: 1 # password: ***\n");
    check("# postgres://ann:hunter2@db/x\na: 1\n", "# postgres://***@db/x\na: 1\n");
    check("# was elephant once\npassword: elephant\n", "# was *** once\npassword: \"***\"\n");
    check("a: 1\n#  b3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n", "a: 1\n#  ***\n");
    check("# two attempts: see the wiki\na: 'b' # c\n", "# two attempts: see the wiki\na: 'b' # c\n");
}

#[test]
fn what_yaml_reads_as_something_else_is_hidden_too() {
    check("password: !hunter2\n", "password: \"***\"\n");
    check("password: &hunter2\n", "password: \"***\"\n");
    check("password: !hunter 2\n", "password: \"***\"\n");
    check("password: #hunter2\n", "password: #***\n");
    check("password: hunter #2 x\nuser: a # b\n", "password: \"***\" #***\nuser: a # b\n");
    check("t: {password: , user: a} # b\n", "t: {password: , user: a} # ***\n");
}

#[test]
fn a_generated_secret_is_hidden_wherever_it_stands_again() {
    check("token: abc12345\nnote: see abc12345 there\n", "token: \"***\"\nnote: see *** there\n");
    // A word is not.
    check("password: postgres\ntype: postgres\n", "password: \"***\"\ntype: postgres\n");
}

#[test]
fn a_preview_is_cut_from_the_original_and_then_masked() {
    let preview = |text: &str| Document::parse(text).unwrap().preview();
    let long = format!("note: {}\n", "é".repeat(120));
    assert_eq!(preview(&long), long.chars().take(100).collect::<String>());
    assert_eq!(preview("a: b\n"), "a: b\n");
    let cut = format!("note: {}\npassword: hunter2-hunter2\n", "x".repeat(80));
    assert_eq!(preview(&cut), format!("note: {}\npassword: \"***\"", "x".repeat(80)));
}

/// Keys whose values must never show.
const SECRET_KEYS: [&str; 5] = ["password", "auth_token", "private_key", "passphrase", "client_secret"];

/// One way to write a secret below a key.
fn written(style: usize, key: &str, secret: &str) -> String {
    let indented = |text: &str| text.replace('\n', "\n      ");
    match style {
        // What follows `# ` is a comment, for people and for YAML.
        0 => format!("    {key}: {} # c\n", secret.replace('\n', " ").replace('#', "#x")),
        1 => format!("    {key}: '{}' # c\n", indented(&secret.replace('\'', "''"))),
        2 => format!("    {key}: {:?}   # c\n", secret),
        3 => format!("    {key}: |\n      {}\n    # c\n", indented(secret.trim_start())),
        4 => format!("    {key}: >-\n\n      {}\n\n", indented(secret.trim_start())),
        5 => format!("    nested: {{a: b, {key}: {:?}, c: d}}\n", secret),
        6 => format!("    x: &anchor-{key} {:?}\n    {key}: *anchor-{key}\n", secret),
        7 => format!("    {key}: !!str &b-{key}\n      {:?}\n", secret),
        8 => format!("    {key}: [{:?}, {{z: {:?}}}]\n", secret, secret),
        9 => format!("    \"{key}\" : {:?}\n", secret),
        10 => format!("    url-{key}: https://ann:{}@host/x\n", secret.replace(char::is_whitespace, "")),
        _ => format!("    ? {key}\n    : {:?}\n", secret),
    }
}

/// Texts that hold one of the canaries, between what makes YAML difficult.
fn secret() -> impl Strategy<Value = String> {
    let odd = proptest::sample::select(vec![
        "", " ", ": ", " #", "#", "'", "\"", "\\", "{", "}", "[", "]", ",", "&", "*", "!", "|", ">", "%", "@", "`",
        "-", "é", "😀", "/", "?", "\n", "~", "0x",
    ]);
    (proptest::collection::vec(odd.clone(), 0..4), proptest::collection::vec(odd, 0..4))
        .prop_map(|(before, after)| format!("{}Canary{}Canary{}", before.concat(), after.concat(), after.len()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_way_of_writing_a_secret_gives_it_away(
        secrets in proptest::collection::vec((0..12_usize, 0..SECRET_KEYS.len(), secret()), 1..4),
        ends in proptest::sample::select(vec!["\n", "\n", "\r\n", "\r"]),
    ) {
        let mut text = "é: 1\nsources:\n  - type: local\n    path: ./in\n".to_owned();
        for (index, (style, key, secret)) in secrets.iter().enumerate() {
            // A key may stand once in a mapping.
            let key = format!("{}_{index}", SECRET_KEYS[*key]);
            text.push_str(&written(*style, &key, secret));
        }
        text = text.replace('\n', ends);
        // Some ways are no YAML; what is stored at all must be masked.
        if let Ok(document) = Document::parse(&text) {
            let masked = document.masked();
            prop_assert!(!masked.contains("Canary"), "{text}\nbecame\n{masked}");
            prop_assert_eq!(masked.lines().count(), text.lines().count());
            prop_assert!(!document.preview().contains("Canary"));
            // A secret that holds a quote may be found again across the quotes of another one.
            if secrets.len() == 1 {
                prop_assert!(Document::parse(&masked).is_ok(), "{text}\nbecame\n{masked}");
            }
        }
    }
}
