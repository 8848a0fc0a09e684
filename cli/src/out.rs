//! What commands print. A reader that went away (`elt report … | head`) is not a failure.

use std::io::{self, Write};

/// Prints a result.
pub fn print(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints what went wrong, or what someone should look at.
pub fn problem(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
