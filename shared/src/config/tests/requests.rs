//! What a config may ask an API for, and what is wrong with what it asks for.

use super::*;
use crate::config::*;

/// Problems of a source with these lines, which begin in line 3.
fn problems_of(lines: &str) -> Vec<String> {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    problems(&format!("sources:\n  - type: api\n{lines}target: {{table: t}}\n"))
}

fn api(lines: &str) -> ApiSource {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    let mut config = pipeline(&format!("sources:\n  - type: api\n{lines}target: {{table: t}}\n"));
    match config.sources.remove(0) {
        SourceConfig::Api(api) => api,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wrong_placeholder_is_told_with_its_place() {
    let found = problems_of(
        "url: http://h/{{page}}\nparams: { a: \"{{sinse}}\", b: [\"1\", \"{{ x y }}\"] }\nheaders: { X-A: \"{{until\" }\n\
         body: { a: [{ b: \"{{page.cursr}}\" }] }",
    );
    assert_eq!(
        found,
        [
            "sources[0].url: unknown placeholder {{page}}, expected page.number, page.offset, page.size, page.cursor, since or \
             until at line 3 column 10",
            "sources[0].params.a: unknown placeholder {{sinse}}, did you mean {{since}}? at line 4 column 18",
            "sources[0].params.b[1]: `{{` begins a placeholder such as {{since}}; write `{{{{` for two braces at line 4 \
             column 40",
            "sources[0].headers.X-A: `{{` begins a placeholder such as {{since}}; write `{{{{` for two braces at line 5 \
             column 21",
            "sources[0].body.a[0].b: unknown placeholder {{page.cursr}}, did you mean {{page.cursor}}? at line 6 column 22",
        ]
    );
}

#[test]
fn a_page_placeholder_needs_its_pagination_and_is_sent_once() {
    for lines in [
        "url: http://h/{{page.number}}",
        "url: http://h\nbody: { a: \"{{page.cursor}}\" }\npagination: { type: page }",
        "url: http://h\nform: { a: \"{{page.size}}\" }\npagination: { type: page }",
        "url: http://h\nform: { a: \"{{page.offset}}\" }\npagination: { type: offset, offset_param: skip }",
        "url: http://h\nbody: \"{{page.cursor}}\"\npagination: { type: cursor, cursor_path: n, param: after }",
    ] {
        assert_eq!(problems_of(lines).len(), 1, "{lines}: {:?}", problems_of(lines));
    }
    assert_eq!(
        problems_of("url: http://h/{{page.number}}\npagination: { type: page, param: p }"),
        [
            "sources[0].pagination.param: the value is sent where {{page.number}} stands: remove one of both at line 4 column 38"
        ]
    );
    assert_eq!(
        problems_of("url: http://h/{{page.number}}"),
        ["sources[0]: {{page.number}} has a value with `pagination` of the type `page` only at line 2 column 5"]
    );
}

#[test]
fn a_request_has_one_body_and_placeholders_stand_where_they_are_escaped() {
    let found = [
        "url: http://h\nbody: { a: 1 }\nform: { a: 1 }",
        "url: http://{{since}}.h/a",
        "url: http://h{{since}}",
        "url: http://h\nbody: '{\"a\": \"{{since}}\"}'",
        "url: http://h\ngraphql: { query: \"{ a(x: \\\"{{since}}\\\") { id } }\" }",
        "url: http://h\ngraphql: { variables: { a: 1 } }",
        "url: http://h\nmethod: DELETE",
        "url: http://h\nmethod: GET\ngraphql: { query: \"{ a }\" }",
        "url: http://h\nca_certificate: ${secret:ca}",
        "url: https://h\nclient_key: ${secret:key}",
        "url: https://h\nca_certificate: ca.pem",
        "url: https://h\nrequests_per_second: 0",
    ]
    .map(|lines| problems_of(lines).join("\n"));
    assert_eq!(
        found,
        [
            "sources[0].form: the body of the request is written at sources[0].body already at line 5 column 11",
            "sources[0].url: expected a URL that begins with http:// or https:// and a host, with placeholders in its path or \
             query only at line 3 column 10",
            "sources[0].url: expected a URL that begins with http:// or https:// and a host, with placeholders in its path or \
             query only at line 3 column 10",
            "sources[0].body: JSON with placeholders is written as a mapping or list of the config and not as a text, so that \
             their values are escaped at line 4 column 11",
            "sources[0].graphql.query: placeholders belong into `variables`, so that their values are escaped; the query names \
             the variables at line 4 column 23",
            "sources[0].graphql: missing key \"query\" at line 4 column 14",
            "sources[0].method: unknown variant \"DELETE\", expected GET or POST at line 4 column 13",
            "sources[0].graphql: is sent by POST: remove `method`, or write POST there at line 5 column 14",
            "sources[0].ca_certificate: has no effect with http://, where nothing is encrypted: write https:// in url at line 4 \
             column 21",
            "sources[0].client_key: needs client_certificate, the certificate of this key at line 4 column 17",
            "sources[0].ca_certificate: expected ${secret:NAME}, a stored secret that holds it in PEM form at line 4 column 21",
            "sources[0].requests_per_second: expected a number from 0.001 to 1000, found \"0\" at line 4 column 26",
        ]
    );
}

#[test]
fn yaml_becomes_the_json_that_it_looks_like() {
    let source = api(
        "url: http://h\nbody:\n  numbers: [1, -2.5e3, 007, 1_0, .5, 0x1F]\n  words: [true, False, yes, null, ~, \"\", \"null\"]\n  \
         text: !!str 5\n  day: 2026-01-01\n  empty: { list: [], map: {} }",
    );
    assert_eq!(source.method, Method::Post);
    let Some(Body::Json { value, graphql: false }) = source.body else { panic!("{:?}", source.body.is_some()) };
    fn shown(value: &JsonTemplate) -> String {
        match value {
            JsonTemplate::Literal(literal) => literal.clone(),
            JsonTemplate::Text(text) => format!("{:?}", text.written()),
            JsonTemplate::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(",")),
            JsonTemplate::Object(members) => {
                let members: Vec<_> = members.iter().map(|(name, value)| format!("{name}:{}", shown(value))).collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }
    assert_eq!(
        shown(&value),
        "{numbers:[1,-2.5e3,\"007\",\"1_0\",\".5\",\"0x1F\"],words:[true,false,\"yes\",null,null,\"\",\"null\"],\
         text:\"5\",day:\"2026-01-01\",empty:{list:[],map:{}}}"
    );
}

#[test]
fn the_method_follows_from_the_body_unless_it_is_written() {
    assert_eq!(api("url: http://h").method, Method::Get);
    assert_eq!(api("url: http://h\nmethod: post").method, Method::Post);
    assert_eq!(api("url: http://h\nmethod: GET\nbody: { a: 1 }").method, Method::Get);
    assert_eq!(api("url: http://h\nform: { a: 1 }").method, Method::Post);
    let queries = ["graphql: { query: \"{ a }\" }", "body: { query: \"query { a }\" }"];
    for query in queries {
        let source = api(&format!("url: http://h\n{query}"));
        assert!(matches!(source.body, Some(Body::Json { graphql: true, .. })), "{query}");
    }
    for query in ["body: { query: select 1 }", "body: { query: { match: { a: b } } }"] {
        let source = api(&format!("url: http://h\n{query}"));
        assert!(matches!(source.body, Some(Body::Json { graphql: false, .. })), "{query}");
    }
}

#[test]
fn secrets_in_a_body_are_masked_and_placeholders_are_not() {
    let text = "sources:\n  - type: api\n    url: http://h\n    body: { password: hunter22, page_token: \"{{page.cursor}}\", q: open }\n    \
                pagination: { type: cursor, cursor_path: n }\n  - type: api\n    url: http://h\n    form: { api_key: hunter33, \
                sort: name }\ntarget: {table: t}\n";
    let masked = Document::parse(text).unwrap().masked();
    assert!(!masked.contains("hunter"), "{masked}");
    assert!(
        masked.contains("{{page.cursor}}") && masked.contains("q: open") && masked.contains("sort: name"),
        "{masked}"
    );
}
