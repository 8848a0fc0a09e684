//! Databases of a test's own: a migrated control database copied from a template, and an empty target.

use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use elt_shared::store::Limits;
use elt_shared::store::users::{self, Role};
use elt_shared::{password, store};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};
use tokio::sync::OnceCell;

/// The role of the default target: not the owner of anything but the target database.
pub const TARGET_ROLE: &str = "elt_it_target";

/// The passwords of the users every test has.
pub const ADMIN_PASSWORD: &str = "admin123";
pub const USER_PASSWORD: &str = "user123 is me";

/// Two databases, dropped with this value.
pub struct Databases {
    pub control: PgConnectOptions,
    pub target: PgConnectOptions,
    names: [String; 2],
}

/// A superuser's URL of the server all tests of this process use: `TEST_DATABASE_URL`, or a cluster of their own.
pub async fn server_url() -> &'static str {
    static URL: OnceCell<String> = OnceCell::const_new();
    URL.get_or_init(|| async {
        match std::env::var("TEST_DATABASE_URL") {
            Ok(url) => url,
            Err(_) => super::cluster::start().await,
        }
    })
    .await
}

/// The same, to connect with.
pub async fn server() -> PgConnectOptions {
    PgConnectOptions::from_str(server_url().await).expect("a connection URL").disable_statement_logging()
}

/// A connection to the server itself.
pub async fn server_pool() -> PgPool {
    PgPoolOptions::new().max_connections(1).connect_with(server().await).await.expect("connected to the server")
}

impl Databases {
    pub async fn create() -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = server().await;
        let template = TEMPLATE.get_or_init(|| create_template(&server)).await;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let control = format!("elt_it_{}_{number}", std::process::id());
        let target = format!("{control}_target");
        let mut admin = connect(&server).await;
        run(&mut admin, format!("create database {control} template {template}")).await;
        run(&mut admin, format!("create database {target} owner {TARGET_ROLE}")).await;
        Self {
            control: server.clone().database(&control),
            target: server.clone().database(&target).username(TARGET_ROLE).password(TARGET_ROLE),
            names: [control, target],
        }
    }

    /// Creates the target database again with an encoding other than UTF-8.
    pub async fn encode_target(&self, encoding: &str) {
        let mut admin = connect(&server().await).await;
        let target = &self.names[1];
        run(&mut admin, format!("drop database {target} with (force)")).await;
        run(
            &mut admin,
            format!("create database {target} owner {TARGET_ROLE} encoding '{encoding}' template template0 locale 'C'"),
        )
        .await;
    }

    /// A connection URL of the target, as `ELT_TARGET_URL` takes it.
    pub fn target_url(&self) -> String {
        let target = &self.target;
        format!("postgres://{TARGET_ROLE}:{TARGET_ROLE}@{}:{}/{}", target.get_host(), target.get_port(), self.names[1])
    }

    /// A superuser's URL of the control database.
    pub async fn control_url(&self) -> String {
        let (server, parameters) = match server_url().await.split_once('?') {
            Some((server, parameters)) => (server, format!("?{parameters}")),
            None => (server_url().await, String::new()),
        };
        let (server, _) = server.rsplit_once('/').expect("a URL with a database");
        format!("{server}/{}{parameters}", self.names[0])
    }

    /// The control database as a member of `elt_api`, and as one of `elt_worker`.
    pub async fn logins(&self) -> (PgConnectOptions, PgConnectOptions) {
        let mut admin = connect(&server().await).await;
        for part in ["api", "worker"] {
            let create = format!(
                "do $$ begin create role elt_it_{part} login password 'elt_it' in role elt_{part};
                 exception when duplicate_object or unique_violation then null; end $$"
            );
            run(&mut admin, create).await;
        }
        let login = |name: &str| self.control.clone().username(name).password("elt_it");
        (login("elt_it_api"), login("elt_it_worker"))
    }

    /// A few connections to the target for the test itself.
    pub async fn target_pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(2)
            .connect_with(self.target.clone())
            .await
            .expect("connected to the target")
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        let names = std::mem::take(&mut self.names);
        // The test's own runtime may already be going down, so the databases are dropped on another one. Nothing waits for
        // that: a session that this runtime has not finished opening ends with the runtime, and until then the server does
        // not drop its database.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let mut admin = connect(&server().await).await;
                for name in names {
                    run(&mut admin, format!("drop database if exists {name} with (force)")).await;
                }
            });
        });
    }
}

/// Migrates one database, which the others are copies of, with an admin and a user in it.
async fn create_template(server: &PgConnectOptions) -> String {
    let name = format!("elt_it_{}_template", std::process::id());
    let mut admin = connect(server).await;
    drop_leftovers(&mut admin).await;
    let create_role = format!(
        "do $$ begin create role {TARGET_ROLE} login password '{TARGET_ROLE}';
         exception when duplicate_object or unique_violation then null; end $$"
    );
    run(&mut admin, create_role).await;
    run(&mut admin, format!("create database {name}")).await;
    let db =
        store::connect(server.clone().database(&name), 2, Limits::MIGRATIONS).await.expect("connected to the template");
    store::migrate(&db).await.expect("migrated the template");
    for (username, password, role) in [("admin", ADMIN_PASSWORD, Role::Admin), ("user", USER_PASSWORD, Role::User)] {
        let hash = password::hash_given(password.into()).await.expect("hashed a password");
        users::create(&db, username, &hash, role).await.expect("added a user");
    }
    db.close().await;
    name
}

/// Databases of test processes that are gone.
async fn drop_leftovers(admin: &mut PgConnection) {
    let names: Vec<String> = sqlx::query_scalar("select datname from pg_database where datname like 'elt\\_it\\_%'")
        .fetch_all(&mut *admin)
        .await
        .expect("listed the databases");
    for name in names {
        let pid = name.split('_').nth(2).unwrap_or_default();
        if pid.parse::<u32>().is_ok() && !std::path::Path::new("/proc").join(pid).exists() {
            run(admin, format!("drop database if exists {name} with (force)")).await;
        }
    }
}

async fn connect(server: &PgConnectOptions) -> PgConnection {
    PgConnection::connect_with(server).await.expect("connected to the test server")
}

async fn run(db: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(db).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
