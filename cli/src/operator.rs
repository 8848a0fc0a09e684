//! The person at the terminal, as the audit names them.

use std::sync::OnceLock;

use nix::unistd::{Uid, User, getuid};

/// The account that started this process. It may give up its rights later, and the audit names who it was.
static STARTED_BY: OnceLock<Uid> = OnceLock::new();

/// Keeps the account that started this process. `main` calls it first.
pub fn remember() {
    STARTED_BY.get_or_init(getuid);
}

/// `cli:` and the name of the account that started this process, or its number when it has no name.
pub fn operator() -> String {
    let account = *STARTED_BY.get_or_init(getuid);
    let name = User::from_uid(account).ok().flatten().map(|account| account.name);
    format!("cli:{}", name.unwrap_or_else(|| account.to_string()))
}
