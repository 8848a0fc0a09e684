//! Control databases that were made before the migrations became one file.

use elt_shared::store::{self, Limits, Schema};
use sqlx::PgPool;

use crate::support::database::Databases;

/// Replaces the first migration in the bookkeeping by an older one.
async fn pretend_made_by(db: &PgPool, version: i64) {
    sqlx::query(
        "with first as (delete from elt._sqlx_migrations where version = (select min(version) from elt._sqlx_migrations))
         insert into elt._sqlx_migrations (version, description, success, checksum, execution_time)
         select v, 'older', true, '\\x00', 0 from unnest(array[20261125000000, $1]) v",
    )
    .bind(version)
    .execute(db)
    .await
    .expect("replaced");
}

async fn missing_migrations(db: &PgPool) -> usize {
    let mut connection = db.acquire().await.expect("a connection");
    Schema::of(&mut connection).await.expect("the schema").missing.len()
}

#[tokio::test]
async fn a_database_with_all_the_replaced_migrations_is_up_to_date_after_one_migrate() {
    let databases = Databases::create().await;
    let db = store::connect(databases.control.clone(), 2, Limits::MIGRATIONS).await.expect("connected");
    sqlx::query("insert into elt.login_failures (username, ip) values ('ada', '::1')")
        .execute(&db)
        .await
        .expect("a row");
    pretend_made_by(&db, 20261129200000).await;
    assert_eq!(missing_migrations(&db).await, 1);

    let (one, other) = tokio::join!(store::migrate(&db), store::migrate(&db));
    one.expect("migrated");
    other.expect("migrated at the same time");
    assert_eq!(missing_migrations(&db).await, 0);
    let old: i64 = sqlx::query_scalar("select count(*) from elt._sqlx_migrations where description = 'older'")
        .fetch_one(&db)
        .await
        .expect("counted");
    assert_eq!(old, 0);
    let kept: i64 =
        sqlx::query_scalar("select count(*) from elt.login_failures").fetch_one(&db).await.expect("counted");
    assert_eq!(kept, 1, "the rows stay");
}

#[tokio::test]
async fn a_database_that_lacks_one_of_the_replaced_migrations_is_refused_unchanged() {
    let databases = Databases::create().await;
    let db = store::connect(databases.control.clone(), 2, Limits::MIGRATIONS).await.expect("connected");
    pretend_made_by(&db, 20261129190000).await;
    let refused = store::migrate(&db).await.expect_err("refused").to_string();
    assert!(refused.contains("20261129190000") && refused.contains("last build before 0.1.0"), "{refused}");
    let old: i64 = sqlx::query_scalar("select count(*) from elt._sqlx_migrations where description = 'older'")
        .fetch_one(&db)
        .await
        .expect("counted");
    assert_eq!(old, 2);
}
