//! Rules for the passwords that people choose.

use std::collections::HashSet;
use std::sync::LazyLock;

/// The 10,000 passwords that attackers try first, in lower case and in alphabetical order, one a line. They are the most
/// frequent ones of leaked passwords, taken from the lists of zxcvbn 4.5 (MIT), and the usual words of administrators.
static COMMON: LazyLock<Vec<&'static str>> = LazyLock::new(|| include_str!("common.txt").lines().collect());

/// Neighbouring keys, and letters and digits in their order. Each row counts backwards, too.
const ROWS: [&str; 6] =
    ["01234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "qwertzuiop", "asdfghjkl", "zxcvbnm"];

/// Number of different characters that a password must have. One with fewer is quickly guessed, however long it is.
const FEWEST_DIFFERENT: usize = 4;

/// Whether a password is one of the first that attackers try: a common word, perhaps with digits and signs around it
/// or in place of letters (`P4ssw0rd!2026`), a row of keys, or the same few characters again and again.
pub(super) fn is_common(password: &str) -> bool {
    let password = password.to_lowercase();
    let different: HashSet<char> = password.chars().collect();
    different.len() < FEWEST_DIFFERENT || is_row(&password) || words(&password).any(|word| is_listed(&word))
}

fn is_listed(word: &str) -> bool {
    COMMON.binary_search(&word).is_ok()
}

/// The password itself, and the word it is made of, as written and with the letters that digits and signs stand for.
fn words(password: &str) -> impl Iterator<Item = String> {
    let bare = |text: &str| text.trim_matches(|c: char| !c.is_alphabetic()).to_owned();
    // Digits and signs at the end are more often a year or an exclamation mark than letters: `4dmin2026`, `pa55word!`.
    let start = password.trim_end_matches(|c: char| !c.is_alphabetic());
    let spelled = |one: char| bare(&start.chars().map(|c| letter(c, one)).collect::<String>());
    [password.to_owned(), bare(password), spelled('l'), spelled('i'), twice(password)].into_iter()
}

/// The letter that a digit or sign looks like.
fn letter(character: char, one: char) -> char {
    match character {
        '0' => 'o',
        '1' | '!' | '|' => one,
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        '8' => 'b',
        other => other,
    }
}

/// The first half of a password that is written twice (`testtest`), or nothing.
fn twice(password: &str) -> String {
    let (first, second) = password.split_at(password.floor_char_boundary(password.len() / 2));
    if first == second { first.to_owned() } else { String::new() }
}

/// Whether all characters follow each other on the keyboard, in the alphabet or in counting, once or repeatedly.
fn is_row(password: &str) -> bool {
    let characters: Vec<char> = password.chars().collect();
    let neighbours = |pair: &[char]| {
        let forwards: String = pair.iter().collect();
        let backwards: String = pair.iter().rev().collect();
        ROWS.iter().any(|row| row.contains(&forwards) || row.contains(&backwards))
    };
    // A repeated row breaks once in four characters at most: `1234512345`, `qwerqwer`.
    let breaks = characters.windows(2).filter(|pair| !neighbours(pair)).count();
    breaks * 4 <= characters.len().saturating_sub(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_guesses_are_recognised_however_they_are_decorated() {
        for password in [
            "password",
            "Password1",
            "P4ssw0rd!",
            "pa55word2026",
            "aaaaaaaa",
            "abababab",
            "12345678",
            "87654321",
            "1234512345",
            "qwertyui",
            "qwerqwer",
            "1q1q1q1q",
            "admin123",
            "Admin1234!",
            "4dm1n2026",
            "!!welcome!!",
            "testtest",
            "iloveyou2",
            "postgres1",
            "letmein!",
            "changeme",
            "asdfghjkl1",
        ] {
            assert!(is_common(password), "{password}");
        }
    }

    #[test]
    fn the_ten_thousand_common_ones_are_all_refused() {
        assert_eq!(COMMON.len(), 10_000);
        assert!(COMMON.is_sorted(), "the list is searched by halves");
        let accepted: Vec<&&str> = COMMON.iter().filter(|password| !is_common(password)).collect();
        assert!(accepted.is_empty(), "{accepted:?}");
        for password in ["trustno1", "ncc1701d", "1qaz2wsx", "q1w2e3r4t5", "Charlie2026!", "M1ch43l!!", "zaq12wsx"] {
            assert!(is_common(password), "{password}");
        }
    }

    #[test]
    fn other_passwords_are_accepted() {
        for password in [
            "correct horse",
            "a new password",
            "user123 is me",
            "kX9#vQ2m",
            "demo-of-elt",
            "Blaukraut bleibt",
            "0c6e1b9d4f2a",
            "夜明け前の静かな海",
            "password of my own",
        ] {
            assert!(!is_common(password), "{password}");
        }
    }
}
