//! How a source says what identifies it, and what is said about one that says it wrongly.

use super::*;
use crate::config::{ApiAuth, ApiSource, AuthScheme, Grant, Method, SourceConfig, TokenPlace};

fn api(auth: &str) -> ApiSource {
    let config = pipeline(&source(&format!("type: api, url: 'http://h/', auth: {auth}")));
    match config.sources.into_iter().next() {
        Some(SourceConfig::Api(api)) => api,
        other => panic!("{other:?}"),
    }
}

/// Sentences about an `auth`, without `sources[0].` and the line.
#[track_caller]
fn wrong(auth: &str) -> Vec<String> {
    let problems = problems(&source(&format!("type: api, url: 'http://h/', auth: {auth}")));
    problems.iter().map(|problem| problem.replace("sources[0].", "").replace("at line 2 column ", "at ")).collect()
}

#[test]
fn the_simple_types_are_what_they_were() {
    let simple = |auth: &str| {
        let api = api(auth);
        assert_eq!(api.auth, None);
        (api.auth_scheme, api.auth_token.expect("a token").expose().to_owned())
    };
    assert_eq!(simple("{token: a}"), (AuthScheme::Auto, "a".into()));
    assert_eq!(simple("{type: Bearer, token: a}"), (AuthScheme::Bearer, "a".into()));
    assert_eq!(simple("{type: basic, username: u, password: p}"), (AuthScheme::Basic, "u:p".into()));
    assert_eq!(simple("{type: header, header: X-K, token: a}"), (AuthScheme::Header("X-K".into()), "a".into()));
}

#[test]
fn each_type_has_its_defaults() {
    let Some(ApiAuth::ApiKey(key)) = api("{type: api_key, token: k}").auth else { panic!("a key") };
    assert_eq!((key.send.place, key.send.name.as_str(), key.send.scheme), (TokenPlace::Header, "X-API-Key", None));
    let Some(ApiAuth::OAuth2(oauth)) =
        api("{type: oauth2, token_url: 'http://i/', client_id: c, client_secret: s, scopes: a}").auth
    else {
        panic!("oauth2")
    };
    assert_eq!((&oauth.grant, &oauth.scopes), (&Grant::ClientCredentials, &vec!["a".to_owned()]));
    assert_eq!((oauth.send.name.as_str(), oauth.send.scheme.as_deref()), ("Authorization", Some("Bearer")));
    let Some(ApiAuth::Login(login)) =
        api("{type: login, url: 'http://i/', body: {p: 1}, token_path: t, send_name: X-T}").auth
    else {
        panic!("login")
    };
    assert_eq!((login.method, login.send.scheme), (Method::Post, None));
    let Some(ApiAuth::Hmac(hmac)) = api("{type: hmac, secret: s}").auth else { panic!("hmac") };
    assert_eq!(hmac.canonical.names().collect::<Vec<_>>(), ["method", "path", "query", "timestamp", "body_hash"]);
    let names: Vec<&str> = hmac.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["X-Timestamp", "X-Signature"]);
}

#[test]
fn what_is_missing_or_of_no_use_is_said_at_its_place() {
    let oauth = |keys: &str| wrong(&format!("{{type: oauth2, token_url: 'http://i/', {keys}}}"));
    let pem = "expected a key in PEM form, which begins with `-----BEGIN PRIVATE KEY-----`";
    let claim = "auth.claims.exp: the claim exp is set by elt: use `issuer`, `subject`, `audience` and `scopes` at 156";
    for (said, expected) in [
        (oauth(""), "auth: missing key \"client_id\" at 39; auth: missing key \"client_secret\" at 39"),
        (oauth("grant: refresh_token"), "auth: missing key \"refresh_token\" at 39"),
        (oauth("grant: password, username: u"), "auth: missing key \"password\" at 39"),
        (
            oauth("grant: password, username: u, password: p, client_secret: s"),
            "auth: client_id and client_secret belong together at 39",
        ),
        (
            oauth("client_id: c, client_secret: s, refresh_token: r, private_key: k, username: u"),
            "auth.refresh_token: is a key of `grant: refresh_token` at 125; auth.private_key: is a key of `grant: jwt_bearer` at \
             141; auth.username: is a key of `grant: password` at 154",
        ),
        (oauth("grant: jwt_bearer, private_key: k, client_id: c"), &format!("auth.private_key: {pem} at 110")),
        (
            oauth("grant: jwt_bearer, private_key: '-----BEGIN PRIVATE KEY-----'"),
            "auth: the grant jwt_bearer needs `issuer` or `client_id` at 39",
        ),
        (oauth("grant: jwt_bearer, private_key: k, algorithm: HS256, issuer: i, claims: {exp: '1'}"), claim),
        (
            oauth("client_id: c, client_secret: s, params: {scope: a}"),
            "auth.params.scope: scope has a key of its own beside `params` at 126",
        ),
        (
            oauth("client_id: c, client_secret: s, send_name: 'X Y'"),
            "auth.send_name: expected the name of an HTTP header, found \"X Y\" at 121",
        ),
        (
            wrong("{type: oauth2, token_url: ftp://i/, client_id: c, client_secret: s}"),
            "auth.token_url: expected a URL that begins with http:// or https://, found \"ftp://i/\" at 65",
        ),
        (
            wrong("{type: oauth}"),
            "auth.type: unknown variant \"oauth\", expected bearer, raw, basic, header, auto, api_key, oauth2, login or hmac at 46",
        ),
        (
            wrong("{type: api_key, in: body, token: k}"),
            "auth.in: unknown variant \"body\", expected header, query or cookie at 59",
        ),
        (
            wrong("{type: login, url: 'http://i/', body: {a: 1}, form: {b: 2}}"),
            "auth.form: the body of the request is written at auth.body already at 91",
        ),
        (
            wrong("{type: login, url: 'http://i/', body: {a: '{{since}}'}}"),
            "auth: a login request has no placeholders, because it comes before the first page at 39",
        ),
        (wrong("{type: login, url: 'http://i/', username: u}"), "auth: username and password belong together at 39"),
        (
            wrong("{type: login, url: 'http://i/', send_name: X-T}"),
            "auth.send_name: is about the token, and `token_path` does not say where it is at 82",
        ),
        (wrong("{type: hmac}"), "auth: missing key \"secret\" at 39"),
        (
            wrong("{type: hmac, secret: s, canonical: '{{methd}}'}"),
            "auth.canonical: unknown placeholder {{methd}}, did you mean {{method}}? at 74",
        ),
        (
            wrong("{type: hmac, secret: s, canonical: '{{since}}'}"),
            "auth.canonical: {{since}} has no value in a signature, expected method, host, path, query, body_hash, timestamp, \
             nonce or key_id at 74",
        ),
        (
            wrong("{type: hmac, secret: s, canonical: '{{key_id}}'}"),
            "auth: {{key_id}} has no value: write `key_id` at 39",
        ),
        (
            wrong("{type: hmac, secret: s, headers: {X-A: '{{timestamp}}'}}"),
            "auth.headers: one of the headers must carry {{signature}} at 72",
        ),
    ] {
        assert_eq!(said.join("; "), expected);
    }
    let both = source("type: api, url: 'http://h/', auth_token: a, auth: {type: hmac, secret: s}");
    assert_eq!(
        problems(&both),
        [
            "sources[0].auth_token: is for a fixed token, and `auth` is of the type hmac: remove one of them at line 2 column 45"
        ]
    );
}

#[test]
fn references_are_left_to_the_worker_and_nothing_secret_shows() {
    let auth =
        "{type: oauth2, grant: jwt_bearer, token_url: '${env:TOKEN_URL}', private_key: '${secret:key}', issuer: i}";
    assert_eq!(wrong(auth), Vec::<String>::new());
    for auth in [
        "{type: api_key, token: c4n4ry}",
        "{type: oauth2, grant: password, token_url: 'http://i/?k=c4n4ry', client_id: c, client_secret: c4n4ry, username: u, \
         password: c4n4ry, params: {a: c4n4ry}}",
        "{type: oauth2, grant: refresh_token, token_url: 'http://i/', refresh_token: c4n4ry}",
        "{type: oauth2, grant: jwt_bearer, token_url: 'http://i/', private_key: c4n4ry, algorithm: HS256, issuer: i}",
        "{type: login, url: 'http://u:c4n4ry@i/', body: {p: c4n4ry}, headers: {X-A: c4n4ry}, username: u, password: c4n4ry}",
        "{type: login, url: 'http://i/', form: {p: c4n4ry}}",
        "{type: hmac, secret: c4n4ry}",
    ] {
        let shown = format!("{:?}", api(auth));
        assert!(!shown.contains("c4n4ry"), "{shown}");
    }
}
