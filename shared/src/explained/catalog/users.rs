//! Codes of requests about users, logins and API tokens.

use super::{Entry, OF_A_REQUEST, Seen};
use crate::explained::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::CommonPassword,
        happened: "The password is one of the most common ones.",
        why: "Such passwords are tried first by attackers.",
        next_step: "Choose another password, several unrelated words for example.",
        example: "the password is one of the 10,000 most common ones",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::ExternalUser,
        happened: "The user logs in at an identity provider and has no password here.",
        why: "The user was created by a login there.",
        next_step: "Change the password there.",
        example: "this user logs in at the identity provider and has no password here",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidCredentials,
        happened: "The username or the password is wrong, or the user is locked out.",
        why: "The answer is the same in each case, so that it does not tell which users exist.",
        next_step: "Check both; an admin can set a new password.",
        example: "Invalid credentials",
        seen: &[Seen::Api(401)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidExpiry,
        happened: "The lifetime of an API token is too short or too long.",
        why: "`ELT_TOKEN_MAX_DAYS` sets the longest one.",
        next_step: "Choose a number of days in the range named.",
        example: "a token lives 1 to 366 days on this server",
        seen: &[Seen::Api(422), Seen::Cli],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidName,
        happened: "The name of an API token cannot be used.",
        why: "It is empty, too long, or has a control character.",
        next_step: "Choose another name.",
        example: "a token's name has 1 to 100 printable characters",
        seen: &[Seen::Api(422), Seen::Cli],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidPassword,
        happened: "The password is too short or too long.",
        why: "A password has 8 to 256 characters; one that is given in a setting may have 7.",
        next_step: "Choose another password.",
        example: "a password has 8 to 256 characters",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidPipelines,
        happened: "The list of pipelines of an API token cannot be used.",
        why: "It is empty, too long, or has something that is not a name.",
        next_step: "Name the pipelines, or none to allow all.",
        example: "expected the names of 1 to 100 pipelines; name none to allow all",
        seen: &[Seen::Api(422), Seen::Cli],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidUsername,
        happened: "The username cannot be used.",
        why: "It has 1 to 100 printable characters and does not start with `token:` or `cli:`, which the audit uses.",
        next_step: "Choose another name.",
        example: "a username has 1 to 100 printable characters",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::LastAdmin,
        happened: "The last admin who can log in cannot be removed, locked out or made a user.",
        why: "Nobody could manage the installation afterwards.",
        next_step: "Make another user an admin first.",
        example: "this is the last admin who can log in",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::LoginNotFinished,
        happened: "This browser has no login at the identity provider to finish.",
        why: "It was finished already, took too long, or was begun in another browser.",
        next_step: "Begin the login again.",
        example: "this browser has no login at the identity provider to finish",
        seen: &[Seen::Api(401)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::MissingScope,
        happened: "The API token does not have the scope for this.",
        why: "A token may do what its scopes say, and never more than its owner.",
        next_step: "Create a token that has the scope.",
        example: "this needs an API token with the scope `trigger`",
        seen: &[Seen::Api(403)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::NameTaken,
        happened: "The owner already has an API token with this name.",
        why: "Names are how tokens are told apart in lists and in the audit.",
        next_step: "Choose another name, or revoke that token first.",
        example: "there already is a token with this name",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::NoScopes,
        happened: "An API token was asked for without any scope.",
        why: "It could do nothing.",
        next_step: "Name at least one scope.",
        example: "name at least one scope",
        seen: &[Seen::Api(422), Seen::Cli],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::NoSecondFactor,
        happened: "There is no second factor of this kind to confirm or remove.",
        why: "It was never begun, or was removed.",
        next_step: "Begin with POST /auth/second-factor.",
        example: "there is no such second factor",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::OtherOwner,
        happened: "A token of another person can only be created by that person.",
        why: "An admin creates tokens of the own user and of service accounts.",
        next_step: "Let the person create it, or use a service account.",
        example: "a token of another person can only be created by that person",
        seen: &[Seen::Api(403)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::OtherPipeline,
        happened: "The API token is bound to other pipelines.",
        why: "A bound token reaches only the pipelines that it names, and their tables.",
        next_step: "Use a token that is bound to this pipeline, or one that is not bound.",
        example: "the API token is bound to other pipelines",
        seen: &[Seen::Api(403)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::ScopeNotAllowed,
        happened: "The owner of an API token may not have one of its scopes.",
        why: "A token cannot do what its owner may not do.",
        next_step: "Leave the scope out, or choose another owner.",
        example: "the scope `admin` is not open to ann",
        seen: &[Seen::Api(422), Seen::Cli],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::SecondFactorExists,
        happened: "The user has a second factor already.",
        why: "A user has one at a time.",
        next_step: "Remove it first with POST /auth/second-factor/remove.",
        example: "there already is a second factor",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::SecondFactorMissing,
        happened: "The installation asks for a second factor, and the user has none yet.",
        why: "`ELT_REQUIRE_TOTP` is set. Until it is set up, only the own account is open.",
        next_step: "Set it up on the page Account, or with POST /auth/second-factor.",
        example: "this installation asks for a second factor, and you have none yet",
        seen: &[Seen::Api(403)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::SecondFactorRequired,
        happened: "The login also needs a code of the authenticator app.",
        why: "The user has set up a second factor.",
        next_step: "Send the password again together with `code`: six digits, or a recovery code.",
        example: "this login also needs a code of the authenticator app",
        seen: &[Seen::Api(401)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::ServiceAccount,
        happened: "A service account has no password.",
        why: "Service accounts cannot log in; programs use API tokens.",
        next_step: "Create an API token for the service account.",
        example: "a service account has no password; create an API token for it",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::SessionOnly,
        happened: "An API token may not do this, whatever its scopes.",
        why: "Passwords, second factors, users and tokens are managed by people only.",
        next_step: "Log in as a person and do it there.",
        example: "an API token may not do this, whatever its scopes",
        seen: &[Seen::Api(403)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::TooManyTokens,
        happened: "The owner has as many API tokens as the server allows.",
        why: "`ELT_TOKENS_PER_OWNER` sets how many an owner may have at a time; within 24 hours an owner may create ten \
            times as many, revoked ones included.",
        next_step: "Revoke tokens that are not used any more. If ten times the limit were created within 24 hours, wait: \
            revoking does not help then.",
        example: "ci has as many API tokens as this server allows",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::UsernameTaken,
        happened: "There is a user with this name already.",
        why: "Usernames are unique.",
        next_step: "Choose another name.",
        example: "there already is a user ann",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::WrongCode,
        happened: "The code of the authenticator app is wrong, or was used before.",
        why: "A code is valid for half a minute and once; the clock of the device may be wrong.",
        next_step: "Wait for the next code of the app.",
        example: "the code is wrong, or was used before",
        seen: &[Seen::Api(401), Seen::Api(403)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::WrongPassword,
        happened: "The password that confirms a change is wrong.",
        why: "Changing a login needs the password again, because a stolen session must not be enough.",
        next_step: "Send the right password.",
        example: "the password is wrong",
        seen: &[Seen::Api(403)],
        ..OF_A_REQUEST
    },
];
