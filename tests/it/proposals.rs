//! A config is proposed from the first answer of an API, and loads all of its rows.

use axum::http::StatusCode;
use axum::http::header::WWW_AUTHENTICATE;
use axum::response::IntoResponse;
use elt_shared::config::{ApiSource, Document, NoReferences, SourceConfig};
use elt_shared::runs::{Choice, Confidence};
use elt_worker::error::PipelineError;
use elt_worker::extract::http::propose::{self, Proposal, References, Wish};
use serde_json::{Value, json};

use crate::support::extraction::Extraction;
use crate::support::http_source::{HttpSource, json_answer};
use crate::support::loader::{Loader, told};
use crate::support::paging_styles::{PAGE, ROWS, STYLES, github, row, rows, wordpress};

/// The source of a config with these keys.
fn source(url: &str, keys: &str) -> ApiSource {
    let yaml = format!("sources: [{{type: api, url: \"{url}\"{keys}}}]\ntarget: {{table: t}}\n");
    let document = Document::parse(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
    let mut config = document.pipeline(&NoReferences).unwrap_or_else(|error| panic!("{error}: {yaml}")).value;
    match config.sources.remove(0) {
        SourceConfig::Api(api) => api,
        other => panic!("{other:?}"),
    }
}

async fn proposed(lab: &Extraction, source: &ApiSource, table: &str) -> Result<Proposal, PipelineError> {
    propose::propose(0, source, table, &lab.context).await
}

fn wish(table: &str) -> Wish {
    Wish { table: table.to_owned(), target: String::new(), references: References::Secrets, by: "a test" }
}

fn choice<'p>(proposal: &'p Proposal, key: &str) -> &'p Choice {
    proposal.choice(key).unwrap_or_else(|| panic!("{key}: {:#?}", proposal.choices))
}

#[tokio::test]
async fn the_proposed_config_of_each_style_loads_every_row() {
    let (api, lab, loader) = (HttpSource::start().await, Extraction::new().await, Loader::start().await);
    for style in STYLES {
        let name = style.name;
        api.script(|hit, _| (style.answer)(hit));
        let source = source(&api.url(style.path), "");
        let before = api.hits().len();
        let proposal = proposed(&lab, &source, name).await.unwrap_or_else(|error| panic!("{name}: {}", told(&error)));
        assert_eq!((api.hits().len() - before, proposal.requests), (2, 2), "{name}: one page, and one to verify it");
        let (records, paging) = (choice(&proposal, "records"), choice(&proposal, "pagination"));
        assert_eq!(records.value.as_deref(), style.records, "{name}: {}", records.reason);
        assert_eq!(paging.value.as_deref(), Some(style.pagination), "{name}: {}", paging.reason);
        assert_eq!(paging.confidence, Confidence::Certain, "{name}: {}", paging.reason);
        assert_eq!((proposal.rows.len(), proposal.rows_total), (10, Some(10)), "{name}");

        let yaml = proposal.config(&source, &wish(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let report = loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{name}: {}\n{yaml}", told(&error)));
        assert_eq!((report.rows_read, report.rows_inserted), (ROWS, ROWS), "{name}: {yaml}");
        let different = loader.value(&format!("select count(distinct {}) from {name}", style.id)).await;
        assert_eq!(different, ROWS.to_string(), "{name}: {yaml}");
    }
}

#[tokio::test]
async fn the_config_says_why() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    api.script(|hit, _| github(hit));
    let source =
        source(&api.url("/script/repos/issues?state=all"), ", auth_token: canary, headers: {Accept: application/json}");
    let proposal = proposed(&lab, &source, "issues").await.unwrap_or_else(|error| panic!("{}", told(&error)));
    let yaml = proposal.config(&source, &wish("issues")).expect("a config");
    let decided = yaml.replace("# incremental: {", "incremental: {").replace("# load: {", "load: {");
    let document = Document::parse(&decided).expect("YAML");
    document.pipeline(&NoReferences).unwrap_or_else(|error| panic!("{error}: {decided}"));
    // The first line is broken by its length, which the port changes.
    let yaml = yaml.replacen("\n# with", " with", 1);
    insta::assert_snapshot!(yaml.replace(&api.address.to_string(), "HOST"), @r#"
    # Written by a test after a look at the first page of http://HOST/script/repos/issues with 10 rows (2 requests).
    # Rate limit: 58 of 60 requests are left.
    # `elt schema` describes every key there is.
    name: issues

    sources:
      - type: api
        url: "http://HOST/script/repos/issues?state=all"
        auth_token: "${secret:api_token}"
        headers:
          Accept: application/json
        # Store what stands in place of secrets first: api_token.

        # Rows: the answer is an array, and its 10 elements are the rows.

        # Pages: the answer's `Link` header names the next page. Verified: the second page has 10 other
        # rows.
        pagination: { type: link_header }

        # Only what is new: `updated_at` has a time in each of the 10 rows, so a run could ask only for
        # what was changed since the last one, if the API has a parameter for that: look its name up. It
        # was not tried.
        # incremental: { cursor: updated_at, param: since }

    target:
      table: issues
      # Without a server of its own the target is ELT_TARGET_URL. A server of yours:
      # host: db.example.com
      # database: warehouse
      # user: loader
      # password: ${env:WAREHOUSE_PASSWORD}

    # Key: `id` differs in all of the 20 rows that were read, so a row that comes again with other
    # values could replace the one before.
    # load: { mode: merge, key: [id] }

    # The types that elt decides from this page. Without a schema every run decides them over all its rows. Take the `#`
    # away to make a contract of the columns that must always be there.
    # schema:
    #   columns:
    #     id: bigint
    #     name: text  # line 1 has "row 1"
    #     updated_at: timestamptz

    # monitor: { interval_seconds: 60 }      # how often the source is looked at
    # schedule: { cron: "0 4 * * *", timezone: Europe/Berlin }
    "#);
}

#[tokio::test]
async fn what_cannot_be_followed_is_said_and_the_rest_still_loads() {
    let (api, lab, loader) = (HttpSource::start().await, Extraction::new().await, Loader::start().await);
    api.script(|_, _| {
        let edges: Vec<Value> = rows(0).into_iter().map(|row| json!({"cursor": "c", "node": row})).collect();
        json_answer(json!({"data": {"orders": {"edges": edges, "pageInfo": {"hasNextPage": true, "endCursor": "c"}}}}))
    });
    let graphql = source(&api.url("/script/graphql?query=%7Borders%7D"), "");
    let proposal = proposed(&lab, &graphql, "orders").await.expect("rows");
    let paging = choice(&proposal, "pagination");
    assert_eq!((paging.value.as_deref(), paging.confidence), (None, Confidence::Unsure));
    assert!(paging.reason.contains("cannot be proposed from a GET request"), "{}", paging.reason);
    assert!(paging.reason.ends_with("only the first page is read"), "{}", paging.reason);
    let yaml = proposal.config(&graphql, &wish("orders")).expect("a config");
    let report = loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{}\n{yaml}", told(&error)));
    assert_eq!(report.rows_inserted, PAGE);
}

#[tokio::test]
async fn paging_that_does_not_work_is_written_as_a_comment() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    // The parameter has another name, so that every answer is the first page.
    api.script(|_, _| json_answer(json!({"items": rows(0), "next_cursor": "c2"})));
    let ignores = source(&api.url("/script/items"), "");
    let proposal = proposed(&lab, &ignores, "items").await.expect("rows");
    let paging = choice(&proposal, "pagination");
    assert_eq!(paging.confidence, Confidence::Unsure, "{}", paging.reason);
    let yaml = proposal.config(&ignores, &wish("items")).expect("a config");
    assert!(yaml.contains("    # pagination: { type: cursor, cursor_path: next_cursor"), "{yaml}");

    api.script(|hit, count| match count {
        1 => wordpress(hit),
        _ => StatusCode::BAD_REQUEST.into_response(),
    });
    let refuses = source(&api.url("/script/posts"), "");
    let proposal = proposed(&lab, &refuses, "posts").await.expect("rows");
    let paging = choice(&proposal, "pagination");
    assert_eq!(paging.confidence, Confidence::Unsure, "{}", paging.reason);
    assert!(paging.reason.contains("But the second page has no rows"), "{}", paging.reason);
}

#[tokio::test]
async fn an_answer_without_signs_of_pages_gets_none() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    api.script(|_, _| json_answer(json!([row(1), row(2), row(3)])));
    let three = source(&api.url("/script/all"), "");
    let proposal = proposed(&lab, &three, "all").await.expect("rows");
    assert_eq!(api.hits().len(), 1, "there is nothing to verify");
    assert_eq!(choice(&proposal, "pagination").confidence, Confidence::Likely);
    api.script(|_, _| json_answer(Value::from(rows(0))));
    let ten = proposed(&lab, &three, "all").await.expect("rows");
    let paging = choice(&ten, "pagination");
    assert_eq!((paging.confidence, paging.value.as_deref()), (Confidence::Unsure, None));
    assert!(paging.reason.contains("so round a number"), "{}", paging.reason);
}

#[tokio::test]
async fn keys_and_times_are_proposed_only_when_every_row_has_them() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let ask = async |rows: Value| {
        api.script(move |_, _| json_answer(rows.clone()));
        let proposal = proposed(&lab, &source(&api.url("/script/orders"), ""), "orders").await.expect("rows");
        let value = |key| proposal.choice(key).and_then(|choice| choice.value.clone());
        (value("load"), value("incremental"))
    };
    let full = json!([{"Id": "a", "LastModifiedDate": "2026-01-01T00:00:00Z"}, {"Id": "b", "LastModifiedDate": "2026-01-02T00:00:00Z"}]);
    let (load, incremental) = ask(full).await;
    assert_eq!(load.as_deref(), Some("{ mode: merge, key: [Id] }"));
    assert_eq!(incremental.as_deref(), Some("{ cursor: LastModifiedDate, param: since }"));
    let gaps = json!([{"id": 1, "updated_at": "2026-01-01T00:00:00Z"}, {"id": 1, "updated_at": null}]);
    assert_eq!(ask(gaps).await, (None, None));
    let words = json!([{"id": null, "updated_at": "yesterday"}, {"id": 2, "updated_at": "today"}]);
    assert_eq!(ask(words).await, (None, None));
}

#[tokio::test]
async fn an_api_that_wants_a_login_says_what_to_write() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    api.script(|hit, _| match hit.header("authorization") {
        None => (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Basic realm=\"orders\"")]).into_response(),
        Some(_) => StatusCode::FORBIDDEN.into_response(),
    });
    let open = proposed(&lab, &source(&api.url("/script/orders"), ""), "orders").await.expect_err("a login is wanted");
    let said = told(&open).replace(&api.address.to_string(), "HOST");
    insta::assert_snapshot!(said, @r#"source_login: http://HOST/script/orders answered 401 Unauthorized: it does not accept the token, or wants one (it names: Basic realm="orders") → Write `auth: {type: basic, username: …, password: "${secret:api_password}"}`."#);
    let wrong = proposed(&lab, &source(&api.url("/script/orders"), ", auth_token: canary"), "orders")
        .await
        .expect_err("refused");
    let said = told(&wrong);
    assert!(said.contains("The token that was sent is not accepted") && !said.contains("canary"), "{said}");
}

#[tokio::test]
async fn an_error_with_status_200_is_no_row() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    for body in [
        json!({"error": {"code": 104}}),
        json!({"success": false, "message": "invalid key"}),
        json!({"data": null, "errors": [{"message": "no such field"}]}),
    ] {
        api.script(move |_, _| json_answer(body.clone()));
        let error = proposed(&lab, &source(&api.url("/script/orders"), ""), "orders").await.expect_err("an error");
        assert_eq!(error.code().as_str(), "http_error_answer", "{error}");
    }
}

#[tokio::test]
async fn a_host_that_may_not_be_called_is_not_asked() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    api.script(|_, _| json_answer(json!([row(1)])));
    let lab = lab.with_network(&["127.0.0.0/8"], &[]);
    let error = proposed(&lab, &source(&api.url("/script/orders"), ""), "orders").await.expect_err("refused");
    assert_eq!((error.code().as_str(), api.hits().len()), ("source_refused", 0));
}

#[tokio::test]
async fn a_connection_test_says_what_the_config_does_not_read() {
    let (api, loader) = (HttpSource::start().await, Loader::start().await);
    api.script(|hit, _| github(hit));
    let yaml = |keys: &str| {
        format!("sources: [{{type: api, url: \"{}\"{keys}}}]\ntarget: {{table: t}}\n", api.url("/script/repos/issues"))
    };
    let notes = async |yaml: String| {
        let report = loader.run("test_connection", &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
        report.connections[0].notes.clone()
    };
    let without = notes(yaml("")).await;
    let limit = "rate limit: 58 of 60 requests are left";
    assert_eq!(without.len(), 2, "{without:?}");
    assert!(
        without[0].contains("so only the first page is read") && without[0].contains("{ type: link_header }"),
        "{without:?}"
    );
    assert_eq!(without[1], limit);
    assert_eq!(notes(yaml(", pagination: {type: link_header}")).await, [limit]);
}
