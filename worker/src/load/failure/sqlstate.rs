//! PostgreSQL's error codes (SQLSTATE) as sentences, each with a stable code and a next step.
//!
//! The server's own message is never passed on, because it can quote a value of a row, and every sentence here reaches
//! the log. The sentences use only the error code and the names of schema objects that the error carries.

use elt_shared::explained::Code;
use elt_shared::target::{TableRef, guard, quote_ident};

/// The meaning of an error code for a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Stable code people can search for.
    pub code: Code,
    /// The second half of a sentence about what happened: "the login lacks a right".
    pub what: String,
    /// Advice on what to do.
    pub next_step: String,
}

/// The schema objects an error is about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The table that is loaded into.
    pub table: &'a TableRef,
    /// The constraint or unique index that refused a row.
    pub constraint: Option<&'a str>,
    /// The column the server names.
    pub column: Option<&'a str>,
}

/// Explains an error code. Every code has an explanation, also one that PostgreSQL does not define.
pub fn explain(sqlstate: &str, about: About<'_>) -> Explanation {
    a_temporary_failure(sqlstate)
        .or_else(|| the_server(sqlstate))
        .or_else(|| the_session(sqlstate))
        .or_else(|| a_row(sqlstate, about))
        .or_else(|| a_value(sqlstate, about))
        .or_else(|| the_table(sqlstate, about))
        .or_else(|| what_is_there(sqlstate))
        .unwrap_or_else(|| Explanation {
            code: Code::TargetError,
            what: "the server refused a statement for a reason elt does not know".into(),
            next_step:
                "Look the error code up in PostgreSQL's manual (Appendix A) and in the server's log, then retry \
                        the run."
                    .into(),
        })
}

fn explanation(code: Code, what: impl Into<String>, next_step: impl Into<String>) -> Option<Explanation> {
    Some(Explanation { code, what: what.into(), next_step: next_step.into() })
}

/// The connection broke, two transactions were in each other's way, or the server is short of something.
fn a_temporary_failure(sqlstate: &str) -> Option<Explanation> {
    match sqlstate {
        "08P01" => explanation(
            Code::TargetProtocol,
            "a pooler or proxy before the server broke off the session",
            "Look into the pooler's log. Name the PostgreSQL server itself in the config, or a pooler in session mode \
             without a query timeout.",
        ),
        guard::VIOLATION => explanation(
            Code::TargetTooMuch,
            "the server sent more than elt accepts, and the connection was ended",
            "Check that the target is the server you mean. elt reads rows of up to 64 MiB.",
        ),
        "08004" => explanation(
            Code::TargetLogin,
            "the server refused the connection",
            "Check the server's pg_hba.conf and the pooler's settings for this login.",
        ),
        "40001" | "40P01" | "40000" | "40002" => explanation(
            Code::TargetRace,
            "the load and another session waited for each other or changed the same rows",
            "Retry the run. If it happens again, find out which other program writes to the table at that time.",
        ),
        "53100" => explanation(
            Code::TargetDiskFull,
            "the disk of the target's server is full",
            "Free space on the server (also where it keeps its WAL and temporary files), then retry the run.",
        ),
        "53200" => explanation(
            Code::TargetOutOfMemory,
            "the target's server is out of memory",
            "Give the server more memory or lower work_mem, then retry the run.",
        ),
        "53300" => explanation(
            Code::TargetTooManyConnections,
            "the target's server has no connection left for this login",
            "Raise max_connections or the login's connection limit, or end idle sessions, then retry the run.",
        ),
        code if code.starts_with("53") => explanation(
            Code::TargetOutOfResources,
            "the target's server reached one of its configured limits",
            "Look into the server's log for the limit, raise it, then retry the run.",
        ),
        _ => None,
    }
}

/// The server went away or is broken.
fn the_server(sqlstate: &str) -> Option<Explanation> {
    match sqlstate {
        "57P01" | "57P02" | "57P03" => explanation(
            Code::TargetLost,
            "the target's server shuts down, restarts or starts up",
            "Retry the run once the server is up.",
        ),
        "57P04" => explanation(
            Code::TargetNoDatabase,
            "the target's database was dropped",
            "Create the database, or correct `database` under `target:`.",
        ),
        "XX001" | "XX002" => explanation(
            Code::TargetDataCorrupted,
            "the target's server found damaged data in one of its files",
            "Restore the table or rebuild the index that the server's log names before anything is loaded.",
        ),
        code if code.starts_with("08") || code == "40003" => explanation(
            Code::TargetLost,
            "the connection to the target was lost",
            "Check that the target's server is up and in reach of the worker, then retry the run.",
        ),
        code if ["58", "F0", "XX", "72"].iter().any(|class| code.starts_with(class)) => explanation(
            Code::TargetServerError,
            "the target's server had an internal error, or could not use one of its files",
            "Look into the server's log at the time of the run, and repair the server.",
        ),
        _ => None,
    }
}

/// The session or its transaction was ended, or may not do this.
fn the_session(sqlstate: &str) -> Option<Explanation> {
    match sqlstate {
        "25006" => explanation(
            Code::TargetReadOnly,
            "the target is read-only for this login",
            "Name the primary server under `target:`, not a standby; where the server is the primary: alter role \
             <login> reset default_transaction_read_only (or the same of the database).",
        ),
        "57014" => explanation(
            Code::TargetCancelled,
            "the server cancelled a statement: by statement_timeout, or because somebody cancelled it",
            "elt sets statement_timeout to 0 for its session. Find out whether a pooler's query timeout, a function of \
             the table or an administrator (pg_cancel_backend) cancels statements, then retry the run.",
        ),
        "25P03" | "25P04" | "57P05" => explanation(
            Code::TargetSessionTimeout,
            "the server ended the session: by idle_in_transaction_session_timeout, idle_session_timeout or \
             transaction_timeout",
            "elt sets these to 0 for its session. Where a pooler keeps that from working, write it for the login: \
             alter role <login> set idle_in_transaction_session_timeout = 0 (the same with idle_session_timeout and \
             transaction_timeout).",
        ),
        "55P03" => explanation(
            Code::TargetLocked,
            "another session holds a lock on the table for longer than elt waits (lock_timeout 30s)",
            "Find the session (select * from pg_locks join pg_stat_activity using (pid) where not granted or mode like \
             '%Exclusive%') and let it end, then retry the run.",
        ),
        "26000" | "42P05" | "34000" => explanation(
            Code::TargetPooler,
            "statements of one session reached different sessions of the server: a pooler in transaction mode is in \
             between",
            "Name the PostgreSQL server itself in the config, or a pooler in session mode.",
        ),
        "28000" | "28P01" | "0P000" => explanation(
            Code::TargetLogin,
            "the server refused the login",
            "Correct `user` and `password` under `target:`, or the server's pg_hba.conf.",
        ),
        "3D000" => explanation(
            Code::TargetNoDatabase,
            "the target has no such database",
            "Create the database, or correct `database` under `target:`.",
        ),
        code if ["25", "2D", "3B", "0B", "24"].iter().any(|class| code.starts_with(class)) => explanation(
            Code::TargetTransaction,
            "the transaction is not in a state that allows the next statement",
            "Find out whether a pooler, or a trigger or procedure of the table, ends transactions of others, then \
             retry the run.",
        ),
        _ => None,
    }
}

/// The table, one of its triggers or a type refuses a row.
fn a_row(sqlstate: &str, about: About<'_>) -> Option<Explanation> {
    let own = about.constraint.map(|name| format!(" {name}")).unwrap_or_default();
    let column = about.column.map(|name| format!(" {name}")).unwrap_or_default();
    match sqlstate {
        "23514" if matches!(about.constraint, Some("_elt_loads_balance" | "_elt_files_balance")) => explanation(
            Code::ReceiptUnbalanced,
            "the receipt does not balance",
            "This is a bug in elt; please report it with the run's log.",
        ),
        "23505" | "23P01" => explanation(
            Code::TargetUnique,
            format!("the table's own constraint{own} allows such a row once, and it is there already or came twice"),
            format!(
                "Use `load.mode: merge` with the columns of the constraint{own} as `load.key`, or drop the constraint."
            ),
        ),
        "23502" => explanation(
            Code::TargetConstraint,
            format!("the column{column} of the table allows no NULL, and a row has no value for it"),
            format!(
                "Write `nullable: false` for the column{column} in `schema:` so that such rows are quarantined, or \
                 give the column a default."
            ),
        ),
        "23503" | "23001" => explanation(
            Code::TargetConstraint,
            format!(
                "the foreign key{own} refuses a row that points to a missing row, or the deletion of a row that \
                     others point to"
            ),
            format!(
                "Load the table the foreign key{own} points to first; for `load.mode: replace` on a table others \
                 point to use `merge`, or drop the constraint."
            ),
        ),
        code if code.starts_with("23") || code == "44000" => explanation(
            Code::TargetConstraint,
            format!("the table's own constraint{own} refuses a row"),
            "Say the same in `schema:` (nullable, enum, min, max, pattern) so that such rows are quarantined, or drop \
             the constraint.",
        ),
        _ => None,
    }
}

/// A value does not convert, or a function of the table fails for it.
fn a_value(sqlstate: &str, about: About<'_>) -> Option<Explanation> {
    let column = about.column.map(|name| format!(" {name}")).unwrap_or_default();
    match sqlstate {
        "22021" | "22P05" => explanation(
            Code::TargetEncoding,
            "a text has a character that the encoding of the target's database does not have",
            "Load into a database with the encoding UTF8, or remove such characters from the source.",
        ),
        "2200H" => explanation(
            Code::TargetSequence,
            "a sequence of the table reached its end",
            "Raise its limit (alter sequence … maxvalue … or as bigint), then retry the run.",
        ),
        "22P04" | "22P03" => explanation(
            Code::TargetCopy,
            "the server could not read the rows as elt sends them: a type of the target differs from PostgreSQL's own",
            "Load into PostgreSQL itself, or declare the column as text in the table.",
        ),
        code if ["22", "21", "10", "20"].iter().any(|class| code.starts_with(class)) => explanation(
            Code::TargetValue,
            format!("a value does not fit the column{column} of the table"),
            "Name the column in `schema:` with a type and rules that quarantine such rows.",
        ),
        code if ["P0", "38", "39", "2F", "09", "0Z", "02"].iter().any(|class| code.starts_with(class)) => explanation(
            Code::TargetTrigger,
            "a trigger or function of the table refused the rows, or failed",
            "Ask the owner of the trigger what it expects; the server's log has the trigger's message.",
        ),
        _ => None,
    }
}

/// The table, its schema or the login's rights do not allow the load.
fn the_table(sqlstate: &str, about: About<'_>) -> Option<Explanation> {
    let (schema, table) = (quote_ident(&about.table.schema), about.table.sql());
    match sqlstate {
        "42501" => explanation(
            Code::TargetNotAllowed,
            "the login lacks a right",
            format!(
                "Let the login do it: grant usage, create on schema {schema} to <login>; an existing table must be \
                 the login's own: alter table {table} owner to <login>"
            ),
        ),
        "3F000" => {
            explanation(Code::TargetNoSchema, "the schema does not exist", format!("Create it: create schema {schema}"))
        }
        "54000" | "54001" | "54011" | "54023" => explanation(
            Code::TargetLimit,
            "PostgreSQL's limit of columns, of the size of a row or of an index entry is reached",
            "Load fewer columns with `schema:` and `strict_mode: true`, keep long values out of `load.key` and of \
             indexes, or keep them as text.",
        ),
        "55000" => explanation(
            Code::TargetNotReady,
            "the table does not allow this statement as it is: it is published without a replica identity, or not \
             ready",
            format!("For a published table: alter table {table} replica identity full (or give it a primary key)."),
        ),
        "42P10" => explanation(
            Code::TargetReplicaIdentity,
            "a publication's column list or row filter does not go with the table's replica identity",
            format!(
                "Let the publication publish all columns of {table} without a filter, or: alter table {table} replica \
                 identity using index … over columns that the publication has."
            ),
        ),
        "55006" | "2BP01" | "2B000" => explanation(
            Code::TargetInUse,
            "something depends on what has to change, or uses it right now",
            "Drop or change what depends on the column, or let the other session end, then retry the run.",
        ),
        "428C9" => explanation(
            Code::TargetGenerated,
            "a column of the table is generated always and cannot be given a value",
            format!(
                "Take the column into `load.key`, leave it out of the source, or: alter table {table} alter column … \
                 set generated by default"
            ),
        ),
        _ => None,
    }
}

/// Something in the target is not as a load expects it.
fn what_is_there(sqlstate: &str) -> Option<Explanation> {
    match sqlstate {
        "42P07" | "42710" | "42P06" | "42723" => explanation(
            Code::TargetNameTaken,
            "something else has the name already",
            "Name another table under `target.table`, or rename what is there.",
        ),
        "42883" => explanation(
            Code::TargetType,
            "the type of a column lacks what the load needs: an equality or a conversion from text",
            "Take columns of types that can be compared as `load.key`, and declare the others as text or jsonb in the \
             table.",
        ),
        "42804" | "42846" => explanation(
            Code::TargetType,
            "a column of the table has a type that texts cannot be converted to",
            "Create the cast to the type, or change the column's type.",
        ),
        "42P01" | "42703" | "42701" | "42704" | "42P16" | "42P17" => explanation(
            Code::TargetShapeChanged,
            "the table is not as it was when the run looked at it, or cannot be altered that way",
            "Find out who alters the table during the run, then retry it. A column of a parent table is altered in \
             the parent.",
        ),
        code if code.starts_with("HV") => explanation(
            Code::TargetUnusable,
            "a foreign server behind the table failed",
            "Load into an ordinary table of this server.",
        ),
        "42809" | "0A000" => explanation(
            Code::TargetUnusable,
            "the table, or a rule of it, does not allow what a load needs",
            "Load into an ordinary table without rules (create rule).",
        ),
        code if code.starts_with("0A") || code.starts_with("42") => explanation(
            Code::TargetStatement,
            "the server does not accept one of elt's statements",
            "Check that the target is PostgreSQL 15 or newer. If it is, this is a bug in elt; please report it with \
             the run's log.",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
