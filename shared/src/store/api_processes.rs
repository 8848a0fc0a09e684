//! API processes: found by the names of their sessions with the control database, so that a process that ended in any way is
//! not listed.

use serde::Serialize;
use sqlx::PgExecutor;

/// The beginning of the names of their sessions.
const PREFIX: &str = "elt api ";

/// API processes of one version on one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiProcess {
    /// Version of the program.
    pub version: String,
    /// Host name. PostgreSQL keeps the first 63 bytes of a session's name, so that a long one is cut off.
    pub host: String,
}

/// The name of the sessions of an API process.
pub fn session_name(version: &str, host: &str) -> String {
    format!("{PREFIX}{version} on {host}")
}

/// The process that a session's name is about. `None`: the name is not that of an API process.
fn named(session: &str) -> Option<ApiProcess> {
    let (version, host) = session.strip_prefix(PREFIX)?.split_once(" on ")?;
    Some(ApiProcess { version: version.to_owned(), host: host.to_owned() })
}

/// API processes that are connected to the control database now.
pub async fn list(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<ApiProcess>> {
    let names: Vec<String> = sqlx::query_scalar(
        "select distinct application_name from pg_stat_activity
         where datname = current_database() and starts_with(application_name, $1) order by application_name",
    )
    .bind(PREFIX)
    .fetch_all(db)
    .await?;
    Ok(names.iter().filter_map(|name| named(name)).collect())
}

/// A sentence about API processes whose version is not `own`. `None`: all of them have the same version.
pub fn version_skew(processes: &[ApiProcess], own: &str) -> Option<String> {
    let others = processes.iter().filter(|process| process.version != own);
    let others: Vec<String> = others.map(|process| format!("{} ({})", process.version, process.host)).collect();
    (!others.is_empty()).then(|| {
        format!(
            "API servers run other versions than {own}: {}. Finish the upgrade: restart them with the same version, one after \
             the other.",
            others.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_name_says_version_and_host_and_other_names_say_nothing() {
        let process = ApiProcess { version: "0.2.0-rc.1".into(), host: "api-1 on rack 7".into() };
        assert_eq!(named(&session_name(&process.version, &process.host)), Some(process));
        for other in ["", "psql", "elt api ", "elt api 0.1.0", "elt worker 0.1.0 on alpha", "x elt api 1 on y"] {
            assert_eq!(named(other), None, "{other}");
        }
    }

    #[test]
    fn only_servers_of_another_version_are_named() {
        let process = |version: &str, host: &str| ApiProcess { version: version.into(), host: host.into() };
        assert_eq!(version_skew(&[], "2.0.0"), None);
        assert_eq!(version_skew(&[process("2.0.0", "a"), process("2.0.0", "b")], "2.0.0"), None);
        let mixed = [process("1.9.0", "a"), process("2.0.0", "b"), process("2.1.0", "c")];
        let warning = version_skew(&mixed, "2.0.0").expect("they differ");
        assert!(warning.starts_with("API servers run other versions than 2.0.0: 1.9.0 (a), 2.1.0 (c). "), "{warning}");
    }
}
