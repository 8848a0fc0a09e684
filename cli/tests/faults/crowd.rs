//! Too many at once: a server that has no connection left.

use std::time::Duration;

use elt_shared::runs::leases::LEASE;
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep};

use crate::slow_source;
use crate::world::{World, alone, report};

#[test]
fn a_server_without_a_free_connection_costs_no_lease() {
    alone(async {
        let world = World::start().await;
        let worker = world.worker(&[]).await;
        let patience = LEASE + Duration::from_secs(10);
        let source = format!("{{type: api, url: \"{}\"}}", slow_source::start(patience));
        let run = world.trigger_source("crowded", &source, "monitor: {enabled: false}\n").await;
        world.until(run, "running", |run| run.state.as_str() == "running").await;
        let mut crowd = Vec::new();
        let url = world.target_url();
        while let Ok(connection) = PgConnection::connect(&url).await {
            crowd.push(connection);
        }
        assert!(crowd.len() > 10, "only {} connections were free", crowd.len());
        let until = Instant::now() + LEASE + Duration::from_secs(3);
        while Instant::now() < until {
            // Whoever leaves is replaced.
            crowd.extend(PgConnection::connect(&url).await);
            sleep(Duration::from_secs(1)).await;
        }
        let at_work = world.look(run).await.expect("the run");
        assert_eq!((at_work.state.as_str(), at_work.epoch), ("running", 1), "its lease was extended all the time");
        let taken = crowd.len();
        drop(crowd);
        let done = world.finished(run).await;
        assert_eq!((done.state.as_str(), done.epoch), ("succeeded", 1), "{done:#?}");
        report("no free connection for longer than a lease", taken, Vec::new());
        drop(worker);
        world.end().await;
    });
}
