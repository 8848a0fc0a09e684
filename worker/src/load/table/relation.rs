//! The relations that elt loads into. Others are refused before any source is read, with a next step that names a
//! relation to load into or a statement to execute.

use elt_shared::target::{Existing, TableKind, TableRef, quote_ident};
use sqlx::{FromRow, PgConnection};

use crate::error::{PipelineError, Result};
use crate::load::failure::{Failing, unusable};

/// Facts from the catalog about a table, beyond its columns.
#[derive(Debug, Clone, Default, FromRow)]
pub struct Facts {
    /// Schema of the topmost partitioned table above a partition.
    root_schema: Option<String>,
    /// Name of that table.
    root_table: Option<String>,
    /// Columns whose type cannot change, because they are part of a partition key or come from a parent table.
    pub fixed: Vec<String>,
    /// Whether the table is made `of` a composite type, which fixes its columns.
    typed: bool,
    /// Whether row level security applies to this login and its policies can hide or refuse rows.
    hidden: bool,
    /// Name of the login, quoted.
    login: String,
}

impl Facts {
    /// The table that gets new columns: itself, or the topmost partitioned table above a partition.
    pub fn altered(&self, table: &TableRef) -> TableRef {
        match (&self.root_schema, &self.root_table) {
            (Some(schema), Some(name)) => TableRef { schema: schema.clone(), table: name.clone() },
            _ => table.clone(),
        }
    }
}

/// Reads the facts about a relation that exists.
///
/// # Errors
/// A relation that cannot be loaded into: a view, a foreign table, rows hidden by row level security; database failures.
pub async fn facts(connection: &mut PgConnection, table: &TableRef, existing: &Existing) -> Result<Facts> {
    let fail = Failing::at(table, "look at the table");
    match existing.kind {
        TableKind::Table | TableKind::Partitioned => {}
        kind => return Err(refuse(connection, table, existing, kind).await.map_err(|error| fail.because(error))?),
    }
    let facts: Facts =
        sqlx::query_as(FACTS).bind(existing.oid).fetch_one(connection).await.map_err(|error| fail.because(error))?;
    if facts.typed {
        let next_step = format!("Ask its owner to execute: alter table {} not of", table.sql());
        return Err(unusable(table, "a table of a composite type, which can get no column", next_step));
    }
    if facts.hidden {
        return Err(hidden_rows(table, existing.owned, &facts.login));
    }
    Ok(facts)
}

/// Refuses a name that a sequence, an index or a type has already: no table can be made under it.
///
/// # Errors
/// When something else has the name; database failures.
pub async fn refuse_taken_name(connection: &mut PgConnection, table: &TableRef) -> Result<()> {
    let taken: Option<String> = sqlx::query_scalar(
        "select case c.relkind when 'S' then 'a sequence' when 'c' then 'a composite type' else 'an index' end
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = $1 and c.relname = $2
         union all
         select 'a type' from pg_type t join pg_namespace n on n.oid = t.typnamespace
         where n.nspname = $1 and t.typname = $2 and t.typrelid = 0 and t.typelem = 0
         limit 1",
    )
    .bind(&table.schema)
    .bind(&table.table)
    .fetch_optional(connection)
    .await
    .map_err(|error| Failing::at(table, "look at the table").because(error))?;
    match taken {
        None => Ok(()),
        Some(what) => Err(unusable(table, &what, "Name a table that is not there yet under `target.table`.")),
    }
}

/// The error about a relation of this kind. For a view it names the tables that the view reads.
async fn refuse(
    connection: &mut PgConnection,
    table: &TableRef,
    existing: &Existing,
    kind: TableKind,
) -> sqlx::Result<PipelineError> {
    if kind == TableKind::Foreign {
        return Ok(unusable(
            table,
            "a foreign table",
            "Name the server that has the rows under `target:`, or load into a table of this server.",
        ));
    }
    let below: Option<String> = sqlx::query_scalar(
        "select string_agg(distinct format('%s.%s', n.nspname, c.relname), ', ')
         from pg_rewrite r
         join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
                         and d.refclassid = 'pg_class'::regclass and d.refobjid <> r.ev_class
         join pg_class c on c.oid = d.refobjid and c.relkind in ('r', 'p')
         join pg_namespace n on n.oid = c.relnamespace
         where r.ev_class = $1::bigint::oid",
    )
    .bind(existing.oid)
    .fetch_one(connection)
    .await?;
    let what = if kind == TableKind::View { "a view" } else { "a materialized view" };
    let next_step = match below {
        Some(below) => format!("Name the table the view reads under `target.table`: {below}."),
        None => "Name a table under `target.table`.".into(),
    };
    Ok(unusable(table, what, next_step))
}

fn hidden_rows(table: &TableRef, owned: bool, login: &str) -> PipelineError {
    let sql = table.sql();
    let or_not_forced = if owned {
        format!("; or, because the login owns the table: alter table {sql} no force row level security")
    } else {
        String::new()
    };
    PipelineError::Target {
        code: "target_row_security",
        message: format!(
            "could not load into {table}: row level security applies to the login and can hide or refuse rows, so that \
             rows would be loaded twice or left behind"
        ),
        next_step: format!(
            "Allow the login to see and write all rows: create policy {} on {sql} to {login} using (true) with check \
             (true){or_not_forced}; or alter role {login} bypassrls",
            quote_ident("elt loads")
        ),
    }
}

/// `$1`: the table. Row level security hides nothing from a login for which one permissive policy passes all rows of
/// each command and no restrictive policy takes any away.
const FACTS: &str = "
    with policies as (
        select p.polcmd::text as command, p.polpermissive as permissive,
               coalesce(pg_get_expr(p.polqual, p.polrelid), 'true') as using,
               coalesce(pg_get_expr(p.polwithcheck, p.polrelid), pg_get_expr(p.polqual, p.polrelid), 'true') as checked
        from pg_policy p
        where p.polrelid = $1::bigint::oid
          and exists (select from unnest(p.polroles) as r (oid) where r.oid = 0 or pg_has_role(r.oid, 'usage'))
    )
    select n.nspname::text as root_schema, r.relname::text as root_table,
           array(select a.attname::text from pg_attribute a
                 where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                   and ((a.attinhcount > 0 and not c.relispartition)
                        or exists (select from pg_partitioned_table k
                                   where k.partrelid in (c.oid, pg_partition_root(c.oid))
                                     and (0 = any(k.partattrs::int2[]) or exists (
                                         select from pg_attribute ka where ka.attrelid = k.partrelid
                                           and ka.attnum = any(k.partattrs::int2[]) and ka.attname = a.attname)))))
               as fixed,
           c.reloftype <> 0 as typed,
           row_security_active(c.oid) and (
               exists (select from policies where not permissive)
               or exists (select from unnest(array['r', 'a', 'w', 'd']) as needed (command)
                          where not exists (select from policies p
                                            where p.permissive and p.command in (needed.command, '*')
                                              and (needed.command = 'a' or p.using = 'true')
                                              and (needed.command in ('r', 'd') or p.checked = 'true')))) as hidden,
           format('\"%s\"', replace(current_user::text, '\"', '\"\"')) as login
    from pg_class c
         left join pg_class r on c.relispartition and r.oid = pg_partition_root(c.oid)
         left join pg_namespace n on n.oid = r.relnamespace
    where c.oid = $1::bigint::oid";
