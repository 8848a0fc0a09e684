//! `method`, `url`, `headers`, `params`, `body`, `form` and `graphql`: the request for a page.

use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use super::template::{self, Template, Values};
use crate::config::field::{Field, Piece};
use crate::config::keys::{Choice, Key, Shape};
use crate::config::mask;
use crate::config::node::{Scalar, Style};
use crate::config::secret_detection::is_secret_parameter;
use crate::config::section::Section;

/// The HTTP method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// `GET`
    #[default]
    Get,
    /// `POST`
    Post,
}

impl Choice for Method {
    const WORDS: &'static [(&'static str, Self)] = &[("GET", Self::Get), ("POST", Self::Post)];
}

/// The body of a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// JSON. `graphql`: the request is a GraphQL query, so that its answer has `data` and `errors`.
    Json {
        /// The document.
        value: JsonTemplate,
        /// Whether it is a GraphQL query.
        graphql: bool,
    },
    /// Fields, sent as `application/x-www-form-urlencoded`. A name may be there several times.
    Form(Vec<(String, Template)>),
    /// A text that is sent as it stands, except for its placeholders.
    Text(Template),
}

/// JSON whose texts may have placeholders.
#[derive(Clone, PartialEq, Eq)]
pub enum JsonTemplate {
    /// A number, `true`, `false` or `null`, as it is written in JSON.
    Literal(String),
    /// A text, or the value of one placeholder.
    Text(Template),
    /// An array.
    List(Vec<JsonTemplate>),
    /// An object, its members in the order of the config.
    Object(Vec<(String, JsonTemplate)>),
}

impl JsonTemplate {
    /// Calls `visit` with every template in it.
    fn each<'t>(&'t self, visit: &mut dyn FnMut(&'t Template)) {
        match self {
            Self::Literal(_) => {}
            Self::Text(template) => visit(template),
            Self::List(items) => items.iter().for_each(|item| item.each(visit)),
            Self::Object(members) => members.iter().for_each(|(_, value)| value.each(visit)),
        }
    }
}

impl JsonTemplate {
    fn add_secrets(&self, name: &str, secrets: &mut Vec<String>) {
        match self {
            Self::Literal(_) => {}
            Self::Text(text) if is_secret_parameter(name) => secrets.push(text.written()),
            Self::Text(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.add_secrets(name, secrets)),
            Self::Object(members) => members.iter().for_each(|(name, value)| value.add_secrets(name, secrets)),
        }
    }
}

impl Body {
    /// Adds the texts whose names say that they are secret.
    pub(super) fn add_secrets(&self, secrets: &mut Vec<String>) {
        match self {
            Self::Json { value, .. } => value.add_secrets("", secrets),
            Self::Form(fields) => {
                secrets.extend(
                    fields.iter().filter(|(name, _)| is_secret_parameter(name)).map(|(_, value)| value.written()),
                );
            }
            Self::Text(_) => {}
        }
    }

    /// Calls `visit` with every template in it.
    pub fn each<'t>(&'t self, visit: &mut dyn FnMut(&'t Template)) {
        match self {
            Self::Json { value, .. } => value.each(visit),
            Self::Form(fields) => fields.iter().for_each(|(_, value)| visit(value)),
            Self::Text(text) => visit(text),
        }
    }
}

pub(super) const METHOD_KEY: Key =
    Key::choice::<Method>("method", "`GET` or `POST`. Default: `POST` with `body`, `form` or `graphql`, else `GET`.");
pub(super) const BODY_KEY: Key = Key::of(
    "body",
    Shape::Any,
    "What is sent: a mapping or list as JSON, a text as it stands. Placeholders such as `{{page.cursor}}` have values.",
);
pub(super) const FORM_KEY: Key =
    Key::of("form", Shape::Pairs, "What is sent, as `application/x-www-form-urlencoded`, instead of `body`.");
pub(super) const GRAPHQL_KEY: Key =
    Key::of("graphql", Shape::Section(GRAPHQL_KEYS), "A GraphQL query, instead of `body`.");

const GRAPHQL_KEYS: &[Key] = &[
    Key::text("query", "The query.").required(),
    Key::of("variables", Shape::Any, "A mapping with the query's variables. Placeholders stand here."),
    Key::text("operation", "The operation to run, when `query` has several.").or(&["operationName"]),
];

/// Reads the address: a URL whose path and query may have placeholders.
pub(super) fn url(section: &Section<'_>, further: &[String]) -> Option<Template> {
    let field = section.required("url")?;
    let is_open = field.pieces()?.iter().any(|piece| matches!(piece, Piece::Open(_)));
    let template = template::read(field, further)?;
    if is_open {
        return Some(template);
    }
    let written = template.written();
    if template.names().next().is_none() {
        if !is_http(written.trim()) {
            field.problem(format!("expected a URL that begins with http:// or https://, found {}", field.shown()));
            return None;
        }
        return Some(Template::literal(written.trim()));
    }
    // A value in the place of the host would decide who gets the token.
    let host_is_fixed = template.start().split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '?']));
    let sample = template.render_with(&Values::default(), |_| "x".into());
    if !host_is_fixed || !is_http(sample.trim()) {
        field.problem(
            "expected a URL that begins with http:// or https:// and a host, with placeholders in its path or query only",
        );
        return None;
    }
    Some(template)
}

fn is_http(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

pub(super) fn headers(field: &Field<'_>, further: &[String]) -> Option<Vec<(String, Template)>> {
    let pairs = field.pairs()?;
    // Every one is read, so that every problem is reported.
    let headers: Vec<_> = pairs.into_iter().map(|(name, value)| header(name, &value, further)).collect();
    headers.into_iter().collect()
}

fn header(name: &str, value: &Field<'_>, further: &[String]) -> Option<(String, Template)> {
    if HeaderName::try_from(name).is_err() {
        value.problem(format!("{name:?} is not a name of an HTTP header"));
        return None;
    }
    let template = template::read(value, further)?;
    if HeaderValue::try_from(template.written()).is_err() {
        value.problem("line breaks and control characters are not allowed in an HTTP header");
        return None;
    }
    Some((name.to_owned(), template))
}

/// Names with templates; a list of values sends the name once for each.
pub(super) fn pairs(field: &Field<'_>, further: &[String]) -> Option<Vec<(String, Template)>> {
    let mut pairs = Vec::new();
    for (name, value) in field.pairs()? {
        let values = if value.is_list() { value.items()? } else { vec![value] };
        for value in &values {
            let template = value.filled_item().and_then(|value| template::read(value, further));
            pairs.push(template.map(|template| (name.to_owned(), template)));
        }
    }
    // Every one was read, so that every problem is reported.
    pairs.into_iter().collect()
}

/// Reads `body`, `form` or `graphql`. The outer `None`: there was a problem.
pub(super) fn body(section: &Section<'_>, headers: &[(String, Template)], further: &[String]) -> Option<Option<Body>> {
    let written = ["body", "form", "graphql"].map(|name| section.field(name));
    let mut written = written.into_iter().flatten();
    let Some(field) = written.next() else { return Some(None) };
    if let Some(second) = written.next() {
        second.problem(format!("the body of the request is written at {} already", field.path()));
        return None;
    }
    if section.has("form") {
        return pairs(field, further).map(|pairs| Some(Body::Form(pairs)));
    }
    if section.has("graphql") {
        return graphql(field, further).map(|value| Some(Body::Json { value, graphql: true }));
    }
    if !field.is_scalar() {
        let value = json(field, further)?;
        let graphql = is_graphql(&value);
        return Some(Some(Body::Json { value, graphql }));
    }
    let template = template::read(field, further)?;
    let content_type = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE.as_str()));
    let is_json = content_type.is_none_or(|(_, value)| value.written().to_ascii_lowercase().contains("json"));
    if is_json && template.start().trim_start().starts_with(['{', '[']) && template.names().next().is_some() {
        // A value with a quotation mark would change the document.
        field.problem(
            "JSON with placeholders is written as a mapping or list of the config and not as a text, so that their values \
             are escaped",
        );
        return None;
    }
    Some(Some(Body::Text(template)))
}

fn graphql(field: &Field<'_>, further: &[String]) -> Option<JsonTemplate> {
    let section = field.section(GRAPHQL_KEYS)?;
    let query = section.required_text("query");
    if let Some(field) = section.field("query")
        && template::read(field, further).is_some_and(|query| query.names().next().is_some())
    {
        field.problem(
            "placeholders belong into `variables`, so that their values are escaped; the query names the variables",
        );
        return None;
    }
    let text = |text: &str| JsonTemplate::Text(Template::literal(text));
    let mut members = vec![("query".to_owned(), text(&query?))];
    if let Some(variables) = section.field("variables") {
        variables.entries()?;
        members.push(("variables".to_owned(), json(variables, further)?));
    }
    if let Some(operation) = section.filled_text("operation") {
        members.push(("operationName".to_owned(), text(&operation)));
    }
    Some(JsonTemplate::Object(members))
}

/// Whether a body is a GraphQL query: an object with a text `query` that has a selection in braces.
fn is_graphql(value: &JsonTemplate) -> bool {
    let JsonTemplate::Object(members) = value else { return false };
    members.iter().any(|(name, value)| match value {
        JsonTemplate::Text(text) => name == "query" && text.written().contains('{'),
        _ => false,
    })
}

/// Reads JSON that is written in YAML: a plain scalar that JSON has as a number, `true`, `false` or `null` is one, and every
/// other scalar is a text.
fn json(field: &Field<'_>, further: &[String]) -> Option<JsonTemplate> {
    if let Some(scalar) = field.scalar() {
        return match literal(scalar) {
            Some(literal) => Some(JsonTemplate::Literal(literal.to_owned())),
            None => template::read(field, further).map(JsonTemplate::Text),
        };
    }
    if field.is_mapping() {
        let member = |(name, value): (&str, Field<'_>)| Some((name.to_owned(), json(&value, further)?));
        let members: Vec<_> = field.members()?.into_iter().map(member).collect();
        return members.into_iter().collect::<Option<_>>().map(JsonTemplate::Object);
    }
    let items: Vec<_> = field.items()?.iter().map(|item| json(item, further)).collect();
    items.into_iter().collect::<Option<_>>().map(JsonTemplate::List)
}

fn literal(scalar: &Scalar) -> Option<&str> {
    if scalar.style != Style::Plain || scalar.tagged_text {
        return None;
    }
    match scalar.text.as_str() {
        _ if scalar.is_null() => Some("null"),
        "true" | "True" | "TRUE" => Some("true"),
        "false" | "False" | "FALSE" => Some("false"),
        text if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
            serde_json::from_str::<&serde_json::value::RawValue>(text).ok().map(|_| text)
        }
        _ => None,
    }
}

/// A URL as it may appear in debug output.
pub(super) fn shown(url: &Template) -> String {
    mask::secrets_within(&url.written())
}
