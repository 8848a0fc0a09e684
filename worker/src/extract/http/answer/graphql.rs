//! The errors of a GraphQL answer, which has the status 200 whatever happened.

use std::fs::File;
use std::io;

use elt_shared::json_path::Step;
use serde_json::Value;

use super::{Flaw, found};
use crate::extract::http::walk::Outline;

/// Most bytes of `errors` that are read.
const MOST_BYTES: u64 = 256 << 10;
/// Most errors that are compared with the data.
const MOST_COMPARED: usize = 20;
/// Most characters of a message that are repeated.
const MESSAGE_CHARACTERS: usize = 300;
/// Codes, in `extensions.code` or `type`, of an API that accepts no more calls for now.
const LIMITED: [&str; 4] = ["THROTTLED", "RATE_LIMITED", "RATE_LIMIT_EXCEEDED", "TOO_MANY_REQUESTS"];
/// Codes, in the same places, of errors that may concern one request only, and after which it may succeed.
const TRANSIENT: [&str; 4] = ["INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "SERVICE_ERROR", "TIMEOUT"];

/// Errors beside complete data.
#[derive(Debug, Clone)]
pub(in super::super) struct Tolerated {
    /// Number of the errors.
    pub(in super::super) count: usize,
    /// The first message as the API wrote it, which may repeat what was sent.
    pub(in super::super) message: String,
}

/// Checks the errors of an answer. Errors beside complete data are tolerated: each names a field that has a value all the
/// same. Any other error means that something is missing, so that rows would be lost.
///
/// # Errors
/// When the file cannot be read. The inner error is the first message.
pub(super) fn check(file: &mut File) -> io::Result<Result<Option<Tolerated>, Flaw>> {
    let steps = [Step::Member("errors".into())];
    let Some((outline, bytes)) = found::<Outline>(file, &steps)?.ok().and_then(|mut found| found.pop()) else {
        return Ok(Ok(None));
    };
    if matches!(outline, Outline::Null | Outline::Array(0)) {
        return Ok(Ok(None));
    }
    let errors = if bytes.end - bytes.start > MOST_BYTES {
        Vec::new()
    } else {
        match found::<Value>(file, &steps)?.ok().and_then(|mut found| found.pop()) {
            Some((Value::Array(errors), _)) => errors,
            Some((error, _)) => vec![error],
            None => Vec::new(),
        }
    };
    let message = errors.iter().find_map(|error| error["message"].as_str());
    let message = message.unwrap_or("without a message").to_owned();
    let mut is_complete = !errors.is_empty() && errors.len() <= MOST_COMPARED;
    for error in errors.iter().take(MOST_COMPARED) {
        is_complete = is_complete && has_value(file, error)?;
    }
    if is_complete {
        return Ok(Ok(Some(Tolerated { count: errors.len(), message })));
    }
    let limited = errors.iter().any(|error| has_code(error, &LIMITED));
    let is_transient = limited || errors.iter().any(|error| has_code(error, &TRANSIENT));
    Ok(Err(Flaw::GraphQl { message, is_transient, limited }))
}

/// Whether the field that an error names has a value in the data.
fn has_value(file: &mut File, error: &Value) -> io::Result<bool> {
    let Some(path) = error["path"].as_array().filter(|path| !path.is_empty()) else { return Ok(false) };
    let step = |step: &Value| match step {
        Value::String(name) => Some(Step::Member(name.clone())),
        Value::Number(index) => index.as_u64().and_then(|index| usize::try_from(index).ok()).map(Step::Element),
        _ => None,
    };
    let Some(mut steps) = path.iter().map(step).collect::<Option<Vec<_>>>() else { return Ok(false) };
    steps.insert(0, Step::Member("data".into()));
    let found = found::<Outline>(file, &steps)?.ok().and_then(|mut found| found.pop());
    Ok(found.is_some_and(|(value, _)| value != Outline::Null))
}

/// Whether an error has one of the codes, in whichever case it is written.
fn has_code(error: &Value, codes: &[&str]) -> bool {
    let written = [&error["extensions"]["code"], &error["type"]];
    written.iter().filter_map(|code| code.as_str()).any(|code| codes.contains(&code.to_ascii_uppercase().as_str()))
}

/// A message on one line, cut when it is long. Secrets must be taken out before, because the cut may go through one.
pub(in super::super) fn shortened(message: &str) -> String {
    let words: Vec<&str> =
        message.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(MESSAGE_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
