//! The API's description: what clients, and the dashboard's own, are made from.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::support::TestApp;

async fn description(app: &TestApp) -> Value {
    app.get("/openapi.json").as_nobody().await.ok()
}

#[tokio::test]
async fn every_operation_has_a_name_of_its_own() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let description = description(&app).await;
    let paths = description["paths"].as_object().expect("paths");
    let operations: Vec<&Value> = paths.values().flat_map(|path| path.as_object().expect("methods").values()).collect();
    let names: BTreeSet<&str> = operations.iter().filter_map(|operation| operation["operationId"].as_str()).collect();
    assert_eq!(names.len(), operations.len());
}

#[tokio::test]
async fn no_part_of_a_schema_forbids_the_members_of_the_other_parts() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let description = description(&app).await;
    let schemas = description["components"]["schemas"].as_object().expect("schemas");
    for (name, schema) in schemas {
        for part in schema["allOf"].as_array().into_iter().flatten() {
            let part = match part["$ref"].as_str().and_then(|path| path.rsplit_once('/')) {
                Some((_, referred)) => &schemas[referred],
                None => part,
            };
            assert_ne!(part["additionalProperties"], false, "no answer fits {name}");
        }
    }
}

/// The dashboard's client is generated from this file. After a change of the API, write it anew with
/// `UPDATE_OPENAPI=1 cargo test openapi`, then run `npm run api` in `dashboard/`.
#[tokio::test]
async fn the_dashboard_was_made_for_this_very_api() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let now = format!("{:#}\n", description(&app).await);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboard/openapi.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &now).expect("dashboard/openapi.json can be written");
    }
    let known = std::fs::read_to_string(&path).expect("dashboard/openapi.json");
    assert!(known == now, "the API has changed: UPDATE_OPENAPI=1 cargo test openapi, then npm run api in dashboard/");
}
