//! Codes of requests about channels for messages.

use super::{Entry, OF_A_REQUEST, Seen};
use crate::explained::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::InvalidChannel,
        happened: "The channel for messages cannot be stored.",
        why: "Its name cannot stand in a config, or no message could be sent to its address.",
        next_step: "Correct what the message names, and send it again.",
        example: "the channel cannot be used: webhook: expected an address that begins with https:// or http://",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::TooManyChannels,
        happened: "As many channels are stored as can be.",
        why: "The number of channels has a bound.",
        next_step: "Remove channels that no config names any more.",
        example: "100 channels are stored, and no more can be",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
];
