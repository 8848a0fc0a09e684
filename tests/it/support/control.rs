//! A control database without API and workers, for what they write there.

use std::time::{Duration, Instant};

use elt_shared::config::{Document, NoReferences, PipelineConfig};
use elt_shared::runs::lifecycle;
use elt_shared::store::Limits;
use elt_shared::store::configs::{self, ConfigVersion, NewConfig};
use elt_shared::store::runs::{self, Run};
use elt_shared::trigger::{self, Trigger, Triggered};
use elt_shared::{job, store};
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::app::PATIENCE;
use super::database::{self, Databases};

/// See the module. Drops its database with this value.
pub struct Control {
    pub db: PgPool,
    _databases: Databases,
}

impl Control {
    pub async fn start() -> Self {
        let databases = Databases::create().await;
        let db = store::connect(databases.control.clone(), 20, Limits::WORK)
            .await
            .expect("connected to the control database");
        Self { db, _databases: databases }
    }

    /// Keeps a config version.
    pub async fn keep(&self, yaml: &str) -> (ConfigVersion, PipelineConfig) {
        let pipeline = Document::parse(yaml).and_then(|document| document.pipeline(&NoReferences));
        let pipeline = pipeline.unwrap_or_else(|error| panic!("{error}: {yaml}")).value;
        let mut tx = self.db.begin().await.expect("a transaction");
        let kept = keep(&mut tx, yaml, &pipeline).await.expect("kept the config");
        tx.commit().await.expect("committed");
        (kept, pipeline)
    }

    /// Triggers a YAML as a person would; `change` may alter the request.
    pub async fn trigger(&self, yaml: &str, change: impl FnOnce(&mut Trigger<'_>)) -> Triggered {
        let (config, pipeline) = self.keep(yaml).await;
        let mut request = request(&config, &pipeline);
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

    /// A queued run, unless the connection is cut under it.
    pub async fn try_run(&self, table: &str) -> Option<Uuid> {
        let yaml = format!("name: {table}\nsources: [{{type: local, path: /data}}]\ntarget: {{table: {table}}}\n");
        let pipeline = Document::parse(&yaml).and_then(|document| document.pipeline(&NoReferences)).ok()?.value;
        let mut tx = self.db.begin().await.ok()?;
        let kept = keep(&mut tx, &yaml, &pipeline).await.ok()?;
        let request = Trigger { monitor: false, ..request(&kept, &pipeline) };
        let run = trigger::trigger(&mut tx, &request).await.ok()?.run;
        tx.commit().await.ok()?;
        Some(run.id)
    }

    /// A connection that survives when this database's others are cut.
    pub async fn connect_apart(&self) -> Cutter {
        let options = self.db.connect_options();
        let database = options.get_database().expect("a database").to_owned();
        Cutter { admin: database::server_pool().await, database }
    }

    /// Begins a run, which must succeed.
    pub async fn begin(&self, run: &Run, worker: &str) -> Run {
        let begun = lifecycle::begin(&self.db, run.id, worker).await.expect("asked for the run");
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

    /// Waits until a session of this database waits for a lock that another one has.
    pub async fn somebody_waits(&self) {
        let deadline = Instant::now() + PATIENCE;
        let waits = "select exists (select from pg_stat_activity
                                    where datname = current_database() and wait_event_type = 'Lock')";
        while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&self.db).await.expect("looked") {
            assert!(Instant::now() < deadline, "no session waits for a lock");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn execute(&self, sql: &str) {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::query(sql).execute(&self.db).await.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// See [`Control::connect_apart`].
pub struct Cutter {
    admin: PgPool,
    database: String,
}

impl Cutter {
    /// Cuts every connection to the control database, as a network or a restart would.
    pub async fn cut_all_others(&self) {
        sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1")
            .bind(&self.database)
            .execute(&self.admin)
            .await
            .expect("cut the connections");
    }
}

/// A trigger by a person who wants nothing special.
pub fn request<'a>(config: &'a ConfigVersion, pipeline: &'a PipelineConfig) -> Trigger<'a> {
    Trigger {
        config,
        pipeline,
        now: false,
        monitor: true,
        queue: job::QUEUE,
        priority: None,
        options: json!({}),
        traceparent: None,
        created_by: "admin",
    }
}

async fn keep(db: &mut PgConnection, yaml: &str, pipeline: &PipelineConfig) -> sqlx::Result<ConfigVersion> {
    let new = NewConfig {
        name: &pipeline.name,
        yaml: &yaml.into(),
        yaml_masked: "",
        yaml_preview: "",
        runnable: true,
        problems: json!([]),
        warnings: json!([]),
        created_by: "admin",
        author: configs::ConfigAuthor::Admin,
        purpose: configs::Purpose::Use,
        secret_names: Vec::new(),
        start_rules: pipeline.start_rules,
        notify: &pipeline.notify,
        inbox: None,
    };
    Ok(configs::keep(
        db,
        &elt_shared::secret::KeyRing::of("a secret key of the tests, at least 32 bytes".into(), Vec::new())
            .expect("a key"),
        new,
    )
    .await?
    .0)
}
