//! The rights that a login lacks, and the statements that grant them. They are read from the catalog, because the
//! server's message names only one object, in the language of the server, and no statement.

use elt_shared::explained::{Code, Explained};
use elt_shared::target::{TableRef, quote_ident};
use sqlx::PgConnection;

use crate::error::PipelineError;
use crate::load::elt_tables;

/// One right that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The refused action: `make temporary tables in the database shop`.
    pub what: String,
    /// The statement that grants the right, to be executed by the owner of the object or a superuser.
    pub statement: String,
}

/// The rights that a load into this table needs and its login lacks, in the order in which a load needs them; the first
/// eight. Empty when the catalog shows nothing missing.
///
/// # Errors
/// Database failures.
pub async fn missing(connection: &mut PgConnection, table: &TableRef) -> sqlx::Result<Vec<Missing>> {
    let rows: Vec<(String, String)> = sqlx::query_as(RIGHTS)
        .bind(&table.schema)
        .bind(&table.table)
        .bind(elt_tables::ALL)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|(what, statement)| Missing { what, statement }).collect())
}

/// Explains a refusal (42501) by what is missing. `None` when the catalog shows nothing missing.
pub async fn explain(connection: &mut PgConnection, table: &TableRef, doing: &str) -> Option<PipelineError> {
    let missing = missing(connection, table).await.ok()?;
    let first = missing.first()?;
    let statements: Vec<_> = missing.iter().map(|missing| missing.statement.as_str()).collect();
    Some(PipelineError::Target(Explained {
        code: Code::TargetNotAllowed,
        message: format!("could not {doing} for {table}: the login may not {}", first.what),
        next_step: format!("Ask the owner or a superuser to execute: {}", statements.join("; ")),
    }))
}

/// Reads what was refused, and the statement that allows it, from the server's message, because the catalog query does
/// not cover every right. Only the name of the object is taken, so that no value of a row is repeated. `None`: the
/// message is not PostgreSQL's English text.
pub fn from_message(table: &TableRef, message: &str) -> Option<(String, String)> {
    let quoted = |name: &str| name.split('.').map(quote_ident).collect::<Vec<_>>().join(".");
    if let Some(rest) = message.strip_prefix("permission denied for ") {
        let (kind, name) = rest.split_once(' ')?;
        let name = name.trim_matches('"');
        let (name, shown) = (quoted(name), name);
        let statement = match kind {
            "table" | "view" | "relation" => format!("grant select, insert, update, delete on {name} to <login>"),
            "schema" => format!("grant usage, create on schema {name} to <login>"),
            "sequence" => format!("grant usage, select, update on sequence {name} to <login>"),
            "function" | "procedure" | "routine" => format!("grant execute on {kind} {name} to <login>"),
            "database" => format!("grant create, temporary on database {name} to <login>"),
            "type" | "language" | "tablespace" => format!("grant usage on {kind} {name} to <login>"),
            _ => return None,
        };
        return Some((format!("the login may not use the {kind} {shown}"), statement));
    }
    if let Some(name) = message.strip_prefix("permission denied to create temporary tables in database ") {
        let name = name.trim_matches('"');
        let statement = format!("grant temporary on database {} to <login>", quoted(name));
        return Some((format!("the login may not make temporary tables in the database {name}"), statement));
    }
    if message.contains("row-level security policy") {
        let table = table.sql();
        return Some((
            "a row level security policy refuses the rows".into(),
            format!("create policy elt on {table} to <login> using (true) with check (true)"),
        ));
    }
    let rest = message.strip_prefix("must be owner of ")?;
    let (kind, name) = rest.split_once(' ')?;
    let kind = if kind == "relation" { "table" } else { kind };
    Some((
        format!("the login does not own the {kind} {name}"),
        format!("alter {kind} {} owner to <login>", quoted(name)),
    ))
}

/// `$1` schema, `$2` table, `$3` elt's own tables. A row for each right that is missing: what, and the statement.
const RIGHTS: &str = "
    with login as (select format('\"%s\"', replace(current_user::text, '\"', '\"\"')) as sql),
         place as (select oid, nspname::text as name, format('\"%s\"', replace(nspname, '\"', '\"\"')) as sql
                   from pg_namespace where nspname = $1),
         loaded as (select c.oid, c.relkind, c.relowner, format('%s.\"%s\"', p.sql, replace(c.relname, '\"', '\"\"')) as sql
                    from pg_class c join place p on p.oid = c.relnamespace
                    where c.relname = $2 and c.relkind in ('r', 'p')),
         own as (select c.oid, c.relowner, format('%s.\"%s\"', p.sql, replace(c.relname, '\"', '\"\"')) as sql
                 from pg_class c join place p on p.oid = c.relnamespace
                 where c.relname = any($3) and c.relkind in ('r', 'p'))
    select what, statement from (
        select 1 as step, format('create the schema %s in the database %s', $1, current_database()) as what,
               format('grant create on database %I to %s', current_database(), login.sql) as statement
        from login
        where not exists (select from place) and not has_database_privilege(current_database(), 'create')
      union all
        select 2, format('use the schema %s', place.name),
               format('grant usage, create on schema %s to %s', place.sql, login.sql)
        from place, login where not has_schema_privilege(place.oid, 'usage')
      union all
        select 3, format('create tables in the schema %s', place.name),
               format('grant usage, create on schema %s to %s', place.sql, login.sql)
        from place, login
        where has_schema_privilege(place.oid, 'usage') and not has_schema_privilege(place.oid, 'create')
          and ((select count(*) from own) < cardinality($3) or not exists (select from loaded))
      union all
        select 4, format('alter the table %s, which it does not own', top.oid::regclass),
               format('alter table %s owner to %s', case top.oid when loaded.oid then loaded.sql else top.oid::regclass::text end,
                      login.sql)
        from loaded join pg_class top on top.oid = coalesce(pg_partition_root(loaded.oid), loaded.oid), login
        where not pg_has_role(top.relowner, 'usage')
          and 3 > (select count(*) from pg_attribute a where a.attrelid = loaded.oid and not a.attisdropped
                     and a.attname in ('_elt_row_hash', '_elt_run_id', '_elt_loaded_at'))
      union all
        select 5, format('read and write the table %s', tables.sql),
               format('grant select, insert, update, delete on %s to %s', tables.sql, login.sql)
        from (select oid, sql from loaded union all select oid, sql from own) tables, login
        where not (has_table_privilege(tables.oid, 'select') and has_table_privilege(tables.oid, 'insert')
                   and has_table_privilege(tables.oid, 'update') and has_table_privilege(tables.oid, 'delete'))
      union all
        select 6, format('use the sequence %s', s.oid::regclass),
               format('grant usage, select on sequence %s to %s', s.oid::regclass, login.sql)
        from loaded
             join pg_attrdef f on f.adrelid = loaded.oid
             join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid
                             and d.refclassid = 'pg_class'::regclass
             join pg_class s on s.oid = d.refobjid,
             login
        where case s.relkind when 'S' then not has_sequence_privilege(s.oid, 'usage') end
      union all
        select 7, format('use the type %s', format_type(t.oid, null)),
               format('grant usage on type %s to %s', format_type(t.oid, null), login.sql)
        from loaded join pg_attribute a on a.attrelid = loaded.oid and a.attnum > 0 and not a.attisdropped
             join pg_type t on t.oid = a.atttypid, login
        where not has_type_privilege(t.oid, 'usage')
      union all
        select 8, format('make temporary tables in the database %s', current_database()),
               format('grant temporary on database %I to %s', current_database(), login.sql)
        from login where not has_database_privilege(current_database(), 'temporary')
    ) missing
    order by step, statement
    limit 8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_in_english_names_the_object_and_its_statement() {
        let table = TableRef { schema: "public".into(), table: "t".into() };
        for (message, statement) in [
            ("permission denied for table t", "grant select, insert, update, delete on \"t\" to <login>"),
            ("permission denied for schema s", "grant usage, create on schema \"s\" to <login>"),
            (
                "permission denied for sequence t_id_seq",
                "grant usage, select, update on sequence \"t_id_seq\" to <login>",
            ),
            ("permission denied for function f", "grant execute on function \"f\" to <login>"),
            (
                "permission denied to create temporary tables in database \"shop\"",
                "grant temporary on database \"shop\" to <login>",
            ),
            (
                "new row violates row-level security policy for table \"t\"",
                "create policy elt on \"public\".\"t\" to <login> using (true) with check (true)",
            ),
            ("must be owner of table t", "alter table \"t\" owner to <login>"),
        ] {
            assert_eq!(from_message(&table, message).expect(message).1, statement);
        }
        assert_eq!(from_message(&table, "keine Berechtigung"), None);
    }
}
