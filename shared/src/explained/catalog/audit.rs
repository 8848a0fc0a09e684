//! Codes of a verification of the audit.

use super::{Entry, OF_A_COMMAND, Seen};
use crate::explained::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::AuditEndUnsigned,
        happened: "The end of the audit's chain is not the one that was signed.",
        why: "Rows may have been removed there, or the control database was restored from a backup.",
        next_step: "Compare the audit with a backup or an earlier export, and find out who can log in to the database \
            as owner or superuser.",
        example: "the end of the chain is not the one that was signed: rows may have been removed there",
        seen: &[Seen::Api(200), Seen::Cli],
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::AuditKnownRowMissing,
        happened: "The row that is known from an earlier verification is not in the audit.",
        why: "The audit was replaced by an older state, or rows were written anew.",
        next_step: "Compare the audit with a backup or an earlier export, and find out who can log in to the database \
            as owner or superuser.",
        example: "row 4211 is not the one that is known from an earlier verification",
        seen: &[Seen::Api(200), Seen::Cli],
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::AuditRowChanged,
        happened: "A row of the audit was changed after it was written.",
        why: "Somebody with the rights of the database's owner changed it.",
        next_step: "Compare the audit with a backup or an earlier export, and find out who can log in to the database \
            as owner or superuser.",
        example: "row 4211 was changed",
        seen: &[Seen::Api(200), Seen::Cli],
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::AuditRowMissing,
        happened: "A row in the middle of the audit is missing.",
        why: "Somebody with the rights of the database's owner deleted it.",
        next_step: "Compare the audit with a backup or an earlier export, and find out who can log in to the database \
            as owner or superuser.",
        example: "row 4211 is missing",
        seen: &[Seen::Api(200), Seen::Cli],
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::AuditTruncated,
        happened: "Rows at the end of the audit are missing.",
        why: "Somebody with the rights of the database's owner deleted them.",
        next_step: "Compare the audit with a backup or an earlier export, and find out who can log in to the database \
            as owner or superuser.",
        example: "the rows after 4211 are missing: the chain ends at 4230",
        seen: &[Seen::Api(200), Seen::Cli],
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::AuditUnchained,
        happened: "The number of rows outside the chain is not the one that was signed.",
        why: "Rows that retention removed are there again, or rows from before the chain were added or removed.",
        next_step: "Compare the audit with a backup or an earlier export, and find out who can log in to the database \
            as owner or superuser.",
        example: "3 rows are not in the chain, and 0 should be",
        seen: &[Seen::Api(200), Seen::Cli],
        ..OF_A_COMMAND
    },
];
