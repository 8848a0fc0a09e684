//! An API of customers and their orders, which answers after a pause of its own for each page, so that later customers are
//! often answered before earlier ones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// Customers a page.
const CUSTOMERS: u64 = 100;
/// Orders a page.
const ORDERS: u64 = 3;

/// See the module. Ends with this value.
pub struct FamilyApi {
    pub address: SocketAddr,
    state: Shared,
    serving: JoinHandle<()>,
}

#[derive(Clone, Default)]
struct Shared {
    /// Number of customers.
    customers: Arc<AtomicUsize>,
    /// The statuses that some customers are answered with, and from which page on.
    failing: Arc<Mutex<BTreeMap<u64, (u64, StatusCode)>>>,
    /// Requests for orders that are at work, the most there were, and all.
    at_work: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

impl FamilyApi {
    pub async fn start(customers: usize) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Shared::default();
        state.customers.store(customers, Ordering::SeqCst);
        let router = Router::new()
            .route("/customers", get(list))
            .route("/customers/{id}/orders", get(orders))
            .route("/echo/{id}", get(async |Path(id): Path<String>| Json(json!([{"seen": id}]))))
            .route("/echo", post(async |Json(body): Json<Value>| Json(json!([{"seen": body["id"]}]))))
            .with_state(state.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
        Self { address, state, serving }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers a customer's orders with a status, from this page on.
    pub fn fail(&self, customer: u64, page: u64, status: StatusCode) {
        self.state.failing.lock().expect("statuses").insert(customer, (page, status));
    }

    pub fn heal(&self) {
        self.state.failing.lock().expect("statuses").clear();
    }

    /// Most requests for orders that were at work at the same time.
    pub fn most_at_once(&self) -> usize {
        self.state.most.load(Ordering::SeqCst)
    }

    /// Number of requests for orders.
    pub fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }
}

impl Drop for FamilyApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Number of the orders of a customer.
pub fn orders_of(customer: u64) -> u64 {
    customer % 8
}

#[derive(serde::Deserialize)]
struct Asked {
    page: u64,
}

async fn list(State(state): State<Shared>, Query(Asked { page }): Query<Asked>) -> Json<Value> {
    let all = state.customers.load(Ordering::SeqCst) as u64;
    let ids = (page - 1) * CUSTOMERS + 1..=all.min(page * CUSTOMERS);
    Json(ids.map(|id| json!({"id": id, "name": format!("c{id}")})).collect())
}

async fn orders(
    State(state): State<Shared>,
    Path(customer): Path<u64>,
    Query(Asked { page }): Query<Asked>,
) -> Response {
    state.asked.fetch_add(1, Ordering::SeqCst);
    let now = state.at_work.fetch_add(1, Ordering::SeqCst) + 1;
    state.most.fetch_max(now, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis((customer * 7_919 + page * 104_729) % 13)).await;
    state.at_work.fetch_sub(1, Ordering::SeqCst);
    let failing = state.failing.lock().expect("statuses").get(&customer).copied();
    if let Some((from, status)) = failing
        && page >= from
    {
        return status.into_response();
    }
    let first = (page - 1) * ORDERS + 1;
    let numbers = first..=orders_of(customer).min(page * ORDERS);
    let rows: Vec<Value> = numbers.map(|number| json!({"number": number, "amount": customer * 10 + number})).collect();
    Json(json!({"total": orders_of(customer), "orders": rows})).into_response()
}
