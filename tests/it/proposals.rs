//! A config is proposed from the first answer of an API, and loads all of its rows.

use axum::http::StatusCode;
use axum::http::header::{LINK, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use elt_shared::config::{ApiSource, Document, NoReferences, SourceConfig};
use elt_shared::runs::{Choice, Confidence};
use elt_worker::error::PipelineError;
use elt_worker::extract::http::propose::{self, Proposal, References, Wish};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::extraction::Extraction;
use crate::support::http_source::{Hit, HttpSource, json_answer};
use crate::support::loader::{Loader, told};

/// Rows that every API has, and the most on one page.
const ROWS: u64 = 25;
const PAGE: u64 = 10;

/// An API in the style of a well-known one.
struct Style {
    name: &'static str,
    /// Path and query to propose a config for.
    path: &'static str,
    answer: fn(&Hit) -> Response,
    /// `records` and `pagination` of the proposed config.
    records: Option<&'static str>,
    pagination: &'static str,
    /// The column that counts the rows.
    id: &'static str,
}

fn row(id: u64) -> Value {
    json!({"id": id, "name": format!("row {id}"), "updated_at": format!("2026-01-01T00:00:{:02}Z", id)})
}

/// The rows after `before`, as many as a page has.
fn rows(before: u64) -> Vec<Value> {
    (before + 1..=ROWS.min(before + PAGE)).map(row).collect()
}

fn number(hit: &Hit, param: &str, default: u64) -> u64 {
    hit.param(param).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{param}={text}")))
}

/// The number of rows before the next page; `None` after the last one.
fn next(before: u64) -> Option<u64> {
    (before + PAGE < ROWS).then_some(before + PAGE)
}

fn absolute(hit: &Hit, query: &str) -> String {
    format!("http://{}{}?{query}", hit.header("host").expect("a host"), hit.path)
}

fn github(hit: &Hit) -> Response {
    let page = number(hit, "page", 1);
    let link = |page: u64, rel: &str| format!("<{}>; rel=\"{rel}\"", absolute(hit, &format!("page={page}")));
    let links = match page {
        3 => format!("{}, {}", link(2, "prev"), link(1, "first")),
        page => format!("{}, {}", link(page + 1, "next"), link(3, "last")),
    };
    (
        [
            (LINK, links),
            ("x-ratelimit-limit".parse().expect("a name"), "60".to_owned()),
            ("x-ratelimit-remaining".parse().expect("a name"), "58".to_owned()),
        ],
        json_answer(Value::from(rows((page - 1) * PAGE))),
    )
        .into_response()
}

fn stripe(hit: &Hit) -> Response {
    let before = number(hit, "starting_after", 0);
    json_answer(
        json!({"object": "list", "url": "/v1/orders", "has_more": next(before).is_some(), "data": rows(before)}),
    )
}

fn shopify(hit: &Hit) -> Response {
    let before = number(hit, "page_info", 0);
    let body = json_answer(json!({"orders": rows(before)}));
    match next(before) {
        Some(next) => {
            ([(LINK, format!("<{}>; rel=\"next\"", absolute(hit, &format!("page_info={next}"))))], body).into_response()
        }
        None => body,
    }
}

fn hubspot(hit: &Hit) -> Response {
    let before = number(hit, "after", 0);
    let mut body = json!({"results": rows(before)});
    if let Some(next) = next(before) {
        body["paging"] = json!({"next": {"after": next.to_string()}});
    }
    json_answer(body)
}

fn salesforce(hit: &Hit) -> Response {
    let before = hit.path.rsplit_once("01gD0-").map_or(0, |(_, before)| before.parse().expect("a number"));
    let mut body = json!({"totalSize": ROWS, "done": next(before).is_none(), "records": rows(before)});
    if let Some(next) = next(before) {
        body["nextRecordsUrl"] = json!(format!("/script/services/data/v60.0/query/01gD0-{next}"));
    }
    json_answer(body)
}

fn atlassian(hit: &Hit) -> Response {
    let before = number(hit, "cursor", 0);
    let next = next(before).map(|next| format!("/script/wiki/api/v2/pages?cursor={next}"));
    let mut body = json!({"results": rows(before), "_links": {"base": "https://example.atlassian.net/wiki"}});
    if let Some(next) = next {
        body["_links"]["next"] = json!(next);
    }
    json_answer(body)
}

fn odata(hit: &Hit) -> Response {
    let before = number(hit, "$skiptoken", 0);
    let mut body = json!({"@odata.context": "https://h/$metadata#Orders", "value": rows(before)});
    if let Some(next) = next(before) {
        body["@odata.nextLink"] = json!(absolute(hit, &format!("$skiptoken={next}")));
    }
    json_answer(body)
}

fn hal(hit: &Hit) -> Response {
    let before = number(hit, "offset", 0);
    let mut links = json!({"self": {"href": "/script/orders"}});
    if let Some(next) = next(before) {
        links["next"] = json!({"href": format!("/script/orders?offset={next}")});
    }
    json_answer(json!({"_embedded": {"orders": rows(before)}, "_links": links, "total": ROWS}))
}

fn json_api(hit: &Hit) -> Response {
    let before = number(hit, "page[offset]", 0);
    let data: Vec<Value> = rows(before)
        .into_iter()
        .map(|row| json!({"type": "orders", "id": row["id"].to_string(), "attributes": row}))
        .collect();
    let link = next(before).map(|next| absolute(hit, &format!("page%5Boffset%5D={next}")));
    json_answer(
        json!({"data": data, "included": [{"type": "people", "id": "9"}], "links": {"next": link}, "meta": {"total": ROWS}}),
    )
}

fn drf(hit: &Hit) -> Response {
    let page = number(hit, "page", 1);
    let link = |page: u64| absolute(hit, &format!("page={page}"));
    let (previous, following) = ((page > 1).then(|| link(page - 1)), (page < 3).then(|| link(page + 1)));
    json_answer(json!({"count": ROWS, "next": following, "previous": previous, "results": rows((page - 1) * PAGE)}))
}

fn elasticsearch(hit: &Hit) -> Response {
    let hits: Vec<Value> = rows(number(hit, "from", 0))
        .into_iter()
        .map(|row| json!({"_id": row["id"].to_string(), "_source": row, "sort": [row["id"]]}))
        .collect();
    json_answer(
        json!({"took": 1, "timed_out": false, "hits": {"total": {"value": ROWS, "relation": "eq"}, "hits": hits}}),
    )
}

fn google(hit: &Hit) -> Response {
    let before = hit.param("pageToken").map_or(0, |token| token.trim_start_matches("t-").parse().expect("a token"));
    let mut body = json!({"kind": "orders#list", "items": rows(before)});
    if let Some(next) = next(before) {
        body["nextPageToken"] = json!(format!("t-{next}"));
    }
    json_answer(body)
}

fn spring(hit: &Hit) -> Response {
    let page = number(hit, "page", 0);
    json_answer(
        json!({"content": rows(page * PAGE), "page": {"size": PAGE, "number": page, "totalElements": ROWS, "totalPages": 3}}),
    )
}

fn jira(hit: &Hit) -> Response {
    let before = number(hit, "startAt", 0);
    json_answer(json!({"startAt": before, "maxResults": PAGE, "total": ROWS, "issues": rows(before)}))
}

fn wordpress(hit: &Hit) -> Response {
    let page = number(hit, "page", 1);
    if page > 3 {
        return (StatusCode::BAD_REQUEST, json_answer(json!({"code": "rest_post_invalid_page_number"})))
            .into_response();
    }
    let totals = [("x-wp-total", ROWS.to_string()), ("x-wp-totalpages", "3".to_owned())];
    (totals, json_answer(Value::from(rows((page - 1) * PAGE)))).into_response()
}

const LINK_HEADER: &str = "{ type: link_header }";

const STYLES: &[Style] = &[
    Style {
        name: "github",
        path: "/script/repos/issues",
        answer: github,
        records: None,
        pagination: LINK_HEADER,
        id: "id",
    },
    Style {
        name: "stripe",
        path: "/script/v1/orders",
        answer: stripe,
        records: Some("data"),
        pagination: r#"{ type: cursor, cursor_path: "data[-1].id", cursor_param: starting_after, next_is: cursor, has_more_path: has_more }"#,
        id: "id",
    },
    Style {
        name: "shopify",
        path: "/script/orders.json",
        answer: shopify,
        records: Some("orders"),
        pagination: LINK_HEADER,
        id: "id",
    },
    Style {
        name: "hubspot",
        path: "/script/crm/v3/objects/contacts",
        answer: hubspot,
        records: Some("results"),
        pagination: "{ type: cursor, cursor_path: paging.next.after, cursor_param: after, next_is: cursor }",
        id: "id",
    },
    Style {
        name: "salesforce",
        path: "/script/services/data/v60.0/query?q=SELECT+Id+FROM+Account",
        answer: salesforce,
        records: Some("records"),
        pagination: "{ type: cursor, cursor_path: nextRecordsUrl, next_is: link }",
        id: "id",
    },
    Style {
        name: "atlassian",
        path: "/script/wiki/api/v2/pages",
        answer: atlassian,
        records: Some("results"),
        pagination: "{ type: cursor, cursor_path: _links.next, next_is: link }",
        id: "id",
    },
    Style {
        name: "odata",
        path: "/script/odata/Orders",
        answer: odata,
        records: Some("value"),
        pagination: r#"{ type: cursor, cursor_path: '$["@odata.nextLink"]', next_is: link }"#,
        id: "id",
    },
    Style {
        name: "hal",
        path: "/script/orders",
        answer: hal,
        records: Some("_embedded.orders"),
        pagination: "{ type: cursor, cursor_path: _links.next.href, next_is: link }",
        id: "id",
    },
    Style {
        name: "json_api",
        path: "/script/orders",
        answer: json_api,
        records: Some("data"),
        pagination: "{ type: cursor, cursor_path: links.next, next_is: link }",
        id: "id",
    },
    Style {
        name: "drf",
        path: "/script/orders/",
        answer: drf,
        records: Some("results"),
        pagination: "{ type: cursor, cursor_path: next, next_is: link }",
        id: "id",
    },
    Style {
        name: "elasticsearch",
        path: "/script/orders/_search",
        answer: elasticsearch,
        records: Some("hits.hits"),
        pagination: "{ type: offset, param: from, limit_param: size, limit: 10 }",
        id: "_id",
    },
    Style {
        name: "google",
        path: "/script/v3/items",
        answer: google,
        records: Some("items"),
        pagination: "{ type: cursor, cursor_path: nextPageToken, cursor_param: pageToken, next_is: cursor }",
        id: "id",
    },
    Style {
        name: "spring",
        path: "/script/orders",
        answer: spring,
        records: Some("content"),
        pagination: "{ type: page, param: page, start: 0 }",
        id: "id",
    },
    Style {
        name: "jira",
        path: "/script/rest/api/2/search",
        answer: jira,
        records: Some("issues"),
        pagination: "{ type: offset, param: startAt, limit_param: maxResults, limit: 10 }",
        id: "id",
    },
    Style {
        name: "wordpress",
        path: "/script/wp/v2/posts",
        answer: wordpress,
        records: None,
        pagination: "{ type: page, param: page, end_status: [400] }",
        id: "id",
    },
];

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
async fn the_api_shows_a_url_and_proposes_its_config() {
    let (api, app) = (HttpSource::start().await, TestApp::start().await);
    api.script(|hit, _| match hit.header("authorization") {
        Some("Bearer canary-token") => hubspot(hit),
        _ => (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")]).into_response(),
    });
    let url = api.url("/script/v3/contacts?key=canary-key");
    let ask = async |body: Value| {
        let started = app.post("/configs/preview").json(body).await;
        assert_eq!((started.status, &started["kind"]), (StatusCode::ACCEPTED, &json!("test_connection")));
        app.finished(&started.ok()["id"]).await
    };
    let refused = ask(json!({ "url": url })).await;
    let preview = &refused["report"]["previews"][0];
    assert_eq!(
        (&refused["outcome"], &preview["problem"]["code"]),
        (&json!("nothing_loaded"), &json!("source_login")),
        "{refused:#}"
    );

    let run = ask(json!({ "url": url, "token": "canary-token" })).await;
    let preview = &run["report"]["previews"][0];
    assert_eq!((&run["state"], &run["outcome"]), (&json!("succeeded"), &json!("clean")), "{run:#}");
    assert_eq!(
        (&preview["what"], &preview["requests"], &preview["rows_total"]),
        (&json!("source 1 (api)"), &json!(2), &json!(PAGE))
    );
    assert_eq!(preview["rows"][0], json!(["1", "row 1", "2026-01-01T00:00:01Z"]), "{preview:#}");
    assert_eq!(
        preview["columns"][2],
        json!({"name": "updated_at", "type": "timestamptz", "because": ""}),
        "{preview:#}"
    );
    let yaml = preview["yaml"].as_str().expect("a config");
    for line in ["name: contacts", "auth_token: \"${secret:api_token}\"", "cursor_path: paging.next.after"] {
        assert!(yaml.contains(line), "{line}: {yaml}");
    }
    assert!(!run.to_string().contains("canary"), "{run:#}");
    for path in ["/logs", "/configs", "/config-history", "/audit"] {
        let shown = app.get(path).await.ok().to_string();
        assert!(!shown.contains("canary"), "{path}: {shown}");
    }
}

#[tokio::test]
async fn the_api_shows_what_a_run_of_a_config_would_read_first() {
    let (api, app) = (HttpSource::start().await, TestApp::start().await);
    api.script(|hit, _| hubspot(hit));
    app.folder().write("in/a.csv", "id,code\n1,007\n2,\n");
    let yaml = format!(
        "name: shown\nsources:\n- {{type: local, path: {}/in, settle_seconds: 0}}\n\
         - {{type: api, url: \"{}\", records: results}}\n- {{type: local, path: {0}/missing}}\ntarget: {{table: shown}}\n",
        app.folder().path().display(),
        api.url("/script/contacts"),
    );
    let started = app.post("/configs/preview").yaml(&yaml).await.ok();
    let run = app.finished(&started["id"]).await;
    let [files, answer, missing] = &run["report"]["previews"].as_array().expect("previews")[..] else {
        panic!("{run:#}")
    };
    assert_eq!((&files["rows"], &files["rows_total"]), (&json!([["1", "007"], ["2", null]]), &json!(2)), "{files:#}");
    assert_eq!(files["columns"][1]["type"], "text", "{files:#}");
    let keys: Vec<&Value> =
        answer["choices"].as_array().expect("choices").iter().map(|choice| &choice["key"]).collect();
    assert_eq!(keys, ["pagination", "incremental", "load"], "the config has records already: {answer:#}");
    assert_eq!((answer["rows"].as_array().map(Vec::len), answer.get("yaml")), (Some(10), None), "{answer:#}");
    assert_eq!(missing["problem"]["code"], "source_missing", "{missing:#}");
    assert_eq!(run["outcome"], "with_warnings", "{run:#}");
    assert_eq!(app.rows("select to_regclass('shown') is null as nothing").await, [json!({"nothing": true})]);
}

#[tokio::test]
async fn a_preview_shows_a_hundred_rows_and_fewer_of_a_wide_file() {
    let app = TestApp::start().await;
    let narrow: String = (1..=150).map(|id| format!("{id},row {id}\n")).collect();
    app.folder().write("narrow/a.csv", format!("id,name\n{narrow}"));
    let header = (1..=200).map(|column| format!("c{column}")).collect::<Vec<_>>().join(",");
    let wide: String = (1..=150).map(|_| format!("{}\n", ["7"; 200].join(","))).collect();
    app.folder().write("wide/a.csv", format!("{header}\n{wide}"));
    let yaml = format!(
        "name: shown\nsources:\n- {{type: local, path: {0}/narrow, settle_seconds: 0}}\n\
         - {{type: local, path: {0}/wide, settle_seconds: 0}}\ntarget: {{table: shown}}\n",
        app.folder().path().display(),
    );
    let started = app.post("/configs/preview").yaml(&yaml).await.ok();
    let run = app.finished(&started["id"]).await;
    let shown = |source: usize| &run["report"]["previews"][source];
    let rows = |source: usize| shown(source)["rows"].as_array().map(Vec::len);
    assert_eq!((rows(0), &shown(0)["rows_total"]), (Some(100), &json!(150)), "{run:#}");
    assert_eq!(shown(0)["rows"][99], json!(["100", "row 100"]));
    assert_eq!((rows(1), &shown(1)["rows_total"]), (Some(50), &json!(150)));
}

#[tokio::test]
async fn a_user_has_few_previews_under_way_and_an_analyst_none() {
    // Without a worker they stay queued.
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let ask = async || app.post("/configs/preview").json(json!({"url": "http://127.0.0.1:9/orders"})).await;
    for _ in 0..3 {
        assert_eq!(ask().await.status, StatusCode::ACCEPTED);
    }
    ask().await.problem(429);
    app.post("/configs/preview").json(json!({"url": "http://127.0.0.1:9/"})).as_user().await.problem(403);
    app.post("/configs/preview").json(json!({"url": "ftp://127.0.0.1/"})).await.problem(400);
    app.post("/configs/preview").json(json!({"address": "http://127.0.0.1:9/"})).await.problem(422);
}

#[tokio::test]
async fn previews_that_a_user_asks_for_at_the_same_moment_are_counted_together() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let ask = async || app.post("/configs/preview").json(json!({"url": "http://127.0.0.1:9/orders"})).await.status;
    let statuses = join_all((0..8).map(|_| ask())).await;
    let accepted = statuses.iter().filter(|status| **status == StatusCode::ACCEPTED).count();
    assert_eq!(accepted, 3, "{statuses:?}");
    let refused = statuses.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!(refused, 5, "{statuses:?}");
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
