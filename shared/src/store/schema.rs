//! The schema of the control database: which migrations it has, and whether this program works with it.

use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection, PgPool};

use super::roles::{self, Grants};
use super::schema_history;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

/// How the schema of a control database stands to this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Migrations of this program that the database lacks, the oldest first.
    pub missing: Vec<i64>,
    /// Migrations of the database that this program does not know, the oldest first.
    pub unknown: Vec<i64>,
    /// The oldest program that may use the schema. `None`: the schema says nothing about it.
    pub oldest: Option<OldestProgram>,
}

/// The oldest program that may use a schema.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow, Serialize, Deserialize)]
pub struct OldestProgram {
    /// The migration that a program must know.
    #[sqlx(rename = "oldest_migration")]
    pub migration: i64,
    /// The first release that knows it.
    #[sqlx(rename = "oldest_release")]
    pub release: String,
}

/// What follows for this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaState {
    /// Exactly the migrations of this program.
    UpToDate,
    /// Migrations are missing.
    Behind,
    /// A newer program migrated it, and this one still works with it.
    Newer,
    /// A newer program migrated it, and this one no longer works with it.
    TooNew,
    /// Another build made it: it lacks migrations of this program and has others.
    Foreign,
}

impl Schema {
    /// What follows for this program.
    pub fn state(&self) -> SchemaState {
        let is_compatible = self.oldest.as_ref().is_none_or(|oldest| MIGRATIONS.version_exists(oldest.migration));
        match (self.missing.is_empty(), self.unknown.is_empty()) {
            (true, true) => SchemaState::UpToDate,
            (false, true) => SchemaState::Behind,
            (true, false) if is_compatible => SchemaState::Newer,
            (true, false) => SchemaState::TooNew,
            (false, false) => SchemaState::Foreign,
        }
    }

    /// Compares the migrations of a database, the oldest first, with those of this program.
    pub fn compare(applied: &[i64], oldest: Option<OldestProgram>) -> Self {
        let known = || MIGRATIONS.iter().map(|migration| migration.version);
        // Older ones than the first are those that it replaces.
        let is_unknown = |version: &i64| known().next() < Some(*version) && !MIGRATIONS.version_exists(*version);
        Self {
            missing: known().filter(|version| !applied.contains(version)).collect(),
            unknown: applied.iter().copied().filter(is_unknown).collect(),
            oldest,
        }
    }

    /// Asks a control database, also before its first migration.
    ///
    /// # Errors
    /// When the database fails, or this login may not read its bookkeeping.
    pub async fn of(db: &mut PgConnection) -> sqlx::Result<Self> {
        let (applied, oldest) = Self::marks(db).await?;
        Ok(Self::compare(&applied, oldest))
    }

    /// The migrations of a control database, the oldest first, and the oldest program that may use it.
    ///
    /// # Errors
    /// When the database fails, or this login may not read its bookkeeping.
    pub async fn marks(db: &mut PgConnection) -> sqlx::Result<(Vec<i64>, Option<OldestProgram>)> {
        let (has_migrations, has_oldest): (bool, bool) = sqlx::query_as(
            "select to_regclass('elt._sqlx_migrations') is not null,
                    to_regclass('elt.schema_compatibility') is not null",
        )
        .fetch_one(&mut *db)
        .await?;
        let applied = match has_migrations {
            true => {
                sqlx::query_scalar("select version from elt._sqlx_migrations where success order by version")
                    .fetch_all(&mut *db)
                    .await?
            }
            false => Vec::new(),
        };
        let oldest = match has_oldest {
            true => {
                sqlx::query_as("select oldest_migration, oldest_release from elt.schema_compatibility")
                    .fetch_optional(db)
                    .await?
            }
            false => None,
        };
        Ok((applied, oldest))
    }
}

/// The major version of a server.
///
/// # Errors
/// When the database fails.
pub async fn server_major(db: &mut PgConnection) -> sqlx::Result<u32> {
    let number: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int").fetch_one(db).await?;
    Ok((number / 10_000).unsigned_abs())
}

/// Whether a database has no tables, views and sequences, and no schema of elt's.
///
/// # Errors
/// When the database fails.
pub async fn is_empty(db: &PgPool) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "select not exists (select from pg_class join pg_namespace on pg_namespace.oid = relnamespace
                            where relkind in ('r', 'p', 'v', 'm', 'S') and nspname !~ '^pg_'
                              and nspname <> 'information_schema')
                and to_regnamespace('elt') is null and to_regnamespace('apalis') is null",
    )
    .fetch_one(db)
    .await
}

/// What a migration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrated {
    /// The schema is now exactly the one of this program.
    UpToDate(Grants),
    /// The schema is newer, and this program works with it. Nothing was changed.
    Newer,
}

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// This program cannot bring the schema up to date. Nothing was changed.
    #[error("this program cannot work with the schema of the control database")]
    Unusable(Schema),
    /// The database could not be asked.
    #[error("could not look at the schema of the control database")]
    Look(#[source] sqlx::Error),
    /// A migration failed.
    #[error(transparent)]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The roles could not be given their rights.
    #[error("could not give the roles of the control database their rights")]
    Grants(#[source] sqlx::Error),
}

/// Brings the queue's tables and ours up to date, and gives the roles their rights. Leaves a schema alone that a newer
/// program migrated. Safe to run from many processes of different releases at once.
///
/// # Errors
/// When this program cannot work with the schema, or a migration fails.
pub async fn migrate(db: &PgPool) -> Result<Migrated, MigrateError> {
    // Taken out of the pool, so that the lock ends with this connection however the migration ends.
    let mut connection = db.acquire().await.map_err(MigrateError::Look)?.detach();
    // From the look at the schema to the grants one process works at a time. Otherwise an older program could take back
    // the rights that a newer one has given meanwhile.
    sqlx::query("select pg_advisory_lock(hashtextextended('elt.migrate', 0))")
        .execute(&mut connection)
        .await
        .map_err(MigrateError::Look)?;
    let schema = Schema::of(&mut connection).await.map_err(MigrateError::Look)?;
    let migrated = match schema.state() {
        SchemaState::Newer => Migrated::Newer,
        SchemaState::TooNew | SchemaState::Foreign => return Err(MigrateError::Unusable(schema)),
        SchemaState::UpToDate | SchemaState::Behind => {
            crate::queue::migrate(&mut connection).await?;
            if let Some(first) = MIGRATIONS.iter().next() {
                schema_history::adopt(&mut connection, first).await?;
            }
            MIGRATIONS.run(&mut connection).await?;
            Migrated::UpToDate(roles::grant(&mut connection).await.map_err(MigrateError::Grants)?)
        }
    };
    connection.close().await.map_err(MigrateError::Look)?;
    Ok(migrated)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(missing: &[i64], unknown: &[i64], oldest: Option<i64>) -> Schema {
        let oldest = oldest.map(|migration| OldestProgram { migration, release: "0.9.0".into() });
        Schema { missing: missing.into(), unknown: unknown.into(), oldest }
    }

    #[test]
    fn a_newer_schema_is_usable_by_the_programs_that_know_the_migration_it_names() {
        let known = MIGRATIONS.iter().map(|migration| migration.version).max();
        assert_eq!(schema(&[], &[], known).state(), SchemaState::UpToDate);
        assert_eq!(schema(&[1], &[], None).state(), SchemaState::Behind);
        assert_eq!(schema(&[], &[99_990_101_000_000], known).state(), SchemaState::Newer);
        assert_eq!(schema(&[], &[99_990_101_000_000], None).state(), SchemaState::Newer);
        let unknown = Some(99_990_101_000_000);
        assert_eq!(schema(&[], &[99_990_101_000_000], unknown).state(), SchemaState::TooNew);
        assert_eq!(schema(&[1], &[99_990_101_000_000], known).state(), SchemaState::Foreign);
    }
}
