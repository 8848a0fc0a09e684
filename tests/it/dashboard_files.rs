//! The dashboard's files, as the API hands them out.

use crate::support::TestApp;

/// Whether the dashboard was built before these tests; the API answers either way.
fn is_built() -> bool {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboard/dist/browser/index.html").exists()
}

#[tokio::test]
async fn every_page_of_the_dashboard_is_the_same_file_under_a_strict_policy() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    for path in ["/ui/", "/ui/runs", "/ui/runs/0199?tab=log"] {
        let page = app.get(path).as_nobody().await;
        if !is_built() {
            assert_eq!(page.problem(404)["code"], "not_found", "{path}");
            continue;
        }
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html"), "{path}");
        assert_eq!(page.header("cache-control"), "no-cache");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
        let again = app.get(path).as_nobody().header("if-none-match", page.header("etag")).await;
        assert_eq!(again.status, 304);
    }
}

#[tokio::test]
async fn a_file_that_is_none_is_no_page_and_no_way_out() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    for path in ["/ui/no-such.js", "/ui/..%2f..%2fCargo.toml", "/ui/%2e%2e/%2e%2e/package.json"] {
        let answer = app.get(path).as_nobody().await;
        assert!(!answer.text.contains("[workspace]") && !answer.text.contains("devDependencies"), "{path}");
        assert_eq!(answer.status, 404, "{path}");
    }
}
