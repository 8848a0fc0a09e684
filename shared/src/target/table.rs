//! Where a table is, what it is, and its columns.

use sqlx::{FromRow, PgConnection};

use super::{TargetError, quote_ident};
use crate::config::TableName;

/// A table's full name: its schema is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableRef {
    /// Name of the schema, unquoted.
    pub schema: String,
    /// Name of the table, unquoted.
    pub table: String,
}

impl TableRef {
    /// Finds where a table is, or where it would be made: in the schema named, else in the first schema of the
    /// search path that has it, else in the first schema of the search path.
    ///
    /// # Errors
    /// [`TargetError::ControlDatabase`] in a control database, whatever the schema; [`TargetError::Reserved`] for
    /// PostgreSQL's own schemas; database failures.
    pub async fn find(connection: &mut PgConnection, name: &TableName) -> Result<Self, TargetError> {
        refuse_control_database(connection).await?;
        let schema = match &name.schema {
            Some(schema) => schema.clone(),
            None => sqlx::query_scalar(
                "select coalesce(
                     (select n.nspname::text
                      from unnest(current_schemas(false)) with ordinality as path(name, place)
                      join pg_namespace n on n.nspname = path.name
                      join pg_class c on c.relnamespace = n.oid and c.relname = $1 and c.relkind in ('r','p','v','m','f')
                      order by path.place limit 1),
                     current_schema()::text,
                     'public')",
            )
            .bind(&name.table)
            .fetch_one(&mut *connection)
            .await?,
        };
        let found = Self { schema, table: name.table.clone() };
        found.refuse_reserved()?;
        Ok(found)
    }

    fn refuse_reserved(&self) -> Result<(), TargetError> {
        match self.schema == "information_schema" || self.schema.starts_with("pg_") {
            true => Err(TargetError::Reserved { schema: self.schema.clone() }),
            false => Ok(()),
        }
    }

    /// The name as SQL: both parts quoted.
    pub fn sql(&self) -> String {
        format!("{}.{}", quote_ident(&self.schema), quote_ident(&self.table))
    }

    /// Another table in the same schema.
    pub fn sibling(&self, table: &str) -> Self {
        Self { schema: self.schema.clone(), table: table.to_owned() }
    }

    /// What is there under this name. `None`: nothing.
    ///
    /// # Errors
    /// Database failures.
    pub async fn existing(&self, connection: &mut PgConnection) -> sqlx::Result<Option<Existing>> {
        let Some((oid, kind, owned, rows)) = sqlx::query_as::<_, (i64, String, bool, f32)>(
            "select c.oid::bigint, c.relkind::text, pg_has_role(current_user, c.relowner, 'usage'), c.reltuples
             from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where n.nspname = $1 and c.relname = $2 and c.relkind in ('r','p','v','m','f')",
        )
        .bind(&self.schema)
        .bind(&self.table)
        .fetch_optional(&mut *connection)
        .await?
        else {
            return Ok(None);
        };
        let columns = sqlx::query_as(
            "select a.attname::text as name, format_type(a.atttypid, a.atttypmod) as sql_type, a.attnotnull as not_null,
                    a.atthasdef and a.attgenerated = '' as has_default, a.attidentity::text as identity,
                    a.attgenerated <> '' as generated
             from pg_attribute a
             where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped
             order by a.attnum",
        )
        .bind(oid)
        .fetch_all(connection)
        .await?;
        Ok(Some(Existing { oid, kind: TableKind::from_relkind(&kind), owned, estimated_rows: rows, columns }))
    }
}

/// Refuses a connection that leads to a control database of elt.
///
/// The tables of elt in the catalog decide. An address would not do, because one server has many: names, addresses,
/// logins, forwarded ports. The catalog can be read by every login, and it also tells a control database of another
/// installation, a standby and a restored copy.
async fn refuse_control_database(connection: &mut PgConnection) -> Result<(), TargetError> {
    let is_control: bool = sqlx::query_scalar(
        "select count(*) = 4 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where c.relkind = 'r'
           and (n.nspname, c.relname) in (('elt', '_sqlx_migrations'), ('elt', 'config_history'), ('elt', 'runs'),
                                          ('apalis', 'jobs'))",
    )
    .fetch_one(connection)
    .await?;
    if is_control { Err(TargetError::ControlDatabase) } else { Ok(()) }
}

impl std::fmt::Display for TableRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// What is there under a table's name.
#[derive(Debug, Clone)]
pub struct Existing {
    /// The table's `oid` in PostgreSQL's catalogue.
    pub oid: i64,
    /// Table, view, …
    pub kind: TableKind,
    /// Whether this login may alter it.
    pub owned: bool,
    /// The planner's estimate; negative when it has none.
    pub estimated_rows: f32,
    /// In table order, `_elt_*` columns included.
    pub columns: Vec<TableColumn>,
}

/// What kind of relation a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// An ordinary table.
    Table,
    /// A partitioned table.
    Partitioned,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A foreign table.
    Foreign,
}

impl TableKind {
    fn from_relkind(kind: &str) -> Self {
        match kind {
            "p" => Self::Partitioned,
            "v" => Self::View,
            "m" => Self::MaterializedView,
            "f" => Self::Foreign,
            _ => Self::Table,
        }
    }
}

/// One column of an existing table.
#[derive(Debug, Clone, FromRow)]
pub struct TableColumn {
    /// Name of the column, unquoted.
    pub name: String,
    /// The type as SQL, `numeric(18,2)`.
    pub sql_type: String,
    /// `not null`
    pub not_null: bool,
    /// Has a default (a generated column has none).
    pub has_default: bool,
    /// Empty, `a` (generated always) or `d` (by default).
    pub identity: String,
    /// Computed by the server from other columns.
    pub generated: bool,
}

impl TableColumn {
    /// Whether the column is bookkeeping of this program.
    pub fn is_internal(&self) -> bool {
        self.name.starts_with("_elt_")
    }
}
