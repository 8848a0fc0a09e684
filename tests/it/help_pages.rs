//! The documentation that the API shows under `/ui/help/`.

use std::collections::BTreeSet;

use elt_shared::explained::catalog::GROUPS;

use crate::support::TestApp;

/// Addresses in the pages that begin so, without their headings.
fn links<'a>(html: &'a str, beginning: &str) -> BTreeSet<&'a str> {
    let addresses = html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    addresses
        .filter(|address| address.starts_with(beginning))
        .map(|link| link.split('#').next().unwrap_or(link))
        .collect()
}

#[tokio::test]
async fn every_link_of_every_page_leads_to_a_page() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let mut waiting = vec!["/ui/help/".to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(address) = waiting.pop() {
        let page = app.get(&address).as_nobody().await;
        assert_eq!(page.status, 200, "{address}");
        if address.ends_with(".yaml") || address.ends_with(".css") {
            continue;
        }
        assert!(page.header("content-type").starts_with("text/html"), "{address}");
        for link in links(&page.text, "/ui/help/") {
            if seen.insert(link.to_owned()) {
                waiting.push(link.to_owned());
            }
        }
    }
    for page in ["/ui/help/sources/csv", "/ui/help/use/start", "/ui/help/readme", "/ui/help/examples/reference.yaml"] {
        assert!(seen.contains(page), "no link leads to {page}: {seen:?}");
    }
}

#[tokio::test]
async fn every_code_has_a_heading_that_the_dashboard_can_link_to() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let page = app.get("/ui/help/errors").as_nobody().await;
    let codes = GROUPS.iter().flat_map(|group| group.entries);
    for code in codes.map(|entry| entry.code.to_string()) {
        assert!(page.text.contains(&format!("<h3 id=\"{code}\">")), "{code}");
    }
}

#[tokio::test]
async fn pages_are_found_by_words_and_programs_read_them_as_text() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let found = app.get("/ui/help/?q=target_locked").as_nobody().await;
    assert!(found.text.contains("href=\"/ui/help/errors#target_locked\""), "{}", found.text);
    let list = app.get("/llms.txt").as_nobody().await;
    assert!(list.text.contains("](/ui/help/sources/csv.md): "), "{}", list.text);
    let text = app.get("/ui/help/sources/csv.md").as_nobody().await;
    assert!(text.header("content-type").starts_with("text/plain") && text.text.starts_with("# "), "{}", text.text);
}

#[tokio::test]
async fn a_page_runs_no_code_of_others_and_is_sent_once() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let page = app.get("/ui/help/?q=%3Cscript%3Ealert(1)%3C%2Fscript%3E").as_nobody().await;
    assert!(!page.text.contains("<script>alert"), "{}", page.text);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
    let page = app.get("/ui/help/use/runs").as_nobody().await;
    let again = app.get("/ui/help/use/runs").as_nobody().header("if-none-match", page.header("etag")).await;
    assert_eq!(again.status, 304);
}

#[tokio::test]
async fn an_address_outside_the_documentation_is_not_found() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    for path in ["/ui/help/nothing", "/ui/help/..%2f..%2fCargo.toml", "/ui/help/examples/..%2f..%2fCargo.toml"] {
        let answer = app.get(path).as_nobody().await;
        assert_eq!(answer.problem(404)["code"], "not_found", "{path}");
    }
}
