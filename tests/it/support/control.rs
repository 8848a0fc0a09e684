//! A control database without API and workers, for what they write there.

use elt_shared::config::{Document, NoReferences, PipelineConfig, content_key};
use elt_shared::store::configs::{self, ConfigVersion, NewConfig};
use elt_shared::store::runs::{self, Run};
use elt_shared::trigger::{self, Trigger, Triggered};
use elt_shared::{job, store};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use super::database::Databases;

/// See the module. Drops its database with this value.
pub struct Control {
    pub db: PgPool,
    _databases: Databases,
}

impl Control {
    pub async fn start() -> Self {
        let databases = Databases::create().await;
        let db = store::connect(databases.control.clone(), 20).await.expect("connected to the control database");
        Self { db, _databases: databases }
    }

    /// Keeps a config version.
    pub async fn keep(&self, yaml: &str) -> (ConfigVersion, PipelineConfig) {
        let pipeline = Document::parse(yaml).and_then(|document| document.pipeline(&NoReferences));
        let pipeline = pipeline.unwrap_or_else(|error| panic!("{error}: {yaml}")).value;
        let new = NewConfig {
            name: &pipeline.name,
            yaml_content: yaml,
            content_key: &content_key(b"tests", yaml),
            yaml_preview: "",
            runnable: true,
            problems: json!([]),
            warnings: json!([]),
            created_by: "admin",
        };
        let mut tx = self.db.begin().await.expect("a transaction");
        let (kept, _) = configs::keep(&mut tx, new).await.expect("kept the config");
        tx.commit().await.expect("committed");
        (kept, pipeline)
    }

    /// Triggers a YAML as a person would; `change` may alter the request.
    pub async fn trigger(&self, yaml: &str, change: impl FnOnce(&mut Trigger<'_>)) -> Triggered {
        let (config, pipeline) = self.keep(yaml).await;
        let mut request = Trigger {
            config: &config,
            pipeline: &pipeline,
            now: false,
            monitor: true,
            queue: job::QUEUE,
            options: json!({}),
            traceparent: None,
            created_by: "admin",
        };
        change(&mut request);
        let mut tx = self.db.begin().await.expect("a transaction");
        let triggered = trigger::trigger(&mut tx, &request).await.expect("triggered");
        tx.commit().await.expect("committed");
        triggered
    }

    /// A queued run of a table.
    pub async fn run(&self, table: &str) -> Run {
        let yaml = format!("name: {table}\nsources: [{{type: local, path: /data}}]\ntarget: {{table: {table}}}\n");
        self.trigger(&yaml, |request| request.monitor = false).await.run
    }

    /// Begins a run, which must succeed.
    pub async fn begin(&self, run: &Run, worker: &str) -> Run {
        let begun = runs::begin(&self.db, run.id, worker).await.expect("asked for the run");
        begun.expect("the run was there to be taken")
    }

    /// A run as it is now.
    pub async fn look(&self, id: Uuid) -> Run {
        runs::find(&self.db, id).await.expect("looked").expect("the run is there")
    }

    /// Lets the lease of a run expire.
    pub async fn expire(&self, id: Uuid) {
        self.execute(&format!("update runs set lease_expires_at = now() - interval '1 second' where id = '{id}'"))
            .await;
    }

    /// Tickets a worker would be handed for a run.
    pub async fn tickets(&self, id: Uuid) -> i64 {
        sqlx::query_scalar(
            "select count(*) from apalis.jobs
             where status = 'Pending' and convert_from(job, 'UTF8')::json ->> 'run_id' = $1::text",
        )
        .bind(id)
        .fetch_one(&self.db)
        .await
        .expect("counted the tickets")
    }

    /// Takes all tickets away, as workers that do nothing with them would.
    pub async fn lose_tickets(&self) {
        self.execute("update apalis.jobs set status = 'Done', done_at = now()").await;
    }

    pub async fn execute(&self, sql: &str) {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::query(sql).execute(&self.db).await.unwrap_or_else(|error| panic!("{error}"));
    }
}
