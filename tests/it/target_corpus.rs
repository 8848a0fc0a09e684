//! Tables that elt did not create, one for each entry of `tests/targets/cases.yaml`: the table, a file that is
//! delivered to it, and the expected result of an append, a merge and a replacement.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use elt_shared::runs::report::RunReport;
use elt_shared::target::{quote_ident, quote_literal};
use futures::StreamExt;
use serde::Deserialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::database::{self, TARGET_ROLE};
use crate::support::folder::Folder;
use crate::support::loader::{Ended, Loader, told, unique};

/// Entries loaded at the same time.
const AT_ONCE: usize = 6;

/// An entry. See `tests/targets/README.md`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    why: String,
    /// Statements that make the table, by its owner.
    #[serde(default)]
    sql: String,
    /// Statements by the superuser, after `sql`.
    #[serde(default)]
    admin: String,
    #[serde(default = "t")]
    table: String,
    /// The login that loads does not own what `sql` makes.
    #[serde(default)]
    stranger: bool,
    file: String,
    #[serde(default = "csv")]
    file_name: String,
    #[serde(default = "id")]
    key: String,
    /// More YAML of the config.
    #[serde(default)]
    config: String,
    /// Query for the rows to compare; `None`: `select * from t order by 1` without elt's own columns.
    #[serde(default)]
    select: Option<String>,
    /// Expected result of every mode that has no entry of its own below.
    expect: Option<Expected>,
    append: Option<Expected>,
    merge: Option<Expected>,
    replace: Option<Expected>,
}

fn t() -> String {
    "t".into()
}

fn csv() -> String {
    "file.csv".into()
}

fn id() -> String {
    "id".into()
}

/// The expected result of a load.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// The rows of the table afterwards, values joined by `|`, NULL as `-`.
    rows: Option<Vec<String>>,
    /// Places of the rejected rows: `column:line`, or `-:line` when no column is to blame.
    #[serde(default)]
    quarantined: Vec<String>,
    /// The run fails with this code and nothing changes.
    fails: Option<String>,
    /// What the error or a warning says, in its sentence or its next step.
    says: Option<String>,
    /// Loading the same file again may find new rows, because a trigger changes the columns a row is recognised by.
    #[serde(default)]
    again_differs: bool,
}

/// One entry in one mode: a schema of its own in the database all entries share.
struct Trial<'a> {
    loader: &'a Loader,
    case: &'a Case,
    mode: &'static str,
    expected: &'a Expected,
    schema: String,
    login: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_table_elt_did_not_create_is_loaded_or_refused_as_its_entry_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/targets/cases.yaml");
    let text = std::fs::read_to_string(path).expect("the entries");
    let cases: Vec<Case> = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert!(cases.len() >= 60, "{} entries", cases.len());
    let only = std::env::var("ELT_TARGET_CASE").ok();
    let loader = Loader::start().await;
    let mut admin = connect(&loader).await;
    run(&mut admin, "create extension if not exists citext; create extension if not exists btree_gist").await;
    let logins = Logins::create(&mut admin).await;

    let mut trials = Vec::new();
    let mut names = BTreeMap::new();
    for case in &cases {
        assert!(names.insert(case.name.as_str(), ()).is_none(), "two entries are called {}", case.name);
        assert!(case.why.len() > 10, "{} says why", case.name);
        if only.as_ref().is_some_and(|only| *only != case.name) {
            continue;
        }
        for (mode, own) in [("append", &case.append), ("merge", &case.merge), ("replace", &case.replace)] {
            let expected = own.as_ref().or(case.expect.as_ref());
            let expected = expected.unwrap_or_else(|| panic!("{} says what happens in {mode}", case.name));
            let login = if case.stranger { logins.stranger.clone() } else { TARGET_ROLE.to_owned() };
            let schema = format!("{}_{mode}", case.name);
            trials.push(Trial { loader: &loader, case, mode, expected, schema, login });
        }
    }
    let outcomes: Vec<Result<(), String>> =
        futures::stream::iter(&trials).map(Trial::hold).buffer_unordered(AT_ONCE).collect().await;
    let mut wrong = String::new();
    for outcome in outcomes {
        if let Err(problem) = outcome {
            let _ = writeln!(wrong, "{problem}");
        }
    }
    logins.drop(&mut admin).await;
    assert!(wrong.is_empty(), "\n{wrong}");
}

impl Trial<'_> {
    /// Checks the entry in this mode. An error is one line that begins with the name of the entry.
    async fn hold(&self) -> Result<(), String> {
        let held = self.try_to_hold().await;
        held.map_err(|problem| format!("{} ({}): {problem}", self.case.name, self.mode))
    }

    async fn try_to_hold(&self) -> Result<(), String> {
        let mut admin = connect(self.loader).await;
        self.set_up(&mut admin).await?;
        let before = self.look(&mut admin).await;
        let folder = Folder::new();
        folder.write(&self.case.file_name, &self.case.file);
        let ended = self.load(&folder).await;
        match (&self.expected.fails, ended) {
            (Some(code), Err(error)) => {
                let said = told(&error);
                check(error.code() == code, || format!("it failed otherwise: {said}"))?;
                self.check_said(&said)?;
                let after = self.look(&mut admin).await;
                check(after == before, || format!("it failed and changed the table: {before:?} {after:?}"))
            }
            (Some(_), Ok(report)) => Err(format!("it did not fail: {report:?}")),
            (None, Err(error)) => Err(told(&error)),
            (None, Ok(report)) => {
                self.check_loaded(&mut admin, &report, &before).await?;
                self.load_again(&mut admin, &folder).await
            }
        }
    }

    async fn set_up(&self, admin: &mut PgConnection) -> Result<(), String> {
        let schema = format!("\"{}\"", self.schema);
        let owner = if self.case.stranger { "postgres" } else { TARGET_ROLE };
        let replaced = |sql: &str| {
            sql.replace("@schema@", &schema).replace("@name@", &self.schema).replace("@login@", &self.login)
        };
        let owner = if owner == "postgres" { String::new() } else { format!("set role {owner};") };
        let statements = format!(
            "create schema {schema} authorization {TARGET_ROLE};
             grant usage, create on schema {schema} to {login};
             set search_path to {schema}, public;
             {owner}
             {}
             ;reset role;
             {}",
            replaced(&self.case.sql),
            replaced(&self.case.admin),
            login = self.login,
        );
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(admin).await.map_err(|error| format!("set up: {error}"))?;
        Ok(())
    }

    async fn load(&self, folder: &Folder) -> Ended {
        let server = self.loader.databases().target.clone();
        let mode = match self.mode {
            "merge" => format!("{{mode: merge, key: [{}]}}", self.case.key),
            mode => format!("{{mode: {mode}}}"),
        };
        let yaml = format!(
            "sources: [{{type: local, path: '{}'}}]\n\
             target: {{host: '{}', port: {}, database: '{}', user: '{login}', password: '{login}', table: '{}.{}'}}\n\
             load: {mode}\n{}",
            folder.path().display(),
            server.get_host(),
            server.get_port(),
            server.get_database().expect("a name"),
            self.schema,
            self.case.table,
            self.case.config,
            login = self.login,
        );
        self.loader.run("run", &yaml).await
    }

    /// Checks that the receipt agrees with the table and the quarantine, and that the table has the expected rows.
    async fn check_loaded(
        &self,
        admin: &mut PgConnection,
        report: &RunReport,
        before: &Option<Vec<String>>,
    ) -> Result<(), String> {
        check(report.files.iter().all(|file| file.balances()), || format!("a receipt does not balance: {report:?}"))?;
        let after = self.look(admin).await.ok_or("there is no table")?;
        let had = before.as_ref().map_or(0, Vec::len);
        let expected = had as i64 + report.rows_inserted as i64 - report.rows_deleted as i64;
        check(after.len() as i64 == expected, || {
            format!("{had} rows, +{} -{}, and then {}", report.rows_inserted, report.rows_deleted, after.len())
        })?;
        let schema = &self.schema;
        let places: Vec<String> = texts(
            admin,
            &format!(
                "select coalesce(column_name, '-') || ':' || line from \"{schema}\"._elt_quarantine order by line, 1"
            ),
        )
        .await;
        check(report.rows_quarantined as usize == places.len(), || format!("{} rows are in quarantine", places.len()))?;
        check(places == self.expected.quarantined, || {
            format!("quarantined are {places:?} instead of {:?}", self.expected.quarantined)
        })?;
        let receipt = texts(
            admin,
            &format!(
                "select concat_ws('|', rows_read, rows_inserted, rows_updated, rows_duplicate, rows_quarantined)
                 from \"{schema}\"._elt_loads where loaded_at is not null"
            ),
        )
        .await;
        let said = [
            report.rows_read,
            report.rows_inserted,
            report.rows_updated,
            report.rows_duplicate,
            report.rows_quarantined,
        ];
        let said = said.map(|count| count.to_string()).join("|");
        check(receipt == [said.clone()], || format!("the target's receipt is {receipt:?}, the report says {said}"))?;
        if let Some(rows) = &self.expected.rows {
            check(after == *rows, || format!("the rows are {after:?} instead of {rows:?}"))?;
        }
        self.check_said(&report.warnings.join("\n"))
    }

    /// Loads the same file again, which must change nothing.
    async fn load_again(&self, admin: &mut PgConnection, folder: &Folder) -> Result<(), String> {
        if self.expected.again_differs {
            return Ok(());
        }
        let before = self.look(admin).await;
        let report = self.load(folder).await.map_err(|error| format!("again: {}", told(&error)))?;
        let news = [report.rows_inserted, report.rows_updated, report.rows_deleted];
        check(news == [0, 0, 0], || format!("the same file again was counted: inserted, updated, deleted {news:?}"))?;
        let after = self.look(admin).await;
        check(after == before, || format!("the same file again changed rows: {before:?} {after:?}"))
    }

    fn check_said(&self, said: &str) -> Result<(), String> {
        let Some(words) = &self.expected.says else { return Ok(()) };
        let words = words.replace("@schema@", &format!("\"{}\"", self.schema)).replace("@login@", &self.login);
        check(said.contains(&words), || format!("it does not say {words:?} but: {said}"))
    }

    /// The table's rows as the superuser sees them. `None`: there is no table.
    async fn look(&self, admin: &mut PgConnection) -> Option<Vec<String>> {
        let table = format!("{}.{}", quote_ident(&self.schema), quote_ident(&self.case.table));
        let columns = texts(
            admin,
            &format!(
                "select quote_ident(attname) from pg_attribute
                 where attrelid = to_regclass({table}) and attnum > 0 and not attisdropped
                   and attname not like '\\_elt\\_%' order by attnum",
                table = quote_literal(&table)
            ),
        )
        .await;
        if columns.is_empty() && self.case.select.is_none() {
            return None;
        }
        let cells = columns.iter().map(|column| format!("coalesce({column}::text, '-')")).collect::<Vec<_>>();
        let select = match &self.case.select {
            Some(select) => select.replace("@schema@", &format!("\"{}\"", self.schema)),
            None => format!(
                "select concat_ws('|', {}) from {table} order by {}::text",
                cells.join(", "),
                columns.join("::text, ")
            ),
        };
        Some(texts(admin, &select).await)
    }
}

fn check(holds: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem()) }
}

/// Logins that own nothing.
struct Logins {
    stranger: String,
}

impl Logins {
    async fn create(admin: &mut PgConnection) -> Self {
        let stranger = unique("elt_it_stranger");
        run(admin, &format!("create role {stranger} login password '{stranger}'")).await;
        Self { stranger }
    }

    async fn drop(self, admin: &mut PgConnection) {
        run(admin, &format!("drop owned by {0} cascade; drop role {0}", self.stranger)).await;
    }
}

/// The target's database as the superuser.
async fn connect(loader: &Loader) -> PgConnection {
    let name = loader.databases().target.get_database().expect("a name").to_owned();
    PgConnection::connect_with(&database::server().await.database(&name)).await.expect("connected as the superuser")
}

async fn run(db: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(db).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn texts(db: &mut PgConnection, sql: &str) -> Vec<String> {
    let asked = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(db).await;
    asked.unwrap_or_else(|error| panic!("{sql}: {error}"))
}
