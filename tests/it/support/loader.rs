//! Runs of the pipeline itself, without queue and API: what they load, and what they say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use elt_shared::config::{Document, InboxRules, NoReferences};
use elt_shared::runs::lifecycle::{self, EndedBy};
use elt_shared::runs::report::RunReport;
use elt_shared::runs::{End, Trigger};
use elt_shared::secret::Secret;
use elt_shared::store::configs::{self, NewConfig};
use elt_shared::store::runs::{self, NewRun, Run};
use elt_shared::store::{self, Limits};
use elt_worker::error::PipelineError;
use elt_worker::extract::containers::UnpackLimits;
use elt_worker::pipeline;
use elt_worker::run_context::{EARLY_LOAD_BYTES, HashMemory, RunContext};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::database::Databases;
use super::folder::Folder;

/// See the module. Drops its databases with this value.
pub struct Loader {
    pub control: PgPool,
    /// As the role of the default target.
    pub target: PgPool,
    /// Where sources are.
    pub folder: Folder,
    pub data: Folder,
    databases: Databases,
    /// Memory of its runs for row hashes.
    pub memory: HashMemory,
    /// Size of a delivery from which its load begins while the first pass is still reading.
    pub early_load_bytes: u64,
    /// Limits of its runs for archives.
    pub unpack: UnpackLimits,
    /// Whether its runs read their files even when nothing has changed since the last run. Tests of unchanged runs set it to false; most
    /// tests load the same files again to see what reading them does.
    pub always_reads: bool,
}

/// How a run ended.
pub type Ended = Result<RunReport, PipelineError>;

impl Loader {
    pub async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let databases = Databases::create().await;
        let control = store::connect(databases.control.clone(), 10, Limits::WORK)
            .await
            .expect("connected to the control database");
        let target = databases.target_pool().await;
        Self {
            control,
            target,
            folder: Folder::new(),
            data: Folder::new(),
            databases,
            memory: HashMemory::default(),
            early_load_bytes: EARLY_LOAD_BYTES,
            unpack: UnpackLimits::default(),
            always_reads: true,
        }
    }

    /// A loader whose target database has an encoding other than UTF-8.
    pub async fn in_encoding(encoding: &str) -> Self {
        let loader = Self::start().await;
        loader.databases.encode_target(encoding).await;
        Self { target: loader.databases.target_pool().await, ..loader }
    }

    /// A config that loads the folder into a table of the default target.
    pub fn yaml(&self, table: &str, more: &str) -> String {
        format!(
            "sources: [{{type: local, settle_seconds: 0, path: {}}}]\ntarget: {{table: {table}}}\n{more}",
            self.folder.path().display()
        )
    }

    /// Loads the folder into a table; it must succeed and its receipts must balance.
    pub async fn load(&self, table: &str, more: &str) -> RunReport {
        let report = self.run("run", &self.yaml(table, more)).await.unwrap_or_else(|error| panic!("{}", told(&error)));
        assert!(report.files.iter().all(|file| file.balances()), "{report:#?}");
        report
    }

    /// Loads the folder into a table; it must fail.
    pub async fn fail(&self, table: &str, more: &str) -> PipelineError {
        match self.run("run", &self.yaml(table, more)).await {
            Ok(report) => panic!("it did not fail: {report:#?}"),
            Err(error) => error,
        }
    }

    /// Executes a config to its end, as a worker would.
    pub async fn run(&self, kind: &str, yaml: &str) -> Ended {
        let context = self.begin(kind, yaml).await;
        self.execute(&context).await
    }

    /// Executes an attempt and writes how it ended.
    pub async fn execute(&self, context: &RunContext) -> Ended {
        let ended = pipeline::run(context).await;
        let (outcome, report) = match &ended {
            Ok(report) => (
                End::Succeeded { outcome: report.judge() },
                Some(serde_json::to_value(report).expect("a report is JSON")),
            ),
            Err(error) => {
                let (code, error, next_step) = (error.code().as_str().to_owned(), error.to_string(), error.next_step());
                (End::Failed { code, error, next_step }, None)
            }
        };
        let mut db = self.control.acquire().await.expect("a connection");
        lifecycle::finish(&mut db, context.run.id, EndedBy::Attempt(context.run.epoch), &outcome, report.as_ref())
            .await
            .expect("finished the run");
        if self.always_reads {
            sqlx::query("update runs set report = report - 'left_behind' where id = $1")
                .bind(context.run.id)
                .execute(&mut *db)
                .await
                .expect("forgot what the run left behind");
        }
        ended
    }

    /// Keeps the config and begins a run of it.
    pub async fn begin(&self, kind: &str, yaml: &str) -> RunContext {
        let run = self.create(kind, yaml, json!({}), None).await;
        let begun =
            lifecycle::begin(&self.control, run.id, "tests").await.expect("asked").expect("it was there to begin");
        self.context(begun, yaml)
    }

    /// Keeps the config and makes a queued run of it.
    pub async fn create(&self, kind: &str, yaml: &str, options: Value, subject_id: Option<Uuid>) -> Run {
        let document = Document::parse(yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
        let pipeline = document.pipeline(&NoReferences).unwrap_or_else(|error| panic!("{error}: {yaml}")).value;
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
            start_rules: pipeline.start_rules,
            notify: &pipeline.notify,
            inbox: InboxRules::of(&pipeline.sources),
            purpose: configs::Purpose::Use,
            secret_names: Vec::new(),
        };
        let mut tx = self.control.begin().await.expect("a transaction");
        let (kept, _) = configs::keep(
            &mut tx,
            &elt_shared::secret::KeyRing::of("a secret key of the tests, at least 32 bytes".into(), Vec::new())
                .expect("a key"),
            new,
        )
        .await
        .expect("kept the config");
        let table = pipeline.target.table.to_string();
        let new = NewRun {
            kind: kind.parse().expect("a kind of run"),
            config_id: kept.id,
            name: &pipeline.name,
            target_table: &table,
            trigger: Trigger::Manual,
            schedule_id: None,
            subject_id,
            retry_of: None,
            window: None,
            queue: "tests",
            options,
            not_before: None,
            not_after: None,
            priority: None,
            waits_for: None,
            max_attempts: 3,
            traceparent: None,
            created_by: "admin",
        };
        let run = runs::create(&mut *tx, new).await.expect("created a run");
        tx.commit().await.expect("committed");
        run
    }

    /// What an attempt of a begun run is given.
    pub fn context(&self, run: Run, yaml: &str) -> RunContext {
        let document = Document::parse(yaml).expect("a document");
        RunContext {
            control: self.control.clone(),
            run,
            config: document.pipeline(&NoReferences).expect("runnable").value,
            default_target: Some(Secret::new(self.databases.target_url())),
            ssh_agent: None,
            cloud: Default::default(),
            base: self.folder.path().into(),
            data_dir: self.data.path().into(),
            roots: Vec::new().into(),
            network: Default::default(),
            tokens: Default::default(),
            stop: CancellationToken::new(),
            progress: Arc::default(),
            early_load_bytes: self.early_load_bytes,
            memory: self.memory,
            unpack: self.unpack,
        }
    }

    /// Puts one file into the folder and takes all others away.
    pub fn only(&self, name: &str, content: impl AsRef<[u8]>) {
        for entry in std::fs::read_dir(self.folder.path()).expect("a folder").flatten() {
            std::fs::remove_file(entry.path()).expect("removed a file");
        }
        self.folder.write(name, content);
    }

    /// Rows of a query on the target as texts, NULL as `-`, each row's values joined by `|`.
    pub async fn rows(&self, sql: &str) -> Vec<String> {
        let query = format!(
            "select (select string_agg(coalesce(value, '-'), '|' order by place)
                     from json_each_text(row_to_json(answer)) with ordinality as cell (name, value, place))
             from ({sql}) answer"
        );
        sqlx::query_scalar(AssertSqlSafe(query))
            .fetch_all(&self.target)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// One value.
    pub async fn value(&self, sql: &str) -> String {
        self.rows(sql).await.pop().unwrap_or_else(|| panic!("no row: {sql}"))
    }

    /// Number of rows of a table.
    pub async fn count(&self, table: &str) -> u64 {
        self.value(&format!("select count(*) from {table}")).await.parse().expect("a number")
    }

    /// `name type` of a table's own columns, in order.
    pub async fn columns(&self, table: &str) -> Vec<String> {
        self.rows(&format!(
            "select attname || ' ' || format_type(atttypid, atttypmod) from pg_attribute
             where attrelid = '{table}'::regclass and attnum > 0 and not attisdropped and attname not like '\\_elt\\_%'
             order by attnum"
        ))
        .await
    }

    /// Does something in the target as its role.
    pub async fn sql(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&self.target)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The target database as the superuser.
    pub async fn admin(&self) -> PgPool {
        let options = super::database::server().await;
        let name = self.databases.target.get_database().expect("a name");
        PgPool::connect_with(options.database(name)).await.expect("connected as the superuser")
    }

    /// The databases.
    pub fn databases(&self) -> &Databases {
        &self.databases
    }
}

/// An error with everything it says.
pub fn told(error: &PipelineError) -> String {
    use std::error::Error as _;
    let source = error.source().map(|source| format!(" ({source})")).unwrap_or_default();
    format!("{}: {error}{source} → {}", error.code(), error.next_step())
}

/// A name no other test uses, for what all databases of the server share.
pub fn unique(name: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("{name}_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}
