//! The body of a request: JSON, form fields or text, with the values of its placeholders.

use bytes::Bytes;
use elt_shared::config::template::{Value, Values};
use elt_shared::config::{Body, JsonTemplate};
use reqwest::Url;

use super::error::{HttpError, Result};
use super::url::shown;

/// Most bytes of a body, because a cursor in it comes from the API.
const MAX_BYTES: usize = 4 << 20;

/// `Content-Type` of a form.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// Fields as the body of a form. `any` is any URL, because a query has the same form.
pub(super) fn form(any: &Url, fields: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>) -> String {
    let mut form = any.clone();
    form.query_pairs_mut().clear().extend_pairs(fields);
    form.query().unwrap_or_default().to_owned()
}

/// A body that can be sent.
pub(super) struct Rendered {
    pub(super) bytes: Bytes,
    /// The value of `Content-Type`, unless the config writes one.
    pub(super) content_type: &'static str,
}

/// The body with its values.
pub(super) fn render(body: &Body, values: &Values, url: &Url) -> Result<Rendered> {
    let (text, content_type) = match body {
        Body::Json { value, .. } => {
            let mut text = String::new();
            json(value, values, &mut text);
            (text, "application/json")
        }
        Body::Form(fields) => {
            let values = fields.iter().filter_map(|(name, value)| Some((name, value.render(values)?.to_string())));
            (form(url, values), FORM)
        }
        Body::Text(text) => {
            let text = text.render_with(values, |value| value.into());
            let is_json = text.trim_start().starts_with(['{', '[']);
            (text, if is_json { "application/json" } else { "text/plain; charset=utf-8" })
        }
    };
    if text.len() > MAX_BYTES {
        return Err(HttpError::LongBody { url: shown(url), bytes: text.len(), limit: MAX_BYTES });
    }
    Ok(Rendered { bytes: text.into(), content_type })
}

/// Writes a JSON document. A member or element that is one placeholder without a value is left out.
fn json(template: &JsonTemplate, values: &Values, to: &mut String) -> bool {
    match template {
        JsonTemplate::Literal(literal) => to.push_str(literal),
        JsonTemplate::Text(text) => match text.render(values) {
            None => return false,
            Some(Value::Whole(number)) => to.push_str(&number.to_string()),
            Some(Value::Json(json)) => to.push_str(&json),
            Some(Value::Text(text)) => to.push_str(&quoted(&text)),
        },
        JsonTemplate::List(items) => {
            to.push('[');
            let mut first = true;
            for item in items {
                first &= !after_comma(first, to, |to| json(item, values, to));
            }
            to.push(']');
        }
        JsonTemplate::Object(members) => {
            to.push('{');
            let mut first = true;
            for (name, value) in members {
                let written = after_comma(first, to, |to| {
                    to.push_str(&quoted(name));
                    to.push(':');
                    json(value, values, to)
                });
                first &= !written;
            }
            to.push('}');
        }
    }
    true
}

/// Writes one more thing, behind a comma when it is not the first; nothing at all when `write` returns false.
fn after_comma(first: bool, to: &mut String, write: impl FnOnce(&mut String) -> bool) -> bool {
    let before = to.len();
    if !first {
        to.push(',');
    }
    let written = write(to);
    if !written {
        to.truncate(before);
    }
    written
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use elt_shared::config::template::{PAGE_CURSOR, PAGE_NUMBER, SINCE, Template};

    use super::*;

    fn text(template: &str) -> JsonTemplate {
        JsonTemplate::Text(Template::parse(template).expect(template))
    }

    fn rendered(body: &Body, values: &Values) -> (String, &'static str) {
        let url = Url::parse("http://h/").expect("a url");
        let rendered = render(body, values, &url).expect("a body");
        (String::from_utf8(rendered.bytes.to_vec()).expect("a text"), rendered.content_type)
    }

    #[test]
    fn what_has_no_value_is_left_out_of_json() {
        let filter = JsonTemplate::Object(vec![("since".into(), text("{{since}}"))]);
        let value = JsonTemplate::Object(vec![
            ("after".into(), text("{{page.cursor}}")),
            ("page".into(), text("{{page.number}}")),
            ("sort".into(), JsonTemplate::List(vec![text("{{since}}"), text("id"), text("{{until}}")])),
            ("size".into(), JsonTemplate::Literal("100".into())),
            ("filter".into(), filter),
            ("note".into(), text("from {{since}} on")),
        ]);
        let body = Body::Json { value, graphql: false };
        let first = Values::default().with(PAGE_NUMBER, 1_u64);
        let expected = r#"{"page":1,"sort":["id"],"size":100,"filter":{},"note":"from  on"}"#;
        assert_eq!(rendered(&body, &first), (expected.into(), "application/json"));
        let later = first.with(PAGE_CURSOR, "a\"b\\\n").with(SINCE, "2026");
        let (json, _) = rendered(&body, &later);
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(
            (&json["after"], &json["sort"][0], &json["note"]),
            (&"a\"b\\\n".into(), &"2026".into(), &"from 2026 on".into())
        );
    }

    #[test]
    fn a_form_encodes_its_values() {
        let field = |name: &str, value| (name.to_owned(), Template::parse(value).expect(value));
        let body = Body::Form(vec![field("q", "a&b={{since}}"), field("q", "2"), field("until", "{{until}}")]);
        let values = Values::default().with(SINCE, "x y");
        assert_eq!(rendered(&body, &values), ("q=a%26b%3Dx+y&q=2".into(), "application/x-www-form-urlencoded"));
    }

    #[test]
    fn a_body_has_a_limit() {
        let body = Body::Text(Template::parse("{{page.cursor}}").expect("a template"));
        let values = Values::default().with(PAGE_CURSOR, "x".repeat(MAX_BYTES + 1));
        let url = Url::parse("http://h/a?canary").expect("a url");
        let error = render(&body, &values, &url).err().expect("too long").to_string();
        assert!(error.contains("http://h/a") && !error.contains("canary"), "{error}");
    }
}
