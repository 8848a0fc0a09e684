//! Output files: which pipeline a path belongs to, and which files its runs wrote there.

use sqlx::{FromRow, PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

/// Files of one path that are remembered: more than one, because workers of several machines may write to disks of their
/// own under the same path, and because a run notes its file before it replaces the last one.
const FILES_PER_PATH: i64 = 32;

/// What tells a file from every other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    /// Number of the file in its file system, by which a file that was replaced is noticed.
    pub inode: i64,
    /// Size of the file in bytes.
    pub size: i64,
    /// Nanoseconds since the epoch.
    pub modified_ns: i64,
    /// Hash of the content; `None`: not known.
    pub content_hash: Option<Uuid>,
}

/// The pipeline that a path belongs to.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Owner {
    /// Name of the pipeline that owns the file.
    pub pipeline: String,
    /// The path in the case in which that pipeline writes it.
    pub real_path: String,
    /// The last run that was going to write there.
    pub run_id: Uuid,
    /// Whether that run may still write there.
    pub is_running: bool,
}

/// The pipeline that a path belongs to. `None`: no pipeline has written there.
pub async fn owner(db: impl PgExecutor<'_>, path: &str) -> sqlx::Result<Option<Owner>> {
    sqlx::query_as(
        "select pipeline, real_path, run_id, exists (
             select from runs where runs.id = output_paths.run_id and state in ('waiting', 'queued', 'running')
         ) as is_running
         from output_paths where path = $1",
    )
    .bind(path)
    .fetch_optional(db)
    .await
}

/// A path that a run is going to write to.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The path in lower case.
    pub path: &'a str,
    /// The path as it is.
    pub real_path: &'a str,
    /// The run's pipeline.
    pub pipeline: &'a str,
    /// Id of the run that wrote the file.
    pub run_id: Uuid,
    /// The config version that alone writes there. `None`: the config names the path, so all of its versions do.
    pub config_id: Option<i64>,
}

/// Gives a path to a pipeline, unless it belongs to another one than `before`. False: it does, and stays as it is.
///
/// # Errors
/// When the database fails.
pub async fn claim(db: &PgPool, claim: Claim<'_>, before: Option<&Owner>) -> sqlx::Result<bool> {
    let mut tx = db.begin().await?;
    if let Some(before) = before.filter(|before| before.pipeline != claim.pipeline) {
        // The files of the other pipeline are forgotten with its claim.
        sqlx::query("delete from output_paths where path = $1 and pipeline = $2 and run_id = $3")
            .bind(claim.path)
            .bind(&before.pipeline)
            .bind(before.run_id)
            .execute(&mut *tx)
            .await?;
    }
    let claimed = sqlx::query(
        "insert into output_paths (path, real_path, pipeline, run_id, config_id) values ($1, $2, $3, $4, $5)
         on conflict (path) do update set real_path = excluded.real_path, run_id = excluded.run_id,
             config_id = excluded.config_id, claimed_at = clock_timestamp()
         where output_paths.pipeline = excluded.pipeline",
    )
    .bind(claim.path)
    .bind(claim.real_path)
    .bind(claim.pipeline)
    .bind(claim.run_id)
    .bind(claim.config_id)
    .execute(&mut *tx)
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok(claimed == 1)
}

/// The pipeline whose run wrote a file, under whatever path. `None`: no run did.
///
/// A file counts as the one that was written when inode, size and time are the same, or when it is at the same path and
/// size and content are the same, because then nothing is lost: it was restored from a backup.
pub async fn writer(db: impl PgExecutor<'_>, path: &str, file: &FileIdentity) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar(
        "select pipeline from output_files join output_paths using (path)
         where inode = $2 and size = $3 and modified_ns = $4
            or path = $1 and size = $3 and content_hash = $5
         order by path = $1 desc limit 1",
    )
    .bind(path)
    .bind(file.inode)
    .bind(file.size)
    .bind(file.modified_ns)
    .bind(file.content_hash)
    .fetch_optional(db)
    .await
}

/// Sizes of the files whose content is known that runs wrote to a path.
pub async fn known_sizes(db: impl PgExecutor<'_>, path: &str) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar("select distinct size from output_files where path = $1 and content_hash is not null")
        .bind(path)
        .fetch_all(db)
        .await
}

/// Whether any file is remembered that a run wrote to a path.
pub async fn has_files(db: impl PgExecutor<'_>, path: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from output_files where path = $1)").bind(path).fetch_one(db).await
}

/// Notes the file that a run is about to put at a path that its pipeline has claimed. False: the path belongs to another
/// pipeline by now.
///
/// # Errors
/// When the database fails.
pub async fn note(db: &PgPool, path: &str, pipeline: &str, run_id: Uuid, file: &FileIdentity) -> sqlx::Result<bool> {
    let mut tx = db.begin().await?;
    let noted = sqlx::query(
        "insert into output_files (path, inode, size, modified_ns, content_hash, run_id)
         select path, $3, $4, $5, $6, $7 from output_paths where path = $1 and pipeline = $2 for share
         on conflict (path, inode) do update set
             size = excluded.size, modified_ns = excluded.modified_ns, content_hash = excluded.content_hash,
             run_id = excluded.run_id, written_at = clock_timestamp()",
    )
    .bind(path)
    .bind(pipeline)
    .bind(file.inode)
    .bind(file.size)
    .bind(file.modified_ns)
    .bind(file.content_hash)
    .bind(run_id)
    .execute(&mut *tx)
    .await?
    .rows_affected();
    sqlx::query(
        "delete from output_files where path = $1 and inode not in (
             select inode from output_files where path = $1 order by written_at desc limit $2)",
    )
    .bind(path)
    .bind(FILES_PER_PATH)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(noted == 1)
}

/// A path that only earlier config versions wrote to.
#[derive(Debug, Clone, FromRow)]
pub struct Superseded {
    /// The path in lower case.
    pub path: String,
    /// The path as it is.
    pub real_path: String,
    /// The pipeline that it belongs to.
    pub pipeline: String,
}

/// Which paths are superseded: of each pipeline's paths that belong to one config version each, all but the `newest` that
/// were written last. Paths whose run goes on, or whose config version is the newest or has a live schedule, are not.
const SUPERSEDED: &str = "
    select p.path, p.real_path, p.pipeline
    from (select *, row_number() over (partition by pipeline order by claimed_at desc) as place
          from output_paths where config_id is not null) p
    where p.place > $1
      and not exists (select from runs where runs.id = p.run_id and state in ('queued', 'running'))
      and not exists (select from schedules s where s.config_id = p.config_id and s.state in ('waiting', 'active', 'stopping'))
      and exists (select from config_history c where c.name = p.pipeline and c.id > p.config_id)";

/// Paths in a folder that only earlier config versions wrote to, beyond the `newest` of each pipeline.
pub async fn superseded(db: impl PgExecutor<'_>, folder: &str, newest: u32) -> sqlx::Result<Vec<Superseded>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select * from ({SUPERSEDED}) superseded where starts_with(real_path, $2 || '/') order by path"
    )))
    .bind(i64::from(newest))
    .bind(folder)
    .fetch_all(db)
    .await
}

/// Locks a superseded path until the transaction ends, so that no run claims it meanwhile. False: it is not superseded any
/// more.
pub async fn lock_superseded(tx: &mut PgConnection, path: &str, newest: u32) -> sqlx::Result<bool> {
    sqlx::query("select from output_paths where path = $1 for update").bind(path).execute(&mut *tx).await?;
    let still = format!("select exists (select from ({SUPERSEDED}) superseded where path = $2)");
    sqlx::query_scalar(sqlx::AssertSqlSafe(still)).bind(i64::from(newest)).bind(path).fetch_one(tx).await
}

/// Forgets a file that was deleted, and its path when no other file of that path is known. False: the file is not one that
/// a run wrote there, and must not be deleted.
pub async fn forget(tx: &mut PgConnection, path: &str, file: &FileIdentity) -> sqlx::Result<bool> {
    let forgotten =
        sqlx::query("delete from output_files where path = $1 and inode = $2 and size = $3 and modified_ns = $4")
            .bind(path)
            .bind(file.inode)
            .bind(file.size)
            .bind(file.modified_ns)
            .execute(&mut *tx)
            .await?;
    sqlx::query("delete from output_paths where path = $1 and not exists (select from output_files where path = $1)")
        .bind(path)
        .execute(tx)
        .await?;
    Ok(forgotten.rows_affected() == 1)
}
