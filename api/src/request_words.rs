//! Sentences about requests that cannot be read, without the words of the libraries that read them.

use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;

/// What is wrong with a part of the address.
pub fn about_path(rejection: &PathRejection) -> String {
    let PathRejection::FailedToDeserializePathParams(failure) = rejection else {
        return "the address cannot be read".into();
    };
    match failure.kind() {
        ErrorKind::ParseError { value, expected_type }
        | ErrorKind::ParseErrorAtIndex { value, expected_type, .. }
        | ErrorKind::ParseErrorAtKey { value, expected_type, .. } => {
            format!("`{value}` in the address is not {}", type_word(expected_type))
        }
        ErrorKind::DeserializeError { value, message, .. } => {
            format!("`{value}` in the address is not valid: {}", ours(message))
        }
        ErrorKind::InvalidUtf8InPathParam { .. } => "the address has bytes that are not text (UTF-8)".into(),
        other => format!("the address cannot be read: {}", ours(&other.to_string())),
    }
}

/// What is wrong with a query or a body, of which axum says `said`.
pub fn about_content(said: &str) -> String {
    const BEGINNINGS: [(&str, &str); 3] = [
        ("Failed to deserialize query string: ", "the query is not understood: "),
        ("Failed to deserialize the JSON body into the target type: ", "the JSON is not what is expected here: "),
        ("Failed to parse the request body as JSON: ", "the body is not valid JSON: "),
    ];
    let begun = BEGINNINGS.iter().find_map(|(theirs, ours)| Some((*ours, said.strip_prefix(theirs)?)));
    let (beginning, rest) = begun.unwrap_or(("", said));
    format!("{beginning}{}", ours(rest))
}

/// A message of a parser in words that people know.
fn ours(message: &str) -> String {
    const WORDS: [(&str, &str); 14] = [
        (
            "Error parsing `multipart/form-data` request",
            "the multipart form cannot be read: it is cut off, or has no boundary",
        ),
        ("cannot parse integer from empty string", "expected a whole number, but it is empty"),
        ("invalid digit found in string", "expected a whole number"),
        ("number too large to fit in target type", "the number is too large"),
        ("number too small to fit in target type", "the number is too small"),
        ("provided string was not `true` or `false`", "expected true or false"),
        ("premature end of input", "expected a time, such as 2026-11-30T08:00:00Z"),
        ("input contains invalid characters", "expected a time, such as 2026-11-30T08:00:00Z"),
        ("expected i64", "expected a whole number"),
        ("expected i32", "expected a whole number"),
        ("expected u64", "expected a whole number of at least 0"),
        ("expected u32", "expected a whole number of at least 0"),
        ("expected f64", "expected a number"),
        ("expected struct ", "expected an object for "),
    ];
    let said = WORDS.iter().fold(message.to_owned(), |said, (theirs, ours)| said.replace(theirs, ours));
    without_details_of_ids(&said)
}

/// An id that cannot be read, without the character at which its parser gave up.
fn without_details_of_ids(said: &str) -> String {
    let Some(start) = said.find("UUID parsing failed") else { return said.to_owned() };
    let end = said[start..].find(" at line ").map_or(said.len(), |length| start + length);
    format!("{}expected an id, such as 01a21567-d506-7b2c-9a31-0c5c2f1f0b77{}", &said[..start], &said[end..])
}

fn type_word(expected: &str) -> &str {
    match expected {
        "i64" | "i32" | "u64" | "u32" | "usize" => "a whole number",
        "f64" => "a number",
        "bool" => "true or false",
        _ => "valid there",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_of_a_library_is_left() {
        let query = "Failed to deserialize query string: ";
        let json = "Failed to deserialize the JSON body into the target type: ";
        for (theirs, ours) in [
            (
                format!("{query}limit: invalid digit found in string"),
                "the query is not understood: limit: expected a whole number",
            ),
            (
                format!("{query}run_id: UUID parsing failed: invalid length: found 3"),
                "the query is not understood: run_id: expected an id, such as 01a21567-d506-7b2c-9a31-0c5c2f1f0b77",
            ),
            (
                format!("{json}config_id: invalid type: string \"x\", expected i64 at line 1 column 17"),
                "the JSON is not what is expected here: config_id: invalid type: string \"x\", expected a whole number \
                 at line 1 column 17",
            ),
            (
                format!("{json}run_id: UUID parsing failed: invalid character: found `s` at 0 at line 1 column 9"),
                "the JSON is not what is expected here: run_id: expected an id, such as \
                 01a21567-d506-7b2c-9a31-0c5c2f1f0b77 at line 1 column 9",
            ),
            (
                "Failed to parse the request body as JSON: EOF while parsing an object at line 1 column 1".to_owned(),
                "the body is not valid JSON: EOF while parsing an object at line 1 column 1",
            ),
        ] {
            assert_eq!(about_content(&theirs), ours);
        }
    }
}
