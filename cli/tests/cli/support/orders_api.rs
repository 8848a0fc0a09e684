//! An API with orders, for the commands in the documents.

use std::collections::HashMap;
use std::net::SocketAddr;

use axum::extract::{Query, Request};
use axum::routing::any;
use axum::{Json, Router};
use serde_json::{Value, json};

/// Number of its orders.
const ORDERS: u64 = 250;

/// An API that answers with orders wherever it is asked, by `page` and `size`, `after`, or all at once, in the query or in a
/// JSON body; to a GraphQL query with a connection. Ends with this value.
pub struct OrdersApi {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl OrdersApi {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().fallback(any(orders));
        runtime.spawn(async move { axum::serve(listener, router).await.expect("serving") });
        Self { address, _runtime: runtime }
    }

    /// `http://127.0.0.1:…`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn orders(Query(query): Query<HashMap<String, String>>, request: Request) -> Json<Value> {
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.expect("a body");
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if body["query"].is_string() {
        return Json(connection(&body["variables"]));
    }
    let asked = |name: &str| body[name].as_u64().or_else(|| query.get(name)?.parse().ok());
    let size = asked("size").or_else(|| asked("limit"));
    let before = match (asked("page"), asked("after")) {
        (Some(page), _) => (page - 1) * size.unwrap_or(100),
        (None, Some(after)) => after,
        (None, None) => asked("offset").unwrap_or(0),
    };
    let last = ORDERS.min(before + size.unwrap_or(if query.is_empty() { ORDERS } else { 100 }));
    Json(json!({"items": rows(before, last), "next": (last < ORDERS).then_some(last)}))
}

/// The answer to a GraphQL query for a hundred orders.
fn connection(variables: &Value) -> Value {
    let before = variables["after"].as_str().and_then(|after| after.parse().ok()).unwrap_or(0);
    let last = ORDERS.min(before + 100);
    let info = json!({"hasNextPage": last < ORDERS, "endCursor": last.to_string()});
    json!({"data": {"orders": {"nodes": rows(before, last), "pageInfo": info}}})
}

fn rows(before: u64, last: u64) -> Vec<Value> {
    let row = |id| json!({"id": id + 1, "amount": id * 3, "updated_at": format!("2026-01-01T00:{:02}:00Z", id % 60)});
    (before..last).map(row).collect()
}
