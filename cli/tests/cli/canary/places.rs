//! Every place of a config where a secret can stand.

use super::needles::Needles;
use super::servers::Servers;
use super::sshd;

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

/// Members of an API source. `HOST` is the API's host with an answer, `SECRET` the secret, `VARIABLE` a reference to an
/// environment variable that holds it, and `STORED` one to a stored secret.
const API: [(&str, &str); 44] = [
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
    ("a stored secret", "url: 'http://HOST', auth_token: 'STORED'"),
    ("a stored secret in a header", "url: 'http://HOST', headers: {X-Key: 'a STORED'}"),
    ("a stored secret in a path", "url: 'http://HOST/STORED'"),
    ("a stored secret in a parameter", "url: 'http://HOST', params: {q: 'STORED'}"),
    ("a stored secret as password", "url: 'http://HOST', auth: {username: ann, password: 'STORED'}"),
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
const TARGETS: [(&str, &str); 12] = [
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
    ("target.url, a stored secret", "url: 'STORED'"),
    (
        "target.password, a stored secret",
        "host: 127.0.0.1, port: CLUSTER, database: elt_db, user: elt_target, password: 'STORED'",
    ),
];

/// Logins of SFTP sources.
const LOGINS: [(&str, &str); 7] = [
    ("sftp.password", "password: SECRET"),
    ("sftp.passphrase", "private_key: /no/such/key, passphrase: SECRET"),
    (
        "sftp.private_key, inline",
        "private_key: \"-----BEGIN OPENSSH PRIVATE KEY-----\\nSECRET\\n-----END OPENSSH PRIVATE KEY-----\"",
    ),
    ("sftp.private_key, not a key", "private_key: SECRET"),
    ("sftp.password, from an environment variable", "password: 'VARIABLE'"),
    ("sftp.password, a stored secret", "password: 'STORED'"),
    ("sftp.host with a password", "host: 'ann:SECRET@127.0.0.1', password: x"),
];

/// Secrets that configs only refer to, by their names.
#[derive(Default)]
pub struct Elsewhere {
    /// Variables of the environment.
    pub environment: Vec<(String, String)>,
    /// Stored secrets.
    pub stored: Vec<(String, String)>,
}

impl Elsewhere {
    /// The text with a secret in it, or with a reference to one.
    fn plant(&mut self, (name, text): (&str, &str), closed: &str, needles: &mut Needles) -> String {
        let secret = needles.plant(name);
        let (word, kind, kept) = match text {
            _ if text.contains("VARIABLE") => ("VARIABLE", "env", &mut self.environment),
            _ if text.contains("STORED") => ("STORED", "secret", &mut self.stored),
            _ => return text.replace("SECRET", &secret),
        };
        let named = format!("CANARY_{}", kept.len());
        let value = match name.starts_with("target.url") {
            true => format!("postgres://u:{secret}@127.0.0.1:{closed}/d"),
            false => secret,
        };
        kept.push((named.clone(), value));
        text.replace(word, &format!("${{{kind}:{named}}}"))
    }
}

/// All configs. Secrets that they only refer to are added to `elsewhere`.
pub fn all(servers: &Servers, needles: &mut Needles, elsewhere: &mut Elsewhere) -> Vec<Planted> {
    let mut all = let_in(servers, needles, elsewhere);
    let mut plant = |name: &str, text: &str| elsewhere.plant((name, text), &servers.closed, needles);
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

/// Sources of a real SFTP server that lets them in, so that the secret is really used.
fn let_in(servers: &Servers, needles: &mut Needles, elsewhere: &mut Elsewhere) -> Vec<Planted> {
    let sshd = &servers.sshd;
    sshd.write("rows.csv", "id\n1\n");
    let passphrase = needles.plant("sftp.passphrase, let in");
    let key = sshd.key();
    let locked = std::fs::read_to_string(sshd.another_key("ed25519", &passphrase)).expect("the key");
    for (place, key) in [("sftp.private_key, let in", &key), ("sftp.private_key with a passphrase, let in", &locked)] {
        // The second line differs between keys of one kind.
        needles.add(place, key.lines().nth(3).expect("a line of the key"));
    }
    let inline = |key: &str| format!("private_key: \"{}\"", key.replace('\n', "\\n"));
    elsewhere.stored.push(("CANARY_KEY".into(), key.clone()));
    let mut logins = vec![
        ("sftp.private_key, inline", inline(&key)),
        ("sftp.private_key, inline with a passphrase", format!("{}, passphrase: {passphrase}", inline(&locked))),
        ("sftp.private_key, a stored secret", "private_key: '${secret:CANARY_KEY}'".to_owned()),
    ];
    // Only root can make an account that has a password.
    if sshd::is_root() {
        needles.add("sftp.password, let in", sshd::PASSWORD);
        elsewhere.stored.push(("CANARY_PASSWORD".into(), sshd::PASSWORD.into()));
        logins.push(("sftp.password", format!("password: {}", sshd::PASSWORD)));
        logins.push(("sftp.password, a stored secret", "password: '${secret:CANARY_PASSWORD}'".to_owned()));
    }
    let configs = logins.into_iter().enumerate().map(|(number, (name, login))| {
        let source = format!(
            "{{type: sftp, host: 127.0.0.1, port: {}, username: {}, {login}, path: '{}', settle_seconds: 0}}",
            sshd.address.port(),
            sshd.user(),
            sshd.remote("rows.csv")
        );
        Planted { name: format!("{name}, let in"), yaml: config(number, &source, "", ""), succeeds: true }
    });
    configs.collect()
}

/// A config with a table of its own.
fn config(number: usize, source: &str, target: &str, more: &str) -> String {
    format!(
        "name: canary_{number}\nsources: [{source}]\ntarget: {{{target}table: canary_{number}}}\n\
         monitor: {{enabled: false}}\nretry: {{max_attempts: 1}}\n{more}"
    )
}
