//! Facts from the catalog about a table's columns, beyond their types' names: the types below domains and arrays, the
//! labels of enums, collations.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::{FromRow, PgConnection};

use crate::contract::foreign::ForeignType;

/// Facts from the catalog about one column.
#[derive(Debug, Clone, Default)]
pub struct ColumnFacts {
    /// Its type, below domains and arrays.
    pub foreign: Arc<ForeignType>,
    /// Its collation, quoted. `None`: its type's default.
    pub collation: Option<String>,
}

#[derive(FromRow)]
struct Row {
    column: String,
    scalar: String,
    name: String,
    unlimited: String,
    builtin: bool,
    array: bool,
    kind: String,
    category: String,
    labels: Vec<String>,
    subtype: Option<String>,
    not_null: bool,
    collation: Option<String>,
}

/// The facts of all columns of a table, by name.
///
/// # Errors
/// Database failures.
pub async fn facts(connection: &mut PgConnection, table: i64) -> sqlx::Result<HashMap<String, ColumnFacts>> {
    // A column's type is followed down through domains and arrays to the type of one value. Only the innermost domain
    // can have modifiers; those of an array are its elements'.
    let rows: Vec<Row> = sqlx::query_as(
        "with recursive below as (
             select a.attname::text as column, a.atttypid as type, a.atttypmod as modifiers, false as array,
                    false as not_null,
                    case when a.attcollation <> 0 and a.attcollation <> t.typcollation
                         then quote_ident(n.nspname) || '.' || quote_ident(c.collname) end as collation
             from pg_attribute a
             join pg_type t on t.oid = a.atttypid
             left join pg_collation c on c.oid = a.attcollation
             left join pg_namespace n on n.oid = c.collnamespace
             where a.attrelid = $1::bigint::oid and a.attnum > 0 and not a.attisdropped
             union all
             select b.column,
                    case t.typtype when 'd' then t.typbasetype else t.typelem end,
                    case t.typtype when 'd' then t.typtypmod else b.modifiers end,
                    b.array or t.typtype <> 'd',
                    b.not_null or (t.typtype = 'd' and t.typnotnull and not b.array),
                    b.collation
             from below b
             join pg_type t on t.oid = b.type
             where t.typtype = 'd' or (t.typcategory = 'A' and t.typelem <> 0)
         )
         select b.column, format_type(b.type, b.modifiers) as scalar, t.typname::text as name,
                format_type(b.type, -1) || case when b.array then '[]' else '' end as unlimited,
                t.typnamespace = 'pg_catalog'::regnamespace as builtin, b.array, t.typtype::text as kind,
                t.typcategory::text as category,
                array(select e.enumlabel::text from pg_enum e where e.enumtypid = t.oid order by e.enumsortorder) as labels,
                (select s.typname::text from pg_range r join pg_type s on s.oid = r.rngsubtype
                 where t.oid in (r.rngtypid, r.rngmultitypid)) as subtype,
                b.not_null, b.collation
         from below b
         join pg_type t on t.oid = b.type
         where t.typtype <> 'd' and not (t.typcategory = 'A' and t.typelem <> 0)",
    )
    .bind(table)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Row::into_facts).collect())
}

impl Row {
    fn into_facts(self) -> (String, ColumnFacts) {
        let foreign = ForeignType {
            scalar: self.scalar,
            name: self.name,
            unlimited: self.unlimited,
            builtin: self.builtin,
            array: self.array,
            kind: self.kind,
            category: self.category,
            labels: self.labels,
            subtype: self.subtype,
            not_null: self.not_null,
        };
        (self.column, ColumnFacts { foreign: Arc::new(foreign), collation: self.collation })
    }
}
