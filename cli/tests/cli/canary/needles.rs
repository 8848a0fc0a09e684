//! What is sought: each secret as it is written, in Base64 and in hexadecimal.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Secrets, each with the place it stands in.
#[derive(Debug, Default)]
pub struct Needles(Vec<(String, String)>);

impl Needles {
    /// A new secret for a place. It looks generated, and nothing else looks like it.
    pub fn plant(&mut self, place: &str) -> String {
        let secret = format!("K4nry{:03}aB7xQ9zE3mT", self.0.len());
        self.add(place, &secret);
        secret
    }

    /// A secret that elt made itself.
    pub fn add(&mut self, place: &str, secret: &str) {
        assert!(secret.len() >= 8, "{place}: {secret:?} is found by chance");
        self.0.push((place.to_owned(), secret.to_owned()));
        let hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.0.push((format!("{place}, in hexadecimal"), hex));
        for before in 0..3 {
            // Base64 writes three bytes as four characters, so what stands before shifts it. The ends depend on the
            // neighbours and are left out.
            let encoded = BASE64_STANDARD.encode([&vec![0; before], secret.as_bytes()].concat());
            let inside = encoded[4 * usize::from(before > 0)..].trim_end_matches('=');
            self.0.push((format!("{place}, in Base64"), inside[..inside.len() - 2].to_owned()));
        }
    }

    /// The places whose secrets stand in a text.
    pub fn in_text(&self, text: &str) -> BTreeSet<&str> {
        self.0.iter().filter(|(_, needle)| text.contains(needle)).map(|(place, _)| place.as_str()).collect()
    }

    /// `file: place` of each file below a folder in which a secret stands, also in binary files.
    pub fn in_folder(&self, folder: &Path, without: &[&str]) -> BTreeSet<String> {
        let patterns = tempfile::NamedTempFile::new().expect("a file");
        let lines: Vec<&str> = self.0.iter().map(|(_, needle)| needle.as_str()).collect();
        std::fs::write(patterns.path(), lines.join("\n")).expect("written");
        let mut grep = Command::new("grep");
        grep.args(["--recursive", "--text", "--only-matching", "--fixed-strings"]);
        grep.args(without.iter().map(|name| format!("--exclude={name}")));
        grep.arg("--file").arg(patterns.path()).arg(folder);
        let output = grep.output().expect("grep searches");
        assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
        let found = String::from_utf8_lossy(&output.stdout).into_owned();
        let place = |needle: &str| self.0.iter().find(|(_, of)| of == needle).map_or("?", |(place, _)| place);
        found
            .lines()
            .filter_map(|line| line.rsplit_once(':'))
            .map(|(file, needle)| format!("{file}: {}", place(needle)))
            .collect()
    }
}
