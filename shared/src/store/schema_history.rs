//! Control databases that were made before the migrations became one file.

use sqlx::migrate::{MigrateError, Migration};
use sqlx::{Connection, PgConnection};

/// The version of the newest migration that the present first file replaces.
const NEWEST_REPLACED: i64 = 20_261_129_200_000;

/// Makes a control database that has all replaced migrations count as one that `first` made, because its tables are the
/// same. Changes nothing in any other database.
///
/// # Errors
/// [`MigrateError::Source`] for a database that has some of the replaced migrations but not the newest one.
pub(super) async fn adopt(db: &mut PgConnection, first: &Migration) -> Result<(), MigrateError> {
    let mut tx = db.begin().await?;
    if !sqlx::query_scalar::<_, bool>("select to_regclass('elt._sqlx_migrations') is not null")
        .fetch_one(&mut *tx)
        .await?
    {
        return Ok(());
    }
    // Builds from before 0.1.0 that migrate at the same time wait here.
    sqlx::query("lock table elt._sqlx_migrations in share row exclusive mode").execute(&mut *tx).await?;
    let newest: Option<i64> = sqlx::query_scalar("select max(version) from elt._sqlx_migrations where version < $1")
        .bind(first.version)
        .fetch_one(&mut *tx)
        .await?;
    match newest {
        None => Ok(()),
        Some(NEWEST_REPLACED) => {
            sqlx::query("delete from elt._sqlx_migrations where version < $1").bind(first.version).execute(&mut *tx).await?;
            sqlx::query(
                "insert into elt._sqlx_migrations (version, description, success, checksum, execution_time)
                 values ($1, $2, true, $3, 0)",
            )
            .bind(first.version)
            .bind(&*first.description)
            .bind(&*first.checksum)
            .execute(&mut *tx)
            .await?;
            Ok(tx.commit().await?)
        }
        Some(older) => Err(MigrateError::Source(
            format!(
                "the control database was made by a build from before 0.1.0 (its newest migration is {older}); run `elt \
                 migrate` of the last build before 0.1.0 first, or start with an empty database"
            )
            .into(),
        )),
    }
}
