//! Codes of logins at an identity provider. The login page shows their sentences.

use super::{AT_A_LOGIN, Entry};
use crate::explained::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::Busy,
        happened: "Too many logins are finished at the same time.",
        why: "The server does only a few at once.",
        next_step: "Log in again in a moment.",
        example: "too many logins at once",
        ..AT_A_LOGIN
    },
    Entry {
        code: Code::Cancelled,
        happened: "The identity provider did not log the person in.",
        why: "The login was cancelled there, or the provider refused it.",
        next_step: "Log in again; if it is refused again, ask the provider's admin.",
        example: "the provider did not log the person in",
        ..AT_A_LOGIN
    },
    Entry {
        code: Code::Disabled,
        happened: "The user is locked out.",
        why: "An admin locked the user out of this installation.",
        next_step: "Ask an admin.",
        example: "the user is locked out",
        ..AT_A_LOGIN
    },
    Entry {
        code: Code::Failed,
        happened: "The login failed because of a fault of this installation.",
        why: "The reason is in the server's log.",
        next_step: "Look for the request's id in the log.",
        example: "something went wrong on the server",
        ..AT_A_LOGIN
    },
    Entry {
        code: Code::InvalidAnswer,
        happened: "The answer of the identity provider is not valid.",
        why: "The code was refused, or the ID token has a wrong signature, issuer, audience or time.",
        next_step: "Check the client's id and secret at the provider, and the clocks of both machines.",
        example: "the provider's answer is not valid",
        ..AT_A_LOGIN
    },
    Entry {
        code: Code::NoRole,
        happened: "No group of the person has a role here.",
        why: "`ELT_OIDC_ADMIN_GROUPS` and `ELT_OIDC_USER_GROUPS` name the groups that may log in.",
        next_step: "Ask the provider's admin to add the person to one of these groups.",
        example: "no group of the person has a role",
        ..AT_A_LOGIN
    },
    Entry {
        code: Code::OtherBrowser,
        happened: "The login was begun in another browser.",
        why: "The cookie of the login is missing: cookies are blocked, or the link was opened elsewhere.",
        next_step: "Begin the login again in this browser.",
        example: "this browser did not begin the login",
        ..AT_A_LOGIN
    },
    Entry {
        code: Code::OtherProvider,
        happened: "The answer comes from another identity provider than the login was begun with.",
        why: "Two providers were mixed up, or somebody tries to.",
        next_step: "Begin the login again.",
        example: "the answer is another provider's",
        ..AT_A_LOGIN
    },
    Entry {
        code: Code::ProviderAway,
        happened: "The identity provider does not answer.",
        why: "It is down, or not in reach of the server.",
        next_step: "Log in again later, or with a local user.",
        example: "the provider does not answer",
        ..AT_A_LOGIN
    },
];
