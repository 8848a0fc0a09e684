//! The texts as which a value may appear in what people read.

use super::{SHORTEST, SHORTEST_LINE};

/// Kinds of PEM blocks that everybody may know. Their lines are not hidden.
const PUBLIC_BLOCKS: [&str; 6] =
    ["CERTIFICATE", "TRUSTED CERTIFICATE", "CERTIFICATE REQUEST", "X509 CRL", "PUBLIC KEY", "RSA PUBLIC KEY"];

/// The texts as which a value may appear: itself or its lines, and these as JSON, Rust's `Debug` and names of hosts write
/// them. Empty for a value of public certificates alone.
pub(super) fn forms(value: &str) -> Vec<String> {
    let value = value.trim();
    let mut plain = match value.contains('\n') {
        true => secret_lines(value),
        false => vec![value],
    };
    plain.retain(|text| text.len() >= SHORTEST);
    let mut forms = Vec::with_capacity(plain.len());
    for text in plain {
        let (json, debug) = (serde_json::to_string(text).unwrap_or_default(), format!("{text:?}"));
        for form in [text.to_owned(), text.to_lowercase(), inside_quotes(&json), inside_quotes(&debug)] {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
    }
    forms
}

/// The lines of a value that are secret and long enough to be hidden one by one; the whole value when all lines of it are
/// short.
fn secret_lines(value: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut is_public = false;
    let mut has_public = false;
    for line in value.lines().map(str::trim) {
        // The lines around a block in PEM form are the same for all keys.
        if let Some(border) = line.strip_prefix("-----").and_then(|line| line.strip_suffix("-----")) {
            is_public = border.strip_prefix("BEGIN ").is_some_and(|kind| PUBLIC_BLOCKS.contains(&kind));
            has_public |= is_public;
        } else if !is_public && line.len() >= SHORTEST_LINE {
            lines.push(line);
        }
    }
    if lines.is_empty() && !has_public {
        lines.push(value);
    }
    lines
}

fn inside_quotes(quoted: &str) -> String {
    quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(quoted).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_public_and_the_key_beside_it_is_not() {
        let block = |kind: &str, line: &str| format!("-----BEGIN {kind}-----\n{line}\n-----END {kind}-----\n");
        let certificate = block("CERTIFICATE", "MIIBszCCAVmgAwIBAgIUQ29udGVudA==");
        let key = block("PRIVATE KEY", "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49");
        assert_eq!(forms(&certificate), Vec::<String>::new());
        assert_eq!(forms(&certificate.repeat(3).replace('\n', "\r\n")), Vec::<String>::new());
        for both in [format!("{certificate}{key}"), format!("{key}{certificate}{certificate}")] {
            let forms = forms(&both);
            assert!(forms.contains(&"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49".to_owned()), "{forms:?}");
            assert!(!forms.iter().any(|form| form.contains("MIIB")), "{forms:?}");
        }
        // A block of an unknown kind, one that nothing ends, and text behind a certificate are hidden.
        for secret in [
            block("ENCRYPTED PRIVATE KEY", "c4n4ry-line"),
            "-----BEGIN OPENSSH PRIVATE KEY-----\nc4n4ry-line".to_owned(),
            format!("{certificate}c4n4ry-line\n"),
        ] {
            assert!(forms(&secret).contains(&"c4n4ry-line".to_owned()), "{secret}");
        }
    }

    #[test]
    fn a_value_of_short_lines_is_hidden_as_a_whole() {
        assert_eq!(forms(" ab\ncd\n"), ["ab\ncd", "ab\\ncd"]);
        assert_eq!(forms("abc"), Vec::<String>::new());
    }
}
