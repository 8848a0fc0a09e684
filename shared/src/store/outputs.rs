//! Output files: which pipeline a path belongs to, and which files its runs wrote there.

use sqlx::{FromRow, PgExecutor, PgPool};
use uuid::Uuid;

/// Files of one path that are remembered: more than one, because workers of several machines may write to disks of their
/// own under the same path, and because a run notes its file before it replaces the last one.
const FILES_PER_PATH: i64 = 32;

/// What tells a file from every other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    /// Inode.
    pub inode: i64,
    /// Bytes.
    pub size: i64,
    /// Nanoseconds since the epoch.
    pub modified_ns: i64,
    /// Hash of the content; `None`: not known.
    pub content_hash: Option<Uuid>,
}

/// The pipeline that a path belongs to.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Owner {
    /// Its name.
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

/// Gives a path to a pipeline, unless it belongs to another one than `before`. False: it does, and stays as it is.
/// The path is given in lower case and as it is.
///
/// # Errors
/// When the database fails.
pub async fn claim(
    db: &PgPool,
    (path, real_path): (&str, &str),
    pipeline: &str,
    run_id: Uuid,
    before: Option<&Owner>,
) -> sqlx::Result<bool> {
    let mut tx = db.begin().await?;
    if let Some(before) = before.filter(|before| before.pipeline != pipeline) {
        // The files of the other pipeline are forgotten with its claim.
        sqlx::query("delete from output_paths where path = $1 and pipeline = $2 and run_id = $3")
            .bind(path)
            .bind(&before.pipeline)
            .bind(before.run_id)
            .execute(&mut *tx)
            .await?;
    }
    let claimed = sqlx::query(
        "insert into output_paths (path, real_path, pipeline, run_id) values ($1, $2, $3, $4)
         on conflict (path) do update set
             real_path = excluded.real_path, run_id = excluded.run_id, claimed_at = clock_timestamp()
         where output_paths.pipeline = excluded.pipeline",
    )
    .bind(path)
    .bind(real_path)
    .bind(pipeline)
    .bind(run_id)
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
