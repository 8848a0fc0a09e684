//! Reads a value from stdin, a file or a terminal. It is never an argument, because the process list shows arguments.

use std::io::{self, BufRead, IsTerminal, Read, StdinLock};
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::Context;
use elt_shared::secret::Secret;
use elt_shared::secret_file;
use nix::sys::termios::{self, LocalFlags, SetArg, SpecialCharacterIndices, Termios};

use crate::exit::{Exit, refuse};
use crate::out;

/// Most bytes read from stdin; more than a value may have.
const LONGEST: u64 = (64 << 10) + 3;
/// Most bytes of a line that a terminal passes on. It drops the rest without a sign.
const LONGEST_TYPED: usize = 4095;
/// What Ctrl-C sends while the terminal does not turn it into a signal.
const CTRL_C: u8 = 3;

/// The value of the secret `name`: from this file, else from stdin.
pub fn read(name: &str, file: Option<&Path>) -> anyhow::Result<Secret> {
    let stdin = io::stdin();
    let bytes = match file {
        Some(file) => {
            return secret_file::read(file).map(|file| file.secret).map_err(|error| {
                refuse(
                    Exit::Failed,
                    format!("could not read {}: {error}", file.display()),
                    "Name a file with the value, or pipe the value to stdin.",
                )
            });
        }
        None if stdin.is_terminal() => typed(name, stdin.lock())?,
        None => bounded(stdin.lock()).context("could not read the value from stdin")?,
    };
    let value = String::from_utf8(bytes)
        .map_err(|_| refuse(Exit::Failed, "the value is not UTF-8", "Store it in a text form, such as base64."))?;
    Ok(Secret::new(without_line_end(&value)))
}

fn bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A line that a person types, without showing it.
fn typed(name: &str, mut stdin: StdinLock<'_>) -> anyhow::Result<Vec<u8>> {
    let hidden = Hidden::begin().context("could not turn off the echo of the terminal")?;
    out::problem(&format!("value of {name} (not shown; use --file for several lines):"));
    let line = line(stdin.by_ref().take(LONGEST));
    drop(hidden);
    let line = line.context("could not read the value from the terminal")?;
    match line.last() {
        Some(&CTRL_C) => Err(refuse(Exit::Failed, "nothing was stored", "Run the command again to type the value.")),
        _ if line.len() >= LONGEST_TYPED => Err(refuse(
            Exit::Failed,
            "the value may be cut, because a terminal passes on at most 4095 bytes of a line: nothing was stored",
            "Write it to a file, and name that with --file.",
        )),
        _ => Ok(line),
    }
}

/// What is typed up to the end of the line, or to Ctrl-C.
fn line(from: impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    for byte in from.bytes() {
        line.push(byte?);
        if matches!(line.last(), Some(&(b'\n' | CTRL_C))) {
            break;
        }
    }
    Ok(line)
}

/// The terminal while it shows nothing of what is typed. It is as before when this value is dropped.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> nix::Result<Self> {
        let terminal = io::stdin();
        let before = termios::tcgetattr(terminal.as_fd())?;
        let mut hidden = before.clone();
        // Ctrl-C ends the line in place of the process, because nobody would turn the echo on again.
        hidden.local_flags.remove(LocalFlags::ECHO | LocalFlags::ISIG);
        hidden.control_chars[SpecialCharacterIndices::VEOL as usize] = CTRL_C;
        termios::tcsetattr(terminal.as_fd(), SetArg::TCSAFLUSH, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone has no echo to turn on.
        let _ = termios::tcsetattr(io::stdin().as_fd(), SetArg::TCSAFLUSH, &self.0);
    }
}

/// One line end at the end is not part of a value, because editors and `echo` add one.
fn without_line_end(text: &str) -> &str {
    let line = text.strip_suffix('\n').unwrap_or(text);
    line.strip_suffix('\r').unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_not_part_of_a_value() {
        for (text, value) in [("word\n", "word"), ("word\r\n", "word"), ("a\nb\n\n", "a\nb\n"), (" word ", " word ")] {
            assert_eq!(without_line_end(text), value);
        }
    }

    #[test]
    fn a_typed_line_ends_with_its_end_or_with_ctrl_c() {
        for (typed, read) in [("word\nmore", "word\n"), ("half\u{3}more\n", "half\u{3}"), ("end", "end")] {
            assert_eq!(line(typed.as_bytes()).unwrap(), read.as_bytes());
        }
    }

    #[test]
    fn a_value_is_read_from_a_regular_file_or_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("value");
        std::fs::write(&file, "in a file\r\n").unwrap();
        assert_eq!(read("x", Some(&file)).unwrap().expose(), "in a file");
        let refused = |path: &Path| read("x", Some(path)).unwrap_err().to_string();
        std::fs::write(&file, "x".repeat(1 << 20)).unwrap();
        assert!(refused(&file).contains("larger than 64 KiB"));
        std::fs::write(&file, b"\xff\xfe").unwrap();
        assert!(refused(&file).contains("not a text in UTF-8"));
        assert!(refused(&folder.path().join("missing")).contains("does not exist"));
        assert!(refused(folder.path()).contains("not a regular file"));
    }
}
