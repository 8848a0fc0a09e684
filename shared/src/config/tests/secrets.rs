//! `${secret:NAME}`: where it may stand, and what a config says that does not get it.

use super::{pipeline, problems};
use crate::config::{
    ConfigError, Document, PemCertificates, Reference, Resolve, SecretRefusal, SslMode, TargetDatabase, Unresolved,
};
use crate::secret::Secret;

fn with_target(target: &str) -> String {
    format!("sources: [{{type: local, path: /a}}]\ntarget: {{{target}}}\n")
}

#[test]
fn a_value_that_people_see_is_no_secret() {
    let shown = "a secret cannot stand here, because this value is shown and stored as it is";
    for (yaml, place) in [
        ("name: '${secret:x}'\n", "name"),
        ("name: 'a ${secret:x} b'\n", "name"),
        ("output_csv_path: '/a/${secret:x}.csv'\n", "output_csv_path"),
        ("transform: [{name: '${secret:x}', sql: select 1}]\n", "transform[0].name"),
    ] {
        let found = problems(&(with_target("table: t") + yaml));
        assert!(found.iter().any(|problem| problem.starts_with(&format!("{place}: {shown} at line "))), "{found:?}");
    }
    assert_eq!(problems(&with_target("table: '${secret:x}'")), [format!("target.table: {shown} at line 2 column 17")]);
}

#[test]
fn the_secrets_of_a_text_are_found_wherever_they_stand() {
    let text = "a: ['x${secret:one}y', {b: '${secret:two}${secret:one}'}]\nc: &c '${secret:three'\nd: '${env:E}'\n\
                e: {<<: {f: '${secret:four}'}}\n'${secret:key}': 1\n";
    let names: Vec<String> = Document::parse(text).unwrap().secret_names().into_iter().collect();
    assert_eq!(names, ["four", "one", "two"]);
}

/// Has no secrets.
struct Refuses;

impl Resolve for Refuses {
    fn resolve(&self, reference: &Reference) -> Result<Option<Secret>, Unresolved> {
        let Reference::Secret(name) = reference else { return Ok(None) };
        let refusal = if name == "gone" { SecretRefusal::Unknown } else { SecretRefusal::NotGranted };
        Err(Unresolved { message: format!("{name} is refused"), refusal: Some(refusal) })
    }
}

#[test]
fn a_refused_secret_is_an_error_with_its_place_and_the_code_of_the_first_one() {
    let text = with_target("host: h, database: d, user: u, password: 'a${secret:other}', table: t")
        .replace("path: /a", "path: '/${secret:gone}/x'");
    let error = Document::parse(&text).unwrap().pipeline(&Refuses).unwrap_err();
    assert_eq!(
        error.to_string(),
        "sources[0].path: gone is refused at line 1 column 31; target.password: other is refused at line 2 column 51"
    );
    assert!(matches!(error, ConfigError::Secret { refusal: SecretRefusal::Unknown, .. }), "{error:?}");
    // Without a refused secret it is an ordinary problem.
    let error = Document::parse("sources: []\n").unwrap().pipeline(&Refuses).unwrap_err();
    assert!(matches!(error, ConfigError::NotRunnable(_)), "{error:?}");
}

const SERVER: &str = "host: db.example.com, database: d, user: u, table: t";

#[test]
fn certificates_are_named_as_secrets_only() {
    let only = "expected ${secret:NAME}, a stored secret that holds it in PEM form";
    for value in ["/etc/ssl/ca.pem", "'${env:CA}'", "'x${secret:ca}'", "'-----BEGIN CERTIFICATE-----'"] {
        let found = problems(&with_target(&format!("{SERVER}, ca_certificate: {value}")));
        assert!(found.len() == 1 && found[0].contains(only), "{value}: {found:?}");
    }
    for (keys, problem) in [
        ("client_certificate: '${secret:c}'", "needs client_key, the private key of this certificate"),
        ("client_key: '${secret:k}'", "needs client_certificate, the certificate of this key"),
        ("sslmode: prefer, ca_certificate: '${secret:ca}'", "has no effect with this sslmode"),
        (
            "sslmode: disable, client_certificate: '${secret:c}', client_key: '${secret:k}'",
            "has no effect with this sslmode",
        ),
    ] {
        let found = problems(&with_target(&format!("{SERVER}, {keys}")));
        assert!(found.len() == 1 && found[0].contains(problem), "{keys}: {found:?}");
    }
    let url = "url: 'postgres://u:p@h/d?sslmode=allow', table: t, ca_certificate: '${secret:ca}'";
    assert!(problems(&with_target(url))[0].contains("has no effect with this sslmode"));
}

#[test]
fn an_authority_makes_verify_full_the_default() {
    let certified = "ca_certificate: '${secret:ca}', client_certificate: '${secret:c}', client_key: '${secret:k}'";
    for (target, mode) in [
        (format!("{SERVER}, {certified}"), SslMode::VerifyFull),
        (format!("{SERVER}, sslmode: verify-ca, {certified}"), SslMode::VerifyCa),
    ] {
        let TargetDatabase::WithCertificates { server, certificates } = pipeline(&with_target(&target)).target.database
        else {
            panic!("certificates");
        };
        assert!(matches!(*server, TargetDatabase::Server { sslmode, .. } if sslmode == mode), "{server:?}");
        let own = Some(("${secret:c}".into(), "${secret:k}".into()));
        assert_eq!(certificates, PemCertificates { authorities: Some("${secret:ca}".into()), own });
    }
    let plain = pipeline(&with_target(SERVER)).target.database;
    assert!(matches!(plain, TargetDatabase::Server { sslmode: SslMode::Require, .. }), "{plain:?}");
}
