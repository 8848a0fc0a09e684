//! Codes of HTTP requests in general.

use super::{Entry, OF_A_REQUEST, Seen};
use crate::explained::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::BadRequest,
        happened: "The request cannot be understood.",
        why: "It is not valid HTTP for this address.",
        next_step: "Look at `/docs` for what the address takes.",
        example: "bad request",
        seen: &[Seen::Api(400)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::Conflict,
        happened: "Things are not as the request needs them.",
        why: "Another request or a run changed them first.",
        next_step: "Read the thing again (GET), check whether the change is still wanted, and send it again.",
        example: "conflict",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::DatabaseReadOnly,
        happened: "The control database cannot be written to at the moment.",
        why: "`DATABASE_URL` leads to a standby, as during a failover, or the database or the login was made read-only.",
        next_step: "Promote the standby, name the primary server in `DATABASE_URL`, or turn \
            `default_transaction_read_only` off. Then send the request again.",
        example: "the control database is read-only at the moment",
        seen: &[Seen::Api(503)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::Forbidden,
        happened: "The role of the caller may not do this.",
        why: "Most changes need the role admin, and an API token never may do more than its owner.",
        next_step: "Ask an admin.",
        example: "this needs the role admin",
        seen: &[Seen::Api(403)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::IdempotencyKeyReused,
        happened: "The Idempotency-Key was used for another request before.",
        why: "A key stands for one request, so that a repeated request does its work once.",
        next_step: "Take a new UUID for each request.",
        example: "this Idempotency-Key was used for another request; take a new one for each",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidBody,
        happened: "The body of the request cannot be read.",
        why: "It was cut off, or is not UTF-8.",
        next_step: "Send it again; `/docs` shows what the address takes.",
        example: "the body of the request could not be read",
        seen: &[Seen::Api(400), Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidCursor,
        happened: "The cursor is not one that this list or table gave out.",
        why: "It was changed, or belongs to another list.",
        next_step: "Start again from the first page.",
        example: "the cursor is not one this list gave out",
        seen: &[Seen::Api(400)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidFilter,
        happened: "The value of a filter does not fit its column.",
        why: "A column of numbers or dates is compared with a text, for example.",
        next_step: "Use a value of the column's type.",
        example: "a filter's value does not fit its column: invalid input syntax for type integer",
        seen: &[Seen::Api(400)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidForm,
        happened: "The form in the request cannot be read.",
        why: "A field is missing, or the Content-Type is another one.",
        next_step: "Look at `/docs` for the fields of the form.",
        example: "Failed to deserialize form: missing field `name`",
        seen: &[Seen::Api(400), Seen::Api(415), Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidIdempotencyKey,
        happened: "The Idempotency-Key has no usable value.",
        why: "It has 1 to 255 printable characters.",
        next_step: "Take a new UUID for each request.",
        example: "Idempotency-Key has 1 to 255 printable characters",
        seen: &[Seen::Api(400)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidIds,
        happened: "The list of quarantined rows is empty or too long.",
        why: "A replay names 1 to 10,000 rows, or none to replay all.",
        next_step: "Correct the list and send it again.",
        example: "ids holds 1 to 10000 rows; leave it out to replay all",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidJson,
        happened: "The JSON of the request cannot be read, or is not what the address expects.",
        why: "It is not valid JSON, has an unknown or missing member, or the Content-Type is not application/json.",
        next_step: "Look at `/docs` for the members that the address takes.",
        example: "the JSON is not what is expected here: missing field `password` at line 1 column 20",
        seen: &[Seen::Api(400), Seen::Api(415), Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidMultipart,
        happened: "The multipart form of the request cannot be read.",
        why: "It was cut off, or has no boundary.",
        next_step: "Send the file in the form field `file`.",
        example: "the multipart form cannot be read: it is cut off, or has no boundary",
        seen: &[Seen::Api(400), Seen::Api(413), Seen::Api(415)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidPath,
        happened: "A part of the address cannot be read.",
        why: "It is not a UUID or number where one is expected.",
        next_step: "Check the address; `/docs` lists what there is.",
        example: "`seven` in the address is not valid: expected an id, such as 01a21567-d506-7b2c-9a31-0c5c2f1f0b77",
        seen: &[Seen::Api(400)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidQuery,
        happened: "A parameter of the request cannot be used.",
        why: "It is unknown, not of the right kind, or out of range.",
        next_step: "Look at `/docs` for the parameters of the address.",
        example: "the query is not understood: unknown field `limti`",
        seen: &[Seen::Api(400)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::MethodNotAllowed,
        happened: "The address does not take this method.",
        why: "The method is another one than the address has.",
        next_step: "Use one of the methods in the `Allow` header.",
        example: "this address does not take that method",
        seen: &[Seen::Api(405)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::NotFound,
        happened: "There is nothing at this address, or no such thing.",
        why: "The id is wrong, the thing was deleted, or the caller's token is bound to other pipelines.",
        next_step: "Check the address; `/docs` lists what there is.",
        example: "there is no run 01a21567-d506-7b2c-9a31-0c5c2f1f0b77",
        seen: &[Seen::Api(404)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::NulCharacter,
        happened: "A text of the request has a NUL character.",
        why: "PostgreSQL cannot store it.",
        next_step: "Remove the character and send the request again.",
        example: "the query contains a NUL character, which cannot be stored",
        seen: &[Seen::Api(400)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::SearchTooSlow,
        happened: "A search in the log lines was ended, because it took too long.",
        why: "Lines with a text, or of one process, are found by reading all lines of the time span, which can be millions.",
        next_step: "Narrow the time span with `since` and `until`, or look for a level, a run or a request.",
        example: "the search was ended after 5 s, because too many lines had to be read",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::TooLarge,
        happened: "The request is larger than it may be.",
        why: "A config may have 256 KiB.",
        next_step: "Send less, or split the config.",
        example: "the YAML has 300000 bytes; 262144 are allowed",
        seen: &[Seen::Api(413)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::TooManyRequests,
        happened: "Too many requests or attempts came in a short time.",
        why: "Logins, second factors and API tokens have a rate limit (`ELT_TOKEN_RATE`).",
        next_step: "Try again after the time in the `Retry-After` header.",
        example: "too many attempts; wait 30 seconds",
        seen: &[Seen::Api(429)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::Unauthorized,
        happened: "The request has no valid token.",
        why: "The token is missing, has expired or was revoked, or its owner was locked out.",
        next_step: "Log in with POST /auth/login and send the token as `Authorization: Bearer …`, or create a new API \
            token.",
        example: "the token is no longer valid: log in again",
        seen: &[Seen::Api(401)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::Unavailable,
        happened: "Something that the server depends on is away for the moment.",
        why: "The control database is down, busy or slow, the identity provider does not answer, or the process is \
            stopping.",
        next_step: "Try again after the time in the `Retry-After` header.",
        example: "the database is away for the moment",
        seen: &[Seen::Api(503)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::Unprocessable,
        happened: "The request is well-formed, but its content cannot be used.",
        why: "A value is not one that the address accepts.",
        next_step: "Correct it and send it again.",
        example: "the request cannot be processed",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::UnstorableValue,
        happened: "A value of the request cannot be stored.",
        why: "It has a NUL character, or is a date out of range.",
        next_step: "Correct the value and send it again.",
        example: "a value cannot be stored: it contains a NUL character, or a date that is out of range",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::UnsupportedMediaType,
        happened: "The Content-Type of the request is not one that the address takes.",
        why: "The header is missing, or names another format.",
        next_step: "Look at `/docs` for what the address takes.",
        example: "Expected request with `Content-Type: application/json`",
        seen: &[Seen::Api(415)],
        ..OF_A_REQUEST
    },
];
