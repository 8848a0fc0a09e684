//! Texts as YAML.

/// A text as YAML: as it is where that is safe, else quoted.
pub fn quoted(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let is_path = text == "." || ["./", "../", "/"].iter().any(|start| text.starts_with(start));
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    let is_safe = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./*".contains(c));
    if is_safe && (is_path || is_word) {
        return text.to_owned();
    }
    // Single quotes need no escapes, so that a path like `$["a.b"]` stays readable.
    if text.contains('"') && text.chars().all(|c| c != '\'' && (c.is_ascii_graphic() || c == ' ')) {
        return format!("'{text}'");
    }
    // YAML reads what JSON writes, but some characters end a line of YAML, and so a comment, that JSON leaves as they are.
    let mut yaml = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') {
            yaml.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            yaml.push(c);
        }
    }
    yaml
}

/// A mapping on one line: `{ type: cursor, cursor_path: next }`.
pub(super) fn flow(keys: &[(&'static str, String)]) -> String {
    let pairs: Vec<String> = keys.iter().map(|(key, value)| format!("{key}: {}", scalar(value))).collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// A value of a mapping: whole numbers and lists of them as they are, any other text quoted where necessary.
fn scalar(value: &str) -> String {
    let are_numbers =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | ' '));
    let list = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if list.is_some_and(are_numbers) || value.parse::<u64>().is_ok_and(|number| number.to_string() == value) {
        value.to_owned()
    } else {
        quoted(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_yaml_could_misread_is_quoted() {
        for plain in ["orders", "./incoming/*.csv", "a-b_c.d", ".", "../x"] {
            assert_eq!(quoted(plain), plain);
        }
        for odd in
            ["no", "Null", "1e3", "a: b", "# x", "é", "", ".5", "a\nb", "*", "it's \"x\"", "a\u{85}b\u{2028}c: d"]
        {
            let read: serde_json::Value = serde_json::from_str(&quoted(odd)).expect("quoted as JSON");
            assert_eq!(read, odd);
            assert!(!quoted(odd).contains(['\u{85}', '\u{2028}', '\n']), "one line");
        }
        assert_eq!(quoted(r#"$["a.b"]"#), r#"'$["a.b"]'"#);
        let keys =
            [("type", "page".into()), ("start", "0".into()), ("end_status", "[400]".into()), ("param", "07".into())];
        assert_eq!(flow(&keys), "{ type: page, start: 0, end_status: [400], param: \"07\" }");
    }
}
