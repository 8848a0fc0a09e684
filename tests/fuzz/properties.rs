//! What holds for any input of the readers that strangers reach. The fuzz targets and the tests share these functions, so
//! that a property cannot rot where no fuzzer runs.

use elt_api::page::{PageQuery, cursor};
use elt_shared::config::{Document, NoReferences};
use elt_shared::network::HostRule;
use elt_shared::target::{Author, CertificateFiles, Host, TargetAddress};

/// A rule for hosts is refused, or written in one way that reads back as the same rule.
pub fn host_rule(text: &str) {
    if let Ok(rule) = text.parse::<HostRule>() {
        assert_eq!(rule.to_string().parse::<HostRule>(), Ok(rule), "{text:?}");
    }
}

/// A cursor is refused, or leads to a key that has the same cursor.
pub fn cursor_token(text: &str) {
    let query = |text: &str| PageQuery { cursor: Some(text.to_owned()), limit: None };
    if let Ok(Some(key)) = query(text).after::<(i64, String)>() {
        assert_eq!(query(&cursor(&key)).after::<(i64, String)>().ok().flatten(), Some(key), "{text:?}");
    }
}

/// A URL of a target is refused without showing its password, or names one server. A config's URL names neither a socket
/// nor a file of this machine nor a setting of the session, and means the same in an operator's setting.
pub fn target_url(text: &str) {
    const SECRET: &str = "Zq7XwSecret";
    for url in
        [text.to_owned(), format!("postgres://ann:{SECRET}@{text}"), format!("postgres://{text}&password={SECRET}")]
    {
        let [by_config, by_operator] =
            [Author::Config, Author::Operator].map(|author| TargetAddress::parse(&url, author));
        for parsed in [&by_config, &by_operator] {
            let shown = match parsed {
                Ok(address) => format!("{address:?} {}", address.server()),
                Err(problem) => format!("{problem:?} {problem}"),
            };
            // A password may stand where it is no secret: in the name of a host or a database.
            let is_its_own = parsed.as_ref().is_ok_and(|address| address.password.expose() != SECRET);
            assert!(is_its_own || !shown.contains(SECRET), "{url:?}: {shown}");
        }
        if let Ok(address) = by_config {
            assert!(matches!(&address.host, Host::Name(host) if !host.starts_with('/')), "{url:?}");
            assert!(address.files == CertificateFiles::default() && address.options.is_empty(), "{url:?}");
            assert_eq!(by_operator, Ok(address), "{url:?}");
        }
    }
}

/// No secret of a config is in what people see of it: its masked text, its preview, and its problems. The secret is made
/// of the text; `style` chooses how the YAML writes it.
pub fn masked_yaml(style: u8, text: &str) {
    // A mark that no other part of the config contains, and letters that need no care in a plain scalar.
    let letters: String = text.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    let secret = format!("Zq7Xw{letters}");
    let comment: String = text.chars().filter(|letter| !letter.is_control()).take(64).collect();
    let written = match style % 7 {
        0 => secret.clone(),
        1 => format!("'{secret}'"),
        2 => format!("\"{secret}\""),
        3 => format!("|\n    {secret}\n  "),
        4 => format!(">-\n    {secret}\n  "),
        5 => format!("&anchor {secret}"),
        _ => format!("!!str \"\\x{:02x}{}\"", secret.as_bytes()[0], &secret[1..]),
    };
    let yaml = format!(
        "# {comment}\nname: people\nsources:\n- type: sftp\n  host: files.example.com\n  username: ann\n  password: {written}\n  \
         path: /out\ntarget:\n  table: people\n  password: {}\n# {comment}\n",
        if style % 7 == 5 { "*anchor" } else { "hunter2" }
    );
    if let Ok(document) = Document::parse(&yaml) {
        let problems = document.pipeline(&NoReferences).err().map(|error| format!("{error} {error:?}"));
        let shown = document.masked() + &document.preview() + &problems.unwrap_or_default();
        assert!(!shown.contains(&secret), "style {style}: {text:?}");
    }
    if let Ok(document) = Document::parse(text) {
        let _ = document.masked();
        assert!(document.preview().chars().count() <= 100, "{text:?}");
    }
}
