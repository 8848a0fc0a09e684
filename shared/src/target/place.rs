//! Where a run loads to, as far as its config says it: enough to recognise runs into the same server or table before a
//! connection is made.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::connect::address;
use crate::config::TargetConfig;
use crate::redaction;
use crate::secret::Secret;

/// The place that a config names as its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetPlace {
    /// Hash of host, port, database and login. It is a hash because a config may refer to secrets in any of them.
    pub server: String,
    /// Hash of the server and the table. Two spellings of one table have two hashes.
    pub table: String,
    /// `target db.example.com:5432/shop`, secrets hidden: for people.
    pub shown: String,
}

impl TargetPlace {
    /// The place of a target. `None`: the address cannot be used, which connecting will say. `default` is the process's own
    /// target, used by configs that name no server.
    pub fn of(target: &TargetConfig, default: Option<&Secret>) -> Option<Self> {
        let address = address(&target.database, default).ok()?;
        let server = hash(&[&address.server(), &address.user]);
        Some(Self {
            table: hash(&[&server, &target.table.to_string()]),
            shown: redaction::hide(&format!("target {}", address.server())).into_owned(),
            server,
        })
    }
}

/// The first 16 bytes of a hash of texts, in hexadecimal.
fn hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length keeps texts apart that are equal when written one after the other.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(16).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Document, NoReferences};

    fn place(target: &str) -> Option<TargetPlace> {
        let document = Document::parse(&format!("target: {target}\n")).expect("YAML");
        let default = Secret::new("postgres://elt:secret@127.0.0.1:5432/elt_db");
        TargetPlace::of(&document.target(&NoReferences).expect("a target").value, Some(&default))
    }

    #[test]
    fn one_server_is_one_place_however_it_is_written_and_shows_no_password() {
        let by_url = place("{url: \"postgres://ann:hunter2@db.example.com/shop\", table: a}").expect("a place");
        let by_parts =
            place("{host: db.example.com, database: shop, user: ann, password: other, table: b}").expect("a place");
        assert_eq!(by_url.server, by_parts.server);
        assert_ne!(by_url.table, by_parts.table);
        assert_eq!((by_url.shown.as_str(), by_url.server.len()), ("target db.example.com:5432/shop", 32));
        for other in ["{table: a}", "{host: db.example.com, database: shop, user: bob, password: x, table: a}"] {
            let other = place(other).expect("a place");
            assert_ne!((other.server, other.table), (by_url.server.clone(), by_url.table.clone()));
        }
    }

    #[test]
    fn an_address_that_cannot_be_used_is_no_place() {
        assert_eq!(place("{database: elsewhere, table: a}"), None);
        let document = Document::parse("target: {table: a}\n").expect("YAML");
        assert_eq!(TargetPlace::of(&document.target(&NoReferences).expect("a target").value, None), None);
    }
}
