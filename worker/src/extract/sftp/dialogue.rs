//! The password in a dialogue (`keyboard-interactive`): the server asks, in words of its own. A password is only given to a
//! question for the password, and only once.

use elt_shared::secret::Secret;
use russh::MethodSet;
use russh::client::{KeyboardInteractiveAuthResponse, Prompt};

use super::login::{Answer, Failure, Ssh};

/// Number of requests of a server after which its dialogue counts as a refusal.
const MAX_REQUESTS: usize = 5;
/// Most characters of a question that are shown.
const SHOWN_CHARACTERS: usize = 80;

/// What a question asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Password,
    Other,
}

/// Goes through the dialogue.
pub(super) async fn answer(
    ssh: &mut Ssh,
    user: &str,
    password: &Secret,
    offers: &MethodSet,
) -> Result<Answer, Failure> {
    let refused = || Answer::Refused { offers: offers.clone(), wants_more: false };
    let mut given = false;
    let mut response = ssh.authenticate_keyboard_interactive_start(user, None).await?;
    for _ in 0..MAX_REQUESTS {
        response = match response {
            KeyboardInteractiveAuthResponse::Success => return Ok(Answer::LetIn),
            KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success } => {
                return Ok(Answer::Refused { offers: remaining_methods, wants_more: partial_success });
            }
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                if let Some(other) = prompts.iter().find(|prompt| asked(prompt) == Asked::Other) {
                    return Err(Failure::AsksMore(shown(&other.prompt)));
                }
                if given && !prompts.is_empty() {
                    // It asks again because the password was wrong.
                    return Ok(refused());
                }
                given |= !prompts.is_empty();
                let answers = prompts.iter().map(|_| password.expose().to_owned()).collect();
                ssh.authenticate_keyboard_interactive_respond(answers).await?
            }
        };
    }
    Ok(refused())
}

/// What a prompt asks for, by its words. A question in another language for something that is not shown while it is typed
/// is taken for one for the password.
fn asked(prompt: &Prompt) -> Asked {
    let text = prompt.prompt.to_lowercase();
    // The names of the account and the server say nothing about the question.
    let said = text.split_whitespace().filter(|word| !word.contains('@'));
    let words = said.flat_map(|word| word.split(|c: char| !c.is_alphanumeric()));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let has = |any: &[&str]| words.iter().any(|word| any.contains(word));
    let one_time = words.windows(2).any(|pair| pair == ["one", "time"]) || has(&["onetime", "otp", "totp", "hotp"]);
    // These are asked for when a password has expired.
    let changes = has(&["new", "current", "old", "retype", "again", "repeat", "confirm"]);
    let code =
        has(&["code", "passcode", "token", "pin", "verification", "factor", "authenticator", "duo", "challenge"]);
    let names_password = has(&["password", "passwort", "passwd", "kennwort"]);
    match () {
        () if one_time || changes => Asked::Other,
        () if names_password => Asked::Password,
        () if code || prompt.echo => Asked::Other,
        () => Asked::Password,
    }
}

/// The question as people see it.
fn shown(prompt: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    prompt.trim().chars().map(printable).take(SHOWN_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_for_the_password_is_told_from_others() {
        let asked = |text: &str, echo| asked(&Prompt { prompt: text.into(), echo });
        for text in [
            "Password: ",
            "(ann@files) Password:",
            "new@code-server's password: ",
            "Password for shop-otp@files.example.com:",
            "Passwort: ",
            "Mot de passe : ",
            "パスワード:",
            "",
        ] {
            assert_eq!(asked(text, false), Asked::Password, "{text}");
        }
        for text in [
            "Verification code: ",
            "One-time password (OATH) for `ann': ",
            "Enter your OTP:",
            "Passcode or option (1-3): ",
            "(current) UNIX password: ",
            "New password:",
            "Retype new password: ",
            "Token_Response: token",
        ] {
            assert_eq!(asked(text, false), Asked::Other, "{text}");
        }
        assert_eq!(asked("Which server?", true), Asked::Other);
        assert_eq!(asked("Password:", true), Asked::Password);
    }

    #[test]
    fn a_question_is_shown_in_one_short_line() {
        assert_eq!(shown(" Code\r\nfrom\u{1b}[31m app: "), "Code  from [31m app:");
        assert_eq!(shown(&"x".repeat(500)).len(), SHOWN_CHARACTERS);
    }
}
