//! The person at the terminal, as the audit names them.

use nix::unistd::{User, getuid};

/// `cli:` and the name of the account that runs this process, or its number when it has no name.
pub fn operator() -> String {
    let account = User::from_uid(getuid()).ok().flatten();
    format!("cli:{}", account.map_or_else(|| getuid().to_string(), |account| account.name))
}
