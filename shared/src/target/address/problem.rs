//! Why a URL is refused. No sentence repeats a part of the URL, because any part may be a piece of a password.

/// Why a URL is not an address of a database. Each is a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressProblem {
    /// Another scheme, or no URL.
    #[error("expected a URL such as postgres://user:password@host:5432/database")]
    Form,
    /// White space, a control character or a text of an absurd length.
    #[error("the URL holds white space or a control character, which is written in percent-encoding (%20 for a space)")]
    Character,
    /// The URL has a `#`.
    #[error("the URL holds a # outside percent-encoding; write %23 for a # in a password")]
    Fragment,
    /// More than one unescaped `@`, or one behind a `/`.
    #[error("the URL holds an @ or / in the wrong place; write %40 for an @ and %2F for a / in a user or password")]
    At,
    /// `%` without two hexadecimal digits, bytes that are not UTF-8, or an encoded control character.
    #[error("the URL holds a percent-encoding that is not a text; write %25 for a % itself")]
    Encoding,
    /// The URL names no user.
    #[error("the URL names no user, expected postgres://user:password@host/database")]
    NoUser,
    /// No database, which the server would replace by the user's name.
    #[error("the URL names no database, expected postgres://user:password@host/database")]
    NoDatabase,
    /// An unescaped `/` in the database name.
    #[error("the URL names a path of more than one part; write %2F for a / in the database's name")]
    Path,
    /// A Unix socket, or no host.
    #[error(
        "a Unix socket is not a host here, expected the host in the URL itself, as in postgres://user@host/database"
    )]
    Socket,
    /// A list of hosts.
    #[error("the URL names several hosts; name the one that rows go to")]
    SeveralHosts,
    /// Characters that no host name has, or an address that cannot be read.
    #[error("the URL's host is not a host name or an address (IPv6 in brackets, without a zone)")]
    Host,
    /// Not 1 to 65535.
    #[error("the URL's port is not a number from 1 to 65535")]
    Port,
    /// A value that `sslmode` does not have.
    #[error("the URL's sslmode is not one of disable, allow, prefer, require, verify-ca and verify-full")]
    SslMode,
    /// A parameter written twice.
    #[error("the URL names the parameter {0} twice")]
    Twice(&'static str),
    /// A parameter that is known and refused.
    #[error("the URL parameter {name} is not accepted here; {instead}")]
    Refused {
        /// Name of the parameter.
        name: &'static str,
        /// What to write in its place.
        instead: &'static str,
    },
    /// An unknown parameter. Its name is not shown, because it may be a piece of a password.
    #[error("the URL has a parameter that elt does not know, expected sslmode alone; write %3F for a ? in a password")]
    Unknown,
}
