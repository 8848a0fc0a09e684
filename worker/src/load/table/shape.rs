//! The shape of the target table: it is created, widened, and given elt's own columns and indexes. Every statement is kept for
//! the report.

use elt_shared::config::Provenance;
use elt_shared::target::{TableRef, quote_ident};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::contract::Layout;
use crate::contract::decide::Change;
use crate::load::elt_tables::COLUMNS;
use crate::load::session::{LOADED_AT, ROW_HASH, RUN_ID, TableState};
use crate::load::table::partitions::Partitioning;

/// Changes the shape of a table in a transaction, and keeps the statements for the report.
pub struct TableDdl<'t> {
    table: &'t TableRef,
    /// The table whose columns are changed: `table`, or the partitioned table it is a partition of.
    altered: TableRef,
    /// The executed statements, in their order.
    pub statements: Vec<String>,
}

impl<'t> TableDdl<'t> {
    /// For a table that is not a partition.
    pub fn of(table: &'t TableRef) -> Self {
        Self::altering(table, table.clone())
    }

    /// For a partition: its columns are changed by altering `altered`, the partitioned table.
    pub fn altering(table: &'t TableRef, altered: TableRef) -> Self {
        Self { table, altered, statements: Vec::new() }
    }

    /// The table whose rows are loaded.
    pub fn table(&self) -> &'t TableRef {
        self.table
    }

    /// Creates the table with the layout's columns and elt's own. A partitioned one has no partition yet.
    pub async fn create(
        &mut self,
        tx: &mut PgConnection,
        layout: &Layout,
        partitioning: Option<&Partitioning>,
    ) -> sqlx::Result<()> {
        let own = layout.columns.iter().map(|column| format!("{} {}", quote_ident(&column.name), column.sql));
        let origins = layout.provenance.iter().map(|&origin| definition(origin));
        let columns: Vec<_> = own.chain(internal_columns()).chain(origins).collect();
        let clause = partitioning.map(Partitioning::clause).unwrap_or_default();
        let statement = format!("create table {} (\n    {}\n){clause}", self.table.sql(), columns.join(",\n    "));
        self.execute(tx, statement).await
    }

    /// Adds columns and widens types, in one statement so that the server rewrites the table at most once.
    pub async fn change(&mut self, tx: &mut PgConnection, layout: &Layout, changes: &[Change]) -> sqlx::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let actions: Vec<_> = changes
            .iter()
            .map(|change| match change {
                Change::Add(index) => {
                    let column = &layout.columns[*index];
                    format!("add column {} {}", quote_ident(&column.name), column.sql)
                }
                Change::Widen(index) => {
                    let column = &layout.columns[*index];
                    let name = quote_ident(&column.name);
                    format!("alter column {name} type {sql} using {name}::{sql}", sql = column.sql)
                }
            })
            .collect();
        self.execute(tx, format!("alter table {}\n    {}", self.altered.sql(), actions.join(",\n    "))).await
    }

    /// Adds elt's own columns to a table that does not have all of them.
    pub async fn add_internal_columns(&mut self, tx: &mut PgConnection, before: &TableState) -> sqlx::Result<()> {
        let there = |name: &str| before.existing.columns.iter().any(|column| column.name == name);
        let missing: Vec<_> = [ROW_HASH, RUN_ID, LOADED_AT]
            .into_iter()
            .zip(internal_columns())
            .filter(|(name, _)| !there(name))
            .map(|(_, definition)| format!("add column {definition}"))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.execute(tx, format!("alter table {}\n    {}", self.altered.sql(), missing.join(",\n    "))).await
    }

    /// Adds the columns that say where a row came from to a table that lacks some of them. Rows that are there have NULL in
    /// them.
    pub async fn add_origins(
        &mut self,
        tx: &mut PgConnection,
        layout: &Layout,
        before: &TableState,
    ) -> sqlx::Result<()> {
        let there = |name: &str| before.existing.columns.iter().any(|column| column.name == name);
        let missing = layout.provenance.iter().filter(|origin| !there(origin.column()));
        let missing: Vec<_> = missing.map(|&origin| format!("add column {}", definition(origin))).collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.execute(tx, format!("alter table {}\n    {}", self.altered.sql(), missing.join(",\n    "))).await
    }

    /// Creates the unique index over row hashes if it is missing.
    pub async fn index_row_hash(
        &mut self,
        tx: &mut PgConnection,
        partitioning: Option<&Partitioning>,
    ) -> sqlx::Result<()> {
        self.index(tx, &Partitioning::unique_columns(partitioning)).await
    }

    /// Creates a unique index over columns, unless there is one over exactly these columns. In a partitioned table the
    /// index is not unique unless the columns hold the whole partition key, because PostgreSQL allows no other unique
    /// index there.
    pub async fn index(&mut self, tx: &mut PgConnection, columns: &[&str]) -> sqlx::Result<()> {
        let unique = self.can_be_unique(tx, columns).await?;
        let there: bool = sqlx::query_scalar(
            "select exists (
                 select from pg_index i
                 where i.indrelid = to_regclass($1) and (i.indisunique or not $3) and i.indisvalid and i.indpred is null
                   and i.indexprs is null
                   and (select array_agg(a.attname::text order by a.attname)
                        from pg_attribute a
                        where a.attrelid = i.indrelid and a.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1]))
                       = (select array_agg(name order by name) from unnest($2::text[]) name))",
        )
        .bind(self.table.sql())
        .bind(columns)
        .bind(unique)
        .fetch_one(&mut *tx)
        .await?;
        if there {
            return Ok(());
        }
        let list: Vec<_> = columns.iter().map(|column| quote_ident(column)).collect();
        let name = self.free_index_name(tx, columns).await?;
        let index = self.table.sibling(&name).sql();
        self.execute(
            tx,
            format!(
                "create {}index {} on {} ({})",
                if unique { "unique " } else { "" },
                quote_ident(&name),
                self.table.sql(),
                list.join(", ")
            ),
        )
        .await?;
        // By the comment it is distinguished from indexes that other programs created.
        sqlx::query(AssertSqlSafe(format!("comment on index {index} is 'elt'"))).execute(tx).await?;
        Ok(())
    }

    /// Whether PostgreSQL allows a unique index over the columns: in a partitioned table they must hold its partition
    /// key and those of the partitioned tables below it.
    async fn can_be_unique(&self, tx: &mut PgConnection, columns: &[&str]) -> sqlx::Result<bool> {
        sqlx::query_scalar(
            "select not exists (
                 select from pg_partition_tree(to_regclass($1)) part
                 join pg_partitioned_table k on k.partrelid = part.relid
                 cross join unnest(k.partattrs::int2[]) as key (attnum)
                 left join pg_attribute a on a.attrelid = k.partrelid and a.attnum = key.attnum
                 where a.attname is null or a.attname::text <> all($2))",
        )
        .bind(self.table.sql())
        .bind(columns)
        .fetch_one(tx)
        .await
    }

    /// A free name for an index: the names of the table and the columns, shortened to what PostgreSQL allows, with a number if
    /// the name is taken.
    async fn free_index_name(&self, tx: &mut PgConnection, columns: &[&str]) -> sqlx::Result<String> {
        let base = format!("{}_{}", self.table.table, columns.join("_").trim_start_matches('_'));
        for number in 0_u32.. {
            let suffix = if number == 0 { "_key".to_owned() } else { format!("_key{number}") };
            let name = format!("{}{suffix}", &base[..base.floor_char_boundary(63 - suffix.len())]);
            let taken: bool = sqlx::query_scalar("select to_regclass($1) is not null")
                .bind(self.table.sibling(&name).sql())
                .fetch_one(&mut *tx)
                .await?;
            if !taken {
                return Ok(name);
            }
        }
        Ok(base)
    }

    /// Executes a statement, and keeps it for the report.
    pub async fn execute(&mut self, tx: &mut PgConnection, statement: String) -> sqlx::Result<()> {
        sqlx::query(AssertSqlSafe(statement.clone())).execute(tx).await?;
        self.statements.push(statement);
        Ok(())
    }
}

fn definition(origin: Provenance) -> String {
    format!("{} {}", origin.column(), origin.sql_type())
}

fn internal_columns() -> [String; 3] {
    [format!("{ROW_HASH} uuid"), format!("{RUN_ID} uuid"), format!("{LOADED_AT} timestamptz")]
}

/// Stores the types that the layout's columns have and had. `fresh`: elt has not loaded into the table before, so that what is
/// stored of an earlier table of the same name is deleted.
pub async fn store_type_history(
    tx: &mut PgConnection,
    table: &TableRef,
    layout: &Layout,
    fresh: bool,
    made_by_elt: bool,
) -> sqlx::Result<()> {
    let columns = table.sibling(COLUMNS).sql();
    if fresh {
        sqlx::query(AssertSqlSafe(format!("delete from {columns} where table_name = $1")))
            .bind(&table.table)
            .execute(&mut *tx)
            .await?;
    }
    let names: Vec<_> = layout.columns.iter().map(|column| column.name.as_str()).collect();
    let histories: Vec<_> = layout.columns.iter().map(|column| Json(&column.history)).collect();
    sqlx::query(AssertSqlSafe(format!(
        "insert into {columns} as kept (table_name, column_name, history, made_by_elt)
         select $1, column_name, history, $4 from unnest($2::text[], $3::jsonb[]) as now (column_name, history)
         on conflict (table_name, column_name) do update set history = excluded.history
         where kept.history is distinct from excluded.history"
    )))
    .bind(&table.table)
    .bind(names)
    .bind(histories)
    .bind(made_by_elt)
    .execute(tx)
    .await?;
    Ok(())
}
