//! A whole elt of a test's own: databases, API on a real port, and workers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use elt_api::AppState;
use elt_api::settings::ApiSettings;
use elt_shared::secret::Secret;
use elt_shared::store::{self, Limits};
use elt_worker::settings::{KeepSettings, WorkerSettings};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::client::Request;
use super::database::{self, Databases};
use super::folder::Folder;

/// Generous: a condition that holds in milliseconds on a quiet machine may take long on a busy one.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Signs the tokens of every test.
pub const JWT_KEY: &str = "a key of the tests, at least 32 bytes long";

/// Who a request is sent by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    Admin,
    User,
}

/// How an app differs from the usual one.
pub struct Options {
    /// Workers to start; the usual app has one.
    pub workers: usize,
    /// The API's settings.
    pub api: ApiSettings,
    /// Each worker's settings.
    pub worker: WorkerSettings,
    /// Whether API and workers log in to the control database as roles of their own, which own nothing.
    pub separate_logins: bool,
}

/// See the module. Stops and drops its databases with this value.
pub struct TestApp {
    /// The control database, as a superuser.
    pub db: PgPool,
    /// The control database, as the workers use it.
    pub worker_db: PgPool,
    /// The target database, as its role.
    pub target: PgPool,
    /// Where the API listens.
    pub address: SocketAddr,
    /// Settings of its workers, to start more of them.
    pub worker_settings: WorkerSettings,
    http: reqwest::Client,
    folder: Folder,
    data_dir: Folder,
    tokens: [OnceCell<String>; 2],
    stop: CancellationToken,
    databases: Databases,
}

impl TestApp {
    /// The usual app: an API and one worker, which looks at monitored sources every second.
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// An app that differs from the usual one.
    pub async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let databases = Databases::create().await;
        let (folder, data_dir) = (Folder::new(), Folder::new());
        let target_url = Secret::new(databases.target_url());
        let mut options = Options {
            workers: 1,
            api: ApiSettings {
                target_url: Some(target_url.clone()),
                data_dir: data_dir.path().into(),
                ..ApiSettings::with_keys(JWT_KEY.into(), "a secret key of the tests, at least 32 bytes".into())
            },
            worker: worker_settings(target_url, &folder, &data_dir),
            separate_logins: false,
        };
        change(&mut options);
        let db = store::connect(databases.control.clone(), 10, Limits::WORK)
            .await
            .expect("connected to the control database");
        let (api_db, worker_db) = match options.separate_logins {
            false => (db.clone(), db.clone()),
            true => {
                let (api, worker) = databases.logins().await;
                let api = store::connect(api, 10, Limits::REQUESTS).await.expect("connected as the API");
                (api, store::connect(worker, 10, Limits::WORK).await.expect("connected as a worker"))
            }
        };
        let stop = CancellationToken::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = AppState::new(api_db, options.api).expect("the API's settings are good");
        tokio::spawn(elt_api::serve(listener, state, stop.clone()));
        let app = Self {
            target: databases.target_pool().await,
            http: reqwest::Client::new(),
            tokens: Default::default(),
            worker_settings: options.worker,
            db,
            worker_db,
            address,
            folder,
            data_dir,
            stop,
            databases,
        };
        for _ in 0..options.workers {
            app.start_worker();
        }
        app
    }

    /// One more worker; cancel the answer to stop it.
    pub fn start_worker(&self) -> CancellationToken {
        let stop = self.stop.child_token();
        tokio::spawn(elt_worker::run(self.worker_db.clone(), self.worker_settings.clone(), stop.clone()));
        stop
    }

    /// The folder for sources, which workers may read.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The data folder API and workers share.
    pub fn data_dir(&self) -> &Folder {
        &self.data_dir
    }

    /// The default target as a URL.
    pub fn target_url(&self) -> String {
        self.databases.target_url()
    }

    /// A superuser's URL of the control database.
    pub async fn control_url(&self) -> String {
        self.databases.control_url().await
    }

    /// Cancelled when the app stops: for workers that a test starts with other settings.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.child_token()
    }

    /// Asks API and workers to stop.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    pub fn get(&self, path: &str) -> Request<'_> {
        Request::new(self, self.http.get(self.url(path)))
    }

    pub fn post(&self, path: &str) -> Request<'_> {
        Request::new(self, self.http.post(self.url(path)))
    }

    pub fn patch(&self, path: &str) -> Request<'_> {
        Request::new(self, self.http.patch(self.url(path)))
    }

    pub fn delete(&self, path: &str) -> Request<'_> {
        Request::new(self, self.http.delete(self.url(path)))
    }

    /// Any other method.
    pub fn request(&self, method: &str, path: &str) -> Request<'_> {
        Request::new(self, self.http.request(method.parse().expect("a method"), self.url(path)))
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A token of one of the two users, logged in on first use.
    pub async fn token(&self, login: Login) -> &str {
        let (username, password, cell) = match login {
            Login::Admin => ("admin", database::ADMIN_PASSWORD, &self.tokens[0]),
            Login::User => ("user", database::USER_PASSWORD, &self.tokens[1]),
        };
        cell.get_or_init(|| self.login(username, password)).await
    }

    /// A new token.
    pub async fn login(&self, username: &str, password: &str) -> String {
        let request = json!({ "username": username, "password": password });
        let answer = self.post("/auth/login").as_nobody().json(request).await.ok();
        answer["token"].as_str().expect("a token").to_owned()
    }

    /// A new API token of the admin, or of the service account that the request names. Its text is in `token`.
    pub async fn api_token(&self, name: &str, scopes: &[&str], more: Value) -> Value {
        let mut request = json!({ "name": name, "scopes": scopes });
        let more = more.as_object().cloned().unwrap_or_default();
        request.as_object_mut().expect("an object").extend(more);
        self.post("/tokens").json(request).await.ok()
    }

    /// A config whose source is [`TestApp::folder`] and whose target is `table` in the default target; `more` is
    /// appended as it is.
    pub fn yaml(&self, table: &str, more: &str) -> String {
        let folder = self.folder.path().display();
        format!(
            "sources:\n  - type: local\n    path: {folder}\n    settle_seconds: 0\ntarget:\n  table: {table}\nmonitor: \
             {{enabled: false}}\n{more}"
        )
    }

    /// Triggers a YAML and says what run it became.
    pub async fn trigger(&self, yaml: &str) -> Value {
        let answer = self.post("/trigger-job").yaml(yaml).await.ok();
        let id = answer["run_id"].as_str().expect("a run id");
        self.get(&format!("/runs/{id}")).await.ok()
    }

    /// Triggers a YAML and waits for the end of its run, which must be a success.
    pub async fn load(&self, yaml: &str) -> Value {
        let run = self.trigger(yaml).await;
        let run = self.finished(&run["id"]).await;
        assert_eq!(run["state"], "succeeded", "{run:#}");
        run
    }

    /// A run, once it has finished however that may be.
    pub async fn finished(&self, run_id: &Value) -> Value {
        let path = format!("/runs/{}", run_id.as_str().expect("a run id"));
        let last = tokio::sync::Mutex::new(Value::Null);
        let finished = self.eventually(async || {
            let run = self.get(&path).await.ok();
            *last.lock().await = run.clone();
            run["finished_at"].is_string().then_some(run)
        });
        match finished.await {
            Some(run) => run,
            None => panic!("the run did not finish: {:#}", last.into_inner()),
        }
    }

    /// Waits until no run is unfinished.
    pub async fn finished_all(&self) {
        let finished = self.eventually(async || {
            let live = self.control("select id, state, waits_for from runs where finished_at is null").await;
            live.is_empty().then_some(())
        });
        finished.await.expect("all runs finished");
    }

    /// A statement on the control database.
    pub async fn execute(&self, sql: &str) {
        let done = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&self.db).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Moves everything that waits for a time an hour closer to now.
    pub async fn let_an_hour_pass(&self) {
        for change in [
            "update schedules set start_at = start_at - interval '1 hour', end_at = end_at - interval '1 hour',
                    next_tick_at = next_tick_at - interval '1 hour'",
            "update runs set not_before = not_before - interval '1 hour', not_after = not_after - interval '1 hour'",
            "update apalis.jobs set run_at = run_at - interval '1 hour'",
        ] {
            self.execute(change).await;
        }
    }

    /// What `look` finds, looking again until it finds something or patience ends.
    pub async fn eventually<T>(&self, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await {
                return Some(found);
            }
            if Instant::now() > deadline {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Rows of a query on the target, each as a JSON object.
    pub async fn rows(&self, sql: &str) -> Vec<Value> {
        rows(&self.target, sql).await
    }

    /// Rows of a query on the control database, each as a JSON object.
    pub async fn control(&self, sql: &str) -> Vec<Value> {
        rows(&self.db, sql).await
    }

    /// How many rows a table of the target has.
    pub async fn count(&self, table: &str) -> i64 {
        let count = sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {table}")));
        count.fetch_one(&self.target).await.unwrap_or_else(|error| panic!("{table}: {error}"))
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn rows(db: &PgPool, sql: &str) -> Vec<Value> {
    let query = AssertSqlSafe(format!("select to_jsonb(answer) from ({sql}) answer"));
    sqlx::query_scalar(query).fetch_all(db).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn worker_settings(target_url: Secret, folder: &Folder, data_dir: &Folder) -> WorkerSettings {
    WorkerSettings {
        concurrency: 2,
        queue: elt_shared::job::QUEUE.into(),
        fs_roots: vec![folder.path().into(), data_dir.path().into()],
        output_roots: vec![folder.path().into()],
        env_allow: Vec::new(),
        ssh_agent: None,
        cloud_credentials: Vec::new(),
        cloud_metadata: "http://169.254.169.254".parse().expect("an address"),
        monitor_interval: 1,
        grace_period: 10,
        run_timeout: 600,
        min_free_mib: 1,
        unpack_entries: 10_000,
        unpack_gib: 100,
        unpack_ratio: 1_000,
        keep: KeepSettings::default(),
        silent_seconds: 120,
        network: Default::default(),
        target_url: Some(target_url),
        keys: ApiSettings::with_keys(JWT_KEY.into(), "a secret key of the tests, at least 32 bytes".into()).keys,
        data_dir: data_dir.path().into(),
        inbox: data_dir.path().join("inbox"),
        base: folder.path().into(),
        force: CancellationToken::new(),
        metrics: Default::default(),
        named_pipelines: 100,
        health: Default::default(),
    }
}
