//! Config versions: every YAML that was ever uploaded, once. The text is sealed; people see it masked.

mod batches;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use super::{sealed_tables, secret_keys};
use crate::config::{InboxRules, StartRules, content_key};
use crate::notifications::NotifyConfig;
use crate::secret::{KeyRing, OpenError, Sealed, Secret};

pub(super) use batches::hash_again;
pub use batches::{count_in_clear, seal_batch};

/// One version of a config.
#[derive(Debug, Clone, FromRow)]
pub struct ConfigVersion {
    /// Id of the row in `config_history`.
    pub id: i64,
    /// 1, 2, 3 … over all configs, without gaps.
    pub version: i32,
    /// When it was kept.
    pub timestamp: DateTime<Utc>,
    /// Pipeline name.
    pub name: String,
    /// The first 100 characters, secrets masked.
    pub yaml_preview: String,
    /// Whether a run can be made of it.
    pub runnable: bool,
    /// Why not: a list of config problems.
    pub problems: Value,
    /// What to look at: a list of warnings.
    pub warnings: Value,
    /// Username.
    pub created_by: String,
    /// Whether an admin has uploaded exactly this text.
    by_admin: bool,
    key_id: Option<String>,
    yaml_masked: Option<String>,
    yaml_sealed: Option<Vec<u8>>,
    /// The text of a row that an earlier release wrote and that is not sealed yet.
    yaml_content: Option<String>,
}

impl ConfigVersion {
    /// The text exactly as uploaded.
    ///
    /// # Errors
    /// When it was sealed with a key that is not in the ring, or is not what was sealed.
    pub fn open(&self, keys: &KeyRing) -> Result<Secret, OpenError> {
        match (&self.yaml_sealed, &self.key_id, &self.yaml_content) {
            (Some(bytes), Some(key_id), _) => {
                let sealed = Sealed { key_id: key_id.clone(), bytes: bytes.clone() };
                let text = keys.open(&sealed_tables::CONFIGS.context(&self.version.to_string()), &sealed)?;
                let text = String::from_utf8(text).map_err(|_| OpenError::Damaged { key_id: key_id.clone() })?;
                Ok(text.into())
            }
            (_, _, Some(text)) => Ok(Secret::new(text)),
            _ => Err(OpenError::Damaged { key_id: "none".into() }),
        }
    }

    /// The whole text, every secret `***`. `None`: an earlier release wrote it, and it is not sealed yet.
    pub fn masked(&self) -> Option<&str> {
        self.yaml_masked.as_deref()
    }

    /// Whose secrets the text reaches.
    pub fn author(&self) -> ConfigAuthor {
        ConfigAuthor::of(self.by_admin)
    }

    /// Whether the texts of two versions differ, line endings and outer white space aside.
    ///
    /// # Errors
    /// When one of the texts does not open.
    pub fn differs_from(&self, other: &Self, keys: &KeyRing) -> Result<bool, OpenError> {
        if self.id == other.id {
            return Ok(false);
        }
        // The stored hashes cannot tell, because a text that was kept under two keys has a hash of each, also after both
        // versions were sealed again with one key.
        let normal = |text: Secret| content_key(b"", text.expose());
        Ok(normal(self.open(keys)?) != normal(other.open(keys)?))
    }
}

/// Who vouches for a text. It decides which secrets the text reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigAuthor {
    /// An admin has uploaded exactly this text.
    Admin,
    /// Only users, or API tokens without the scope `admin`, have uploaded it.
    User,
}

impl ConfigAuthor {
    /// By whether an admin has uploaded it.
    pub fn of(is_admin: bool) -> Self {
        if is_admin { Self::Admin } else { Self::User }
    }
}

/// What a text is kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be run, now or later.
    Use,
    /// To be planned, tested or previewed.
    Trial,
}

/// SQL condition: the version `v` decides about shares and inboxes. An admin has uploaded it; or an admin was the first to send it,
/// only to try it, and it has a run or a schedule since.
pub(super) fn decides(v: &str) -> String {
    format!(
        "{v}.by_admin and ({v}.only_tried is null or {v}.only_tried = 'draft'
             and (exists (select from runs r where r.config_id = {v}.id and r.kind = 'run')
                  or exists (select from schedules s where s.config_id = {v}.id)))"
    )
}

/// SQL condition for a version `v` that is known to have a run of kind `run`: it decides about shares and inboxes. It equals
/// [`decides`] without the search for a run or schedule.
pub(super) fn decides_once_run(v: &str) -> String {
    format!("{v}.by_admin and {v}.only_tried is distinct from 'of_user'")
}

/// What is kept of an uploaded text. Made by the config module's `Document`.
#[derive(Debug, Clone)]
pub struct NewConfig<'a> {
    /// Pipeline name.
    pub name: &'a str,
    /// The text exactly as uploaded: stored sealed.
    pub yaml: &'a Secret,
    /// The whole text, every secret `***`.
    pub yaml_masked: &'a str,
    /// The first 100 characters, masked.
    pub yaml_preview: &'a str,
    /// Whether a run can be made of it.
    pub runnable: bool,
    /// Why the version cannot run, as a JSON list; empty when it can.
    pub problems: Value,
    /// Warnings about the text, as a JSON list.
    pub warnings: Value,
    /// Username.
    pub created_by: &'a str,
    /// Who vouches for the text.
    pub author: ConfigAuthor,
    /// What it is kept for.
    pub purpose: Purpose,
    /// The secrets that the text refers to.
    pub secret_names: Vec<String>,
    /// When its runs may start, and before which others.
    pub start_rules: StartRules,
    /// Receivers of messages, and the events that send them.
    pub notify: &'a NotifyConfig,
    /// Who may upload which files to it. `None`: it does not read an inbox.
    pub inbox: Option<InboxRules>,
}

const COLUMNS: &str = r#"id, version, "timestamp", name, yaml_preview, runnable, problems, warnings, created_by, by_admin,
                         key_id, yaml_masked, yaml_sealed, yaml_content"#;

/// Keeps a text as the next version, or finds the version it already is. The bool says whether it is new.
///
/// Takes a lock until the caller's transaction ends, so that fifty uploads at once get versions without gap or repeat.
pub async fn keep(tx: &mut PgConnection, keys: &KeyRing, new: NewConfig<'_>) -> sqlx::Result<(ConfigVersion, bool)> {
    let hashes = content_keys(keys, new.yaml);
    lock(&mut *tx).await?;
    let is_by_admin = new.author == ConfigAuthor::Admin;
    if let Some(known) = find_by_content(&mut *tx, &hashes).await? {
        let by_admin = known.by_admin || is_by_admin;
        vouch(&mut *tx, known.id, &new).await?;
        return Ok((ConfigVersion { by_admin, ..known }, false));
    }
    let version: i32 =
        sqlx::query_scalar("select coalesce(max(version), 0) + 1 from config_history").fetch_one(&mut *tx).await?;
    let key = secret_keys::register(&mut *tx, keys).await?;
    let sealed = key.seal(&sealed_tables::CONFIGS.context(&version.to_string()), new.yaml.expose().as_bytes());
    let kept = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "insert into config_history (version, name, content_key, key_id, yaml_sealed, yaml_masked, yaml_preview,
                                     runnable, problems, warnings, created_by, by_admin, secret_names,
                                     concurrency, priority, notify, inbox, only_tried)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
         returning {COLUMNS}"
    )))
    .bind(version)
    .bind(new.name)
    .bind(content_key_of(&hashes, &sealed, keys, new.yaml))
    .bind(sealed.key_id)
    .bind(sealed.bytes)
    .bind(new.yaml_masked)
    .bind(new.yaml_preview)
    .bind(new.runnable)
    .bind(new.problems)
    .bind(new.warnings)
    .bind(new.created_by)
    .bind(is_by_admin)
    .bind(new.secret_names)
    .bind(new.start_rules.concurrency.map(i32::from))
    .bind(new.start_rules.priority)
    .bind(Json(new.notify))
    .bind(new.inbox.map(Json))
    .bind((is_by_admin && new.purpose == Purpose::Trial).then_some("draft"))
    .fetch_one(tx)
    .await?;
    Ok((kept, true))
}

/// Notes who vouches for a version that was uploaded again, and the secrets that its text refers to, which earlier releases
/// did not note.
async fn vouch(tx: &mut PgConnection, id: i64, new: &NewConfig<'_>) -> sqlx::Result<()> {
    let is_by_admin = new.author == ConfigAuthor::Admin;
    // A trial changes nothing about a version that an admin had sent before.
    sqlx::query(
        "with sent as (select id, by_admin or $2 as by_admin,
                              case when not $2 then only_tried when not $3 then null
                                   when by_admin then only_tried else 'of_user' end as only_tried
                       from config_history where id = $1)
         update config_history c set by_admin = sent.by_admin, only_tried = sent.only_tried, secret_names = $4
         from sent where c.id = sent.id
           and (c.by_admin, c.only_tried, c.secret_names) is distinct from (sent.by_admin, sent.only_tried, $4)",
    )
    .bind(id)
    .bind(is_by_admin)
    .bind(new.purpose == Purpose::Trial)
    .bind(&new.secret_names)
    .execute(tx)
    .await?;
    Ok(())
}

/// Who vouches for a version now. `None`: the version is gone.
pub async fn author(db: impl PgExecutor<'_>, id: i64) -> sqlx::Result<Option<ConfigAuthor>> {
    let by_admin = sqlx::query_scalar("select by_admin from config_history where id = $1").bind(id).fetch_optional(db);
    Ok(by_admin.await?.map(ConfigAuthor::of))
}

/// Waits until no other transaction adds a version or changes how texts are recognised, and keeps others from it until
/// this one ends.
pub(super) async fn lock(tx: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt.config_history', 0))").execute(tx).await?;
    Ok(())
}

/// The hashes that recognise a text, by the id of their key: a text may have been kept when an older key was current.
fn content_keys(keys: &KeyRing, text: &Secret) -> Vec<(String, [u8; 32])> {
    keys.with_each(|key| content_key(key, text.expose()))
}

/// The hash by the key that also sealed the text.
fn content_key_of(hashes: &[(String, [u8; 32])], sealed: &Sealed, keys: &KeyRing, text: &Secret) -> Option<Vec<u8>> {
    let by_key = |hashes: &[(String, [u8; 32])]| {
        hashes.iter().find(|(key_id, _)| *key_id == sealed.key_id).map(|(_, hash)| hash.to_vec())
    };
    // The keys may have changed since the hashes were made.
    by_key(hashes).or_else(|| by_key(&content_keys(keys, text)))
}

/// The version of this text, whichever key of the ring it was kept under.
pub async fn find_by_text(
    db: impl PgExecutor<'_>,
    keys: &KeyRing,
    text: &Secret,
) -> sqlx::Result<Option<ConfigVersion>> {
    find_by_content(db, &content_keys(keys, text)).await
}

async fn find_by_content(
    db: impl PgExecutor<'_>,
    hashes: &[(String, [u8; 32])],
) -> sqlx::Result<Option<ConfigVersion>> {
    let hashes: Vec<&[u8]> = hashes.iter().map(|(_, hash)| &hash[..]).collect();
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from config_history where content_key = any($1) order by version limit 1"
    )))
    .bind(hashes)
    .fetch_optional(db)
    .await
}

/// One version by its row id.
pub async fn find(db: impl PgExecutor<'_>, id: i64) -> sqlx::Result<Option<ConfigVersion>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from config_history where id = $1")))
        .bind(id)
        .fetch_optional(db)
        .await
}

/// The newest version of a pipeline. `None`: there is no pipeline of this name.
pub async fn newest(db: impl PgExecutor<'_>, name: &str) -> sqlx::Result<Option<ConfigVersion>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from config_history where name = $1 order by version desc limit 1"
    )))
    .bind(name)
    .fetch_optional(db)
    .await
}

/// The newest version of a pipeline that an admin has uploaded. `None`: no admin has uploaded one, or there is no pipeline of this name.
pub async fn newest_by_admin(db: impl PgExecutor<'_>, name: &str) -> sqlx::Result<Option<ConfigVersion>> {
    let decides = decides("v");
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from config_history v where name = $1 and {decides} order by version desc limit 1"
    )))
    .bind(name)
    .fetch_optional(db)
    .await
}

/// The version that decides which table of a pipeline a user reads: the newest that an admin has uploaded. `None`: the
/// pipeline is not shared with the user, or there is no such version.
pub async fn shared_with(db: impl PgExecutor<'_>, user: Uuid, name: &str) -> sqlx::Result<Option<ConfigVersion>> {
    let decides = decides("v");
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from config_history v
         where name = $2 and {decides} and exists (select from shares where user_id = $1 and pipeline = $2)
         order by version desc limit 1"
    )))
    .bind(user)
    .bind(name)
    .fetch_optional(db)
    .await
}

/// Versions that contain `search` in their name, their preview, their author's name or as their number, newest first.
///
/// Upper and lower case are the same. `names` keeps only versions of these pipelines.
pub async fn search(
    db: impl PgExecutor<'_>,
    search: &str,
    names: Option<&[String]>,
    before: Option<i32>,
    limit: i64,
) -> sqlx::Result<Vec<ConfigVersion>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from config_history
         where ($2::integer is null or version < $2)
           and (strpos(lower(name), lower($1)) > 0 or strpos(lower(yaml_preview), lower($1)) > 0
                or strpos(lower(created_by), lower($1)) > 0 or version::text = ltrim(lower($1), 'v'))
           and ($4::text[] is null or name = any($4))
         order by version desc limit $3"
    )))
    .bind(search)
    .bind(before)
    .bind(limit)
    .bind(names)
    .fetch_all(db)
    .await
}

/// A version as the history shows it, without its text: versions may be many, and a text 256 KiB.
#[derive(Debug, Clone, FromRow)]
pub struct HistoryRow {
    /// Id of the row in `config_history`.
    pub id: i64,
    /// 1, 2, 3 … over all configs, without gaps.
    pub version: i32,
    /// When it was kept.
    pub timestamp: DateTime<Utc>,
    /// The first 100 characters, secrets masked.
    pub yaml_preview: String,
}

/// Versions for the history, newest first, those before `before` when given.
pub async fn history(db: impl PgExecutor<'_>, before: Option<i32>, limit: i64) -> sqlx::Result<Vec<HistoryRow>> {
    sqlx::query_as(
        r#"select id, version, "timestamp", yaml_preview from config_history
           where $1::integer is null or version < $1 order by version desc limit $2"#,
    )
    .bind(before)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Versions, newest first, those before `before` when given. `names` keeps only versions of these pipelines.
pub async fn list(
    db: impl PgExecutor<'_>,
    names: Option<&[String]>,
    before: Option<i32>,
    limit: i64,
) -> sqlx::Result<Vec<ConfigVersion>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from config_history
         where ($1::integer is null or version < $1) and ($3::text[] is null or name = any($3))
         order by version desc limit $2"
    )))
    .bind(before)
    .bind(limit)
    .bind(names)
    .fetch_all(db)
    .await
}
