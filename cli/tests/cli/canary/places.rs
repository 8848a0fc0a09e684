//! Every place of a config where a secret can stand.

use super::needles::Needles;
use super::servers::Servers;

/// A config with a secret in one place.
pub struct Planted {
    /// Which place, and what the other side does.
    pub name: String,
    pub yaml: String,
    /// Whether its runs must succeed, because then the secret was really used.
    pub succeeds: bool,
}

/// How an API answers: rows, a refusal or a failure that repeats the request, something else that repeats it, or with a
/// redirect to another host, which repeats it.
const ANSWERS: [&str; 6] = ["rows", "refused", "broken", "page", "cut", "elsewhere"];

/// Members of an API source. `HOST` is the API's host with an answer, `SECRET` the secret, and
/// `VARIABLE` a reference to an environment variable that holds it.
const API: [(&str, &str); 39] = [
    ("url, user and password", "url: 'http://ann:SECRET@HOST'"),
    ("url, user", "url: 'http://SECRET:x@HOST'"),
    ("url, user alone", "url: 'http://SECRET@HOST'"),
    ("url, ?key=", "url: 'http://HOST?key=SECRET'"),
    ("url, ?api_key=", "url: 'http://HOST?a=1&api_key=SECRET&b=2'"),
    ("url, ?access_token=", "url: 'http://HOST?access_token=SECRET'"),
    ("url, ?sig=", "url: 'http://HOST?sv=2024&sig=SECRET'"),
    ("url, ?x= that looks generated", "url: 'http://HOST?x=SECRET'"),
    ("url, fragment", "url: 'http://HOST#token=SECRET'"),
    ("path, a segment", "url: 'http://HOST/SECRET'"),
    ("path, a segment in the middle", "url: 'http://HOST/SECRET/orders'"),
    ("path, as of Slack", "url: 'http://HOST/services/T01ABCDEF/B02ABCDEF/SECRET'"),
    ("path, as of Telegram", "url: 'http://HOST/bot123456:SECRET/getUpdates'"),
    ("path, after `token`", "url: 'http://HOST/token/SECRET'"),
    ("path, after `api-key`", "url: 'http://HOST/api-key/SECRET/rows'"),
    ("path, after `webhook`", "url: 'http://HOST/webhook/SECRET'"),
    ("path, a parameter of a segment", "url: 'http://HOST/rows;token=SECRET'"),
    ("path, an assignment", "url: 'http://HOST/key=SECRET/rows'"),
    ("path, with a known prefix", "url: 'http://HOST/ghp_SECRET'"),
    ("path, twice", "url: 'http://HOST/SECRET/x/SECRET'"),
    ("path, with a suffix", "url: 'http://HOST/SECRET.json'"),
    ("path, with an escape", "url: 'http://HOST/%24%20SECRET'"),
    ("auth_token", "url: 'http://HOST', auth_token: SECRET"),
    ("auth_token with a scheme", "url: 'http://HOST', auth_token: 'Token SECRET'"),
    ("token", "url: 'http://HOST', token: SECRET"),
    ("auth_scheme: header", "url: 'http://HOST', auth_token: SECRET, auth_scheme: header, auth_header: X-Secret"),
    ("auth_scheme: basic", "url: 'http://HOST', auth_token: 'ann:SECRET', auth_scheme: basic"),
    ("auth.token", "url: 'http://HOST', auth: {type: bearer, token: SECRET}"),
    ("auth.token in a header", "url: 'http://HOST', auth: {type: header, name: X-Secret, token: SECRET}"),
    ("auth.password", "url: 'http://HOST', auth: {username: ann, password: SECRET}"),
    ("headers.Authorization", "url: 'http://HOST', headers: {Authorization: Bearer SECRET}"),
    ("headers.Cookie", "url: 'http://HOST', headers: {Cookie: session=SECRET}"),
    ("headers, another", "url: 'http://HOST', headers: {X-Key: SECRET}"),
    ("params.key", "url: 'http://HOST', params: {key: SECRET}"),
    ("params.token", "url: 'http://HOST', params: {token: SECRET, page: 1}"),
    ("params, another that looks generated", "url: 'http://HOST', params: {tenant: SECRET}"),
    ("an environment variable", "url: 'http://HOST', auth_token: 'VARIABLE'"),
    ("an environment variable in a header", "url: 'http://HOST', headers: {X-Key: 'a VARIABLE'}"),
    ("an environment variable in a path", "url: 'http://HOST/VARIABLE'"),
];

/// Texts around a whole config that have a secret in them. `SECRET` is the secret.
const BESIDE: [(&str, &str); 8] = [
    ("a comment", "# the old password: SECRET\n"),
    ("a comment with a URL", "# see https://ann:SECRET@example.com/\n"),
    ("an unknown key", "my_password: SECRET\n"),
    ("an unknown section", "vault: {deep: {secret: SECRET}}\n"),
    ("a list of secrets", "tokens: [SECRET, x]\n"),
    ("notify", "notify: [{on: [failed], webhook: 'https://hooks.example.com/SECRET'}]\n"),
    ("an anchor", "spare: &spare {password: SECRET}\nother: *spare\n"),
    ("a misspelled key", "passwrod: SECRET\n"),
];

/// Targets. `CLUSTER` is the port of the private cluster, `CLOSED` one at which nobody listens.
const TARGETS: [(&str, &str); 10] = [
    ("target.password, wrong", "host: 127.0.0.1, port: CLUSTER, database: elt_db, user: elt_target, password: SECRET"),
    ("target.password, unreachable", "host: 127.0.0.1, port: CLOSED, database: d, user: u, password: SECRET"),
    ("target.url, wrong", "url: 'postgres://elt_target:SECRET@127.0.0.1:CLUSTER/elt_db'"),
    ("target.url, unreachable", "url: 'postgres://u:SECRET@127.0.0.1:CLOSED/d'"),
    ("target.url, no such database", "url: 'postgres://elt_target:SECRET@127.0.0.1:CLUSTER/missing'"),
    ("target.url, ?password=", "url: 'postgres://u@127.0.0.1:CLOSED/d?password=SECRET'"),
    ("target.url, ?sslpassword=", "url: 'postgres://u:x@127.0.0.1:CLOSED/d?sslpassword=SECRET'"),
    ("target.url, ?options=", "url: 'postgres://u:x@127.0.0.1:CLOSED/d?options=-cpassword%3DSECRET'"),
    ("target.url, that cannot be parsed", "url: 'postgres://u:SECRET@127.0.0.1:port/d'"),
    ("target.url, from an environment variable", "url: 'VARIABLE'"),
];

/// Logins of SFTP sources.
const LOGINS: [(&str, &str); 6] = [
    ("sftp.password", "password: SECRET"),
    ("sftp.passphrase", "private_key: /no/such/key, passphrase: SECRET"),
    (
        "sftp.private_key, inline",
        "private_key: \"-----BEGIN OPENSSH PRIVATE KEY-----\\nSECRET\\n-----END OPENSSH PRIVATE KEY-----\"",
    ),
    ("sftp.private_key, not a key", "private_key: SECRET"),
    ("sftp.password, from an environment variable", "password: 'VARIABLE'"),
    ("sftp.host with a password", "host: 'ann:SECRET@127.0.0.1', password: x"),
];

/// All configs. Environment variables that hold a secret are added to `environment`.
pub fn all(servers: &Servers, needles: &mut Needles, environment: &mut Vec<(String, String)>) -> Vec<Planted> {
    let mut all = Vec::new();
    let mut plant = |name: &str, text: &str| {
        let secret = needles.plant(name);
        if text.contains("VARIABLE") {
            let variable = format!("CANARY_{}", environment.len());
            let value = match name.starts_with("target.url") {
                true => format!("postgres://u:{secret}@127.0.0.1:{}/d", servers.closed),
                false => secret.clone(),
            };
            environment.push((variable.clone(), value));
            return text.replace("VARIABLE", &format!("${{env:{variable}}}"));
        }
        text.replace("SECRET", &secret)
    };
    for (name, members) in API {
        let members = plant(&format!("api: {name}"), members);
        for answer in ANSWERS {
            let source = members.replace("HOST", &format!("127.0.0.1:{}/{answer}", servers.port));
            let yaml = config(all.len(), &format!("{{type: api, {source}}}"), "", "");
            all.push(Planted { name: format!("api: {name}, {answer}"), yaml, succeeds: answer == "rows" });
        }
    }
    let rows = format!("{{type: api, url: 'http://127.0.0.1:{}/rows'}}", servers.port);
    for (name, text) in BESIDE {
        let yaml = config(all.len(), &rows, "", &plant(name, text));
        all.push(Planted { name: name.to_owned(), yaml, succeeds: true });
    }
    for (name, members) in TARGETS {
        let members = plant(name, members).replace("CLOSED", &servers.closed);
        let yaml = config(all.len(), &rows, &format!("{members}, "), "");
        all.push(Planted { name: name.to_owned(), yaml, succeeds: false });
    }
    for (name, members) in LOGINS {
        let members = plant(name, members);
        for (whose, port) in [("unreachable", &servers.closed), ("another server", &servers.port)] {
            let host = if members.contains("host:") { "" } else { "host: 127.0.0.1, " };
            let source = format!("{{type: sftp, {host}port: {port}, username: ann, {members}, path: /a.csv}}");
            let yaml = config(all.len(), &source, "", "");
            all.push(Planted { name: format!("{name}, {whose}"), yaml, succeeds: false });
        }
    }
    all
}

/// A config with a table of its own.
fn config(number: usize, source: &str, target: &str, more: &str) -> String {
    format!(
        "name: canary_{number}\nsources: [{source}]\ntarget: {{{target}table: canary_{number}}}\n\
         monitor: {{enabled: false}}\nretry: {{max_attempts: 1}}\n{more}"
    )
}
