//! Transform: the SQL models of the config are created anew after a load, in the order in which the config lists them, in
//! one transaction of their own. When one fails, the loaded rows and all old models stay as they are.

use elt_shared::config::{Materialized, Transform};
use elt_shared::explained::{Code, Explained};
use elt_shared::target::{TableRef, quote_ident};
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::failure::Failing;
use super::marker;
use super::session::Session;
use crate::error::{PipelineError, Result, may_pass};

/// Comment of the views and tables that elt created as models and may replace.
const MODEL_COMMENT: &str = "elt model";

/// Creates every model. The SQL of a model may use `current_setting('elt.run_id')`. Returns a text for each, such as
/// `totals (view)`.
///
/// # Errors
/// A model that fails, by name and position; a table or view of its name that elt did not create.
pub async fn run(session: &mut Session, models: &[Transform]) -> Result<Vec<String>> {
    if models.is_empty() {
        return Ok(Vec::new());
    }
    let table = session.table.clone();
    let fail = Failing::at(&table, "make the models");
    let mut tx = session.connection.begin().await.map_err(|error| fail.because(error))?;
    marker::lock(&mut tx, &table).await.map_err(|error| fail.because(error))?;
    sqlx::query("select set_config('elt.run_id', $1, true), set_config('search_path', $2, true)")
        .bind(session.attempt.run_id.to_string())
        .bind(format!("{}, public", quote_ident(&table.schema)))
        .execute(&mut *tx)
        .await
        .map_err(|error| fail.because(error))?;
    // A model may read the ones before it, so the old ones go in reverse order before any new one is made.
    for model in models.iter().rev() {
        drop_old(&mut tx, &table.sibling(&model.name)).await?;
    }
    let mut made = Vec::new();
    for (index, model) in models.iter().enumerate() {
        let made_model = make(&mut tx, &table.sibling(&model.name), model).await;
        made_model.map_err(|error| explained(&table, index, model, error))?;
        made.push(format!("{} ({})", model.name, kind(model.materialized)));
    }
    tx.commit().await.map_err(|error| fail.because(error))?;
    Ok(made)
}

async fn make(tx: &mut PgConnection, name: &TableRef, model: &Transform) -> sqlx::Result<()> {
    execute(tx, format!("{}{}", prefix(name, model.materialized), model.sql)).await?;
    execute(tx, format!("comment on {} {} is '{MODEL_COMMENT}'", kind(model.materialized), name.sql())).await
}

fn prefix(name: &TableRef, materialized: Materialized) -> String {
    format!("create {} {} as ", kind(materialized), name.sql())
}

fn kind(materialized: Materialized) -> &'static str {
    match materialized {
        Materialized::View => "view",
        Materialized::Table => "table",
    }
}

/// Drops a model of an earlier run. A table or view that elt did not create stays, and is an error.
async fn drop_old(tx: &mut PgConnection, name: &TableRef) -> Result<()> {
    let fail = Failing::at(name, "drop the old model");
    let found: Option<(String, Option<String>)> = sqlx::query_as(
        "select relkind::text, obj_description(oid, 'pg_class') from pg_class where oid = to_regclass($1)",
    )
    .bind(name.sql())
    .fetch_optional(&mut *tx)
    .await
    .map_err(|error| fail.because(error))?;
    let kind = match found {
        None => return Ok(()),
        Some((kind, Some(comment))) if comment == MODEL_COMMENT => {
            if kind == "v" {
                "view"
            } else {
                "table"
            }
        }
        Some(_) => {
            return Err(PipelineError::Target(Explained {
                code: Code::TransformInTheWay,
                message: format!("the model {name} is not made: a table or view of this name was not made by elt"),
                next_step: "Give the model another name, or rename what is there.".into(),
            }));
        }
    };
    execute(tx, format!("drop {kind} {}", name.sql())).await.map_err(|error| fail.because(error))
}

/// Executes one statement. It is prepared, because the server refuses to prepare more than one.
async fn execute(tx: &mut PgConnection, sql: String) -> sqlx::Result<()> {
    sqlx::query(AssertSqlSafe(sql)).execute(tx).await?;
    Ok(())
}

fn explained(table: &TableRef, index: usize, model: &Transform, error: sqlx::Error) -> PipelineError {
    let database = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    let Some(database) = database.filter(|_| !may_pass(&error)) else {
        return Failing::at(table, "make the models").because(error);
    };
    let before = prefix(&table.sibling(&model.name), model.materialized).chars().count();
    let place = match database.position() {
        Some(PgErrorPosition::Original(at)) if at > before => format!(" at character {} of its sql", at - before),
        _ => String::new(),
    };
    // Names in the model's sql are in messages of class 42 (syntax and names). Those of other classes can quote a value.
    let reason = if database.code().starts_with("42") {
        database.message().to_owned()
    } else {
        Failing::at(table, "make the models").sentence(database)
    };
    PipelineError::Target(Explained {
        code: Code::TransformFailed,
        message: format!("transform[{index}] {} failed{place}: {reason}", model.name),
        next_step: "The rows are loaded and the old models are as they were. Correct the model's sql, then run again."
            .into(),
    })
}
