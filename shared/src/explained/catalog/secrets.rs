//! Codes of requests about secrets for configs.

use super::{Entry, OF_A_REQUEST, Seen};
use crate::explained::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::InvalidDescription,
        happened: "The description of a secret cannot be stored.",
        why: "It is too long, or has a line break.",
        next_step: "Shorten it to one line.",
        example: "a secret's description has up to 500 characters on one line",
        seen: &[Seen::Api(422), Seen::Cli],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidSecretName,
        happened: "The name of a secret cannot be used.",
        why: "A config could not refer to it: a name has letters, digits, `_`, `-` and `.`.",
        next_step: "Choose another name.",
        example: "a secret's name has 1 to 64 letters, digits, `_`, `-` and `.`",
        seen: &[Seen::Api(422), Seen::Cli],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidSecretValue,
        happened: "The value of a secret cannot be stored.",
        why: "It is too short to be hidden in messages, longer than 64 KiB, or has a NUL character.",
        next_step: "Send another value.",
        example: "a secret's value has 4 bytes to 64 KiB and no NUL character",
        seen: &[Seen::Api(422), Seen::Cli],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::SecretInUse,
        happened: "The secret cannot be removed, because pipelines refer to it.",
        why: "Their next runs would fail.",
        next_step: "Upload configs of these pipelines that do not refer to it and stop schedules that run an older one, or send \
            `?force=true`.",
        example: "the secret is used by orders and 2 others",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::SecretValueMissing,
        happened: "A new secret has no value.",
        why: "Only a secret that is stored already can be changed without its value.",
        next_step: "Send the value as well, or correct the name.",
        example: "there is no secret of this name yet, and a new one needs a value",
        seen: &[Seen::Api(422), Seen::Cli],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::TooManySecrets,
        happened: "As many secrets are stored as can be.",
        why: "The number of secrets has a bound.",
        next_step: "Remove secrets that no pipeline uses any more.",
        example: "1000 secrets are stored, and no more can be",
        seen: &[Seen::Api(409), Seen::Cli],
        ..OF_A_REQUEST
    },
];
