//! The messages of a server: where each begins and ends, and whether it keeps the limits.

use std::fmt;

use super::limits::{self, AnswerLimits};
use super::traffic::Said;

/// The SQLSTATE of the error that the driver gets from the guard in place of a message that breaks a limit. PostgreSQL
/// uses no class `EL`.
pub const VIOLATION: &str = "EL001";

/// The SQLSTATE of the error that the driver gets from the guard when the server does not answer any more.
pub const SILENCE: &str = "EL002";

/// Whether the guard ended a connection because the server broke a limit.
pub fn is_violation(error: &sqlx::Error) -> bool {
    has_code(error, VIOLATION)
}

/// Why the guard gave a connection up whose server did not answer, as a sentence. `None`: that is not the error.
pub fn silence(error: &sqlx::Error) -> Option<String> {
    has_code(error, SILENCE).then(|| reason(error))
}

fn has_code(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|found| found == code)
}

/// What a server did that made the guard end a connection, for an error that [`is_violation`].
pub(in crate::target) fn reason(error: &sqlx::Error) -> String {
    error.as_database_error().map(|error| error.message().to_owned()).unwrap_or_default()
}

/// Bytes of the type and the length that every message begins with.
const HEADER: usize = 5;
/// What a password check that the server continues begins with: its kind, and the text of SCRAM.
const SASL_CONTINUE: u32 = 11;

/// What a server sent so far.
#[derive(Debug)]
pub(super) struct Messages {
    limits: AnswerLimits,
    /// Bytes of the current message that are still to come.
    rest: u64,
    /// Whether the server has not yet said that it is ready for the first statement.
    logging_in: bool,
    login: u64,
    rows: u64,
    settings: u64,
    said: Said,
}

/// How much of some bytes the driver may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Checked {
    /// That many bytes from the beginning may be forwarded.
    pub forward: usize,
    /// What is wrong with the message behind them. `None`: more bytes decide.
    pub violation: Option<Violation>,
}

/// A limit that a server broke. Its `Display` is half a sentence about the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Violation {
    /// A length that no message has.
    Length,
    /// A message is longer than is accepted.
    Message { bytes: u32, most: u32 },
    /// A login takes more bytes than is accepted.
    Login,
    /// All rows together are more than is accepted.
    Rows { most: u64 },
    /// The server announces settings without end.
    Settings,
    /// The server asks for hashing without end.
    Rounds,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => write!(f, "sent a message with a length that no message has"),
            Self::Message { bytes, most } => {
                write!(f, "announced a message of {bytes} bytes, of which at most {most} are read")
            }
            Self::Login => write!(f, "sent more than {} bytes during the login", limits::LOGIN),
            Self::Rows { most } => write!(f, "sent more than {most} bytes of rows, which is the most for one request"),
            Self::Settings => write!(f, "announced more than {} bytes of settings", limits::SETTINGS),
            Self::Rounds => {
                write!(f, "asked for more than {} rounds of hashing the password", limits::SCRAM_ROUNDS)
            }
        }
    }
}

impl Violation {
    /// The error message that the driver gets from the guard.
    pub fn message(self) -> Vec<u8> {
        last_message(VIOLATION, &format!("the server {self}"))
    }
}

/// The error message with which the guard ends a session.
pub(super) fn last_message(code: &str, text: &str) -> Vec<u8> {
    let fields = [('S', "FATAL"), ('V', "FATAL"), ('C', code), ('M', text)];
    let body: Vec<u8> =
        fields.iter().flat_map(|(kind, value)| [&[*kind as u8], value.as_bytes(), &[0]].concat()).chain([0]).collect();
    [b"E".as_slice(), &(body.len() as u32 + 4).to_be_bytes(), &body].concat()
}

impl Messages {
    pub fn new(limits: AnswerLimits) -> Self {
        Self { limits, rest: 0, logging_in: true, login: 0, rows: 0, settings: 0, said: Said::default() }
    }

    /// What the server said in the bytes that were checked since the last call.
    pub fn take_said(&mut self) -> Said {
        std::mem::take(&mut self.said)
    }

    /// Whether the bytes that were forwarded end within a message.
    pub fn is_within_message(&self) -> bool {
        self.rest > 0
    }

    /// Checks the bytes behind those that were forwarded before. A header, a message of the authentication, and the one that
    /// names the server's process are held back until they are whole.
    pub fn check(&mut self, bytes: &[u8]) -> Checked {
        let mut forward = 0;
        loop {
            let body = self.rest.min((bytes.len() - forward) as u64);
            self.rest -= body;
            forward += body as usize;
            let Some((header, behind)) = bytes[forward..].split_at_checked(HEADER) else {
                return Checked { forward, violation: None };
            };
            let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
            if let Err(violation) = self.admit(header[0], length) {
                return Checked { forward, violation: Some(violation) };
            }
            let body = length as usize - 4;
            if matches!(header[0], b'R' | b'K') {
                let Some(body) = behind.get(..body) else {
                    return Checked { forward, violation: None };
                };
                if header[0] == b'K' {
                    self.said.backend = body.first_chunk().map(|process| i32::from_be_bytes(*process));
                } else if asks_for_too_many_rounds(body) {
                    return Checked { forward, violation: Some(Violation::Rounds) };
                }
            }
            self.count(header[0], length);
            self.rest = body as u64;
            forward += HEADER;
        }
    }

    /// Whether a message may be as long as it announces.
    fn admit(&self, kind: u8, bytes: u32) -> Result<(), Violation> {
        let most = match kind {
            _ if bytes < 4 => return Err(Violation::Length),
            b'R' | b'K' => limits::AUTHENTICATION,
            _ if self.logging_in => limits::LOGIN_MESSAGE,
            b'D' | b'd' => self.limits.row,
            b'E' | b'N' => self.limits.error,
            _ => limits::OTHER_MESSAGE,
        };
        let with = |sum: u64| sum + u64::from(bytes);
        match kind {
            _ if bytes > most => Err(Violation::Message { bytes, most }),
            _ if self.logging_in && with(self.login) > limits::LOGIN => Err(Violation::Login),
            b'S' if with(self.settings) > limits::SETTINGS => Err(Violation::Settings),
            b'D' if with(self.rows) + limits::ROW_OVERHEAD > self.limits.rows => {
                Err(Violation::Rows { most: self.limits.rows })
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, kind: u8, bytes: u32) {
        let bytes = u64::from(bytes);
        match kind {
            b'D' => self.rows += bytes + limits::ROW_OVERHEAD,
            b'S' => self.settings += bytes,
            // The server is ready for the next request, and the driver stops reading rows of this one.
            b'Z' => {
                self.rows = 0;
                self.said.done += 1;
                self.said.copying = Some(false);
            }
            b'G' => self.said.copying = Some(true),
            _ => {}
        }
        if self.logging_in {
            self.login += bytes;
            self.logging_in = kind != b'Z';
        }
    }
}

/// Whether the body of an authentication message asks for more rounds than are acceptable, as in `r=…,s=…,i=4096`.
fn asks_for_too_many_rounds(body: &[u8]) -> bool {
    let Some((kind, text)) = body.split_at_checked(4) else { return false };
    if kind != SASL_CONTINUE.to_be_bytes() {
        return false;
    }
    let rounds = text.split(|byte| *byte == b',').filter_map(|part| part.strip_prefix(b"i="));
    rounds.into_iter().any(|rounds| {
        let rounds = std::str::from_utf8(rounds).ok().and_then(|rounds| rounds.parse::<u32>().ok());
        rounds.is_none_or(|rounds| rounds > limits::SCRAM_ROUNDS)
    })
}
