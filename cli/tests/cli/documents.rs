//! What the documents name is there: settings, commands, scripts, files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Folder, elt, run};

/// The documents of the repository: the README, and every Markdown file in these folders.
fn documents() -> Vec<String> {
    let folders = [
        "docs",
        "docs/adr",
        "docs/operate",
        "docs/reference",
        "docs/sources",
        "docs/use",
        "deploy",
        "deploy/helm/elt",
        "deploy/secrets",
        "supply",
        "migrations",
        "demo",
        "dashboard",
    ];
    let in_folder = |folder: &str| {
        let entries = fs::read_dir(root().join(folder)).expect(folder).flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".md")).map(|name| format!("{folder}/{name}")).collect::<Vec<_>>()
    };
    let mut documents = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(ToOwned::to_owned).to_vec();
    documents.extend(folders.into_iter().flat_map(in_folder));
    documents
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

/// Those in `docs` and below.
fn docs() -> Vec<String> {
    documents().into_iter().filter(|name| name.starts_with("docs/")).collect()
}

fn read(document: &str) -> String {
    fs::read_to_string(root().join(document)).expect(document)
}

fn help(arguments: &[&str]) -> Option<String> {
    let folder = Folder::new();
    let said = run(elt(&folder, &[arguments, &["--help"]].concat()));
    (said.code == Some(0)).then_some(said.stdout)
}

/// Words of a text that could be names of settings.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_'));
    let is_name = |word: &&str| word.starts_with("ELT_") || word.starts_with("DATABASE_URL");
    words.filter(is_name).map(ToOwned::to_owned).collect()
}

/// Variables in the help of the commands that run for long, such as `[env: ELT_LISTEN=]`.
fn settings() -> BTreeSet<String> {
    let commands = ["up", "serve", "worker", "migrate", "run", "user", "put"];
    let helps = commands.map(|command| help(&[command]).expect("a help"));
    let variables = helps.iter().flat_map(|help| help.split("[env: ").skip(1));
    variables.filter_map(|rest| rest.split(['=', ']']).next()).map(ToOwned::to_owned).collect()
}

#[test]
fn every_setting_that_a_document_names_exists() {
    let settings = settings();
    assert!(settings.contains("ELT_LISTEN") && settings.contains("DATABASE_URL"), "{settings:?}");
    for document in docs().iter().map(String::as_str).chain(["README.md"]) {
        for name in names(&read(document)) {
            let plain = name.strip_suffix("_FILE").unwrap_or(&name);
            // A variable of `deploy/postgres/init.sh`.
            let is_own = plain == "ELT_SECRETS";
            let is_known = settings.contains(&name) || settings.contains(plain) || is_own;
            assert!(is_known, "{document} names {name}, which no command has");
        }
    }
}

#[test]
fn every_setting_is_in_the_readme() {
    let readme = names(&read("README.md"));
    let missing: Vec<String> = settings()
        .into_iter()
        .filter(|name| (name.starts_with("ELT_") || name.starts_with("DATABASE_")) && !readme.contains(name))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    for document in documents() {
        let text = read(&document);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let file = match path {
                "" => root().join(&document),
                path => root().join(&document).parent().expect("a folder").join(path),
            };
            assert!(file.exists(), "{document}: {link}");
            if !heading.is_empty() {
                let text = fs::read_to_string(&file).expect("a text");
                let anchors = text.lines().filter(|line| line.starts_with('#')).map(anchor);
                assert!(anchors.into_iter().any(|anchor| anchor == heading), "{document}: {link}");
            }
        }
    }
}

/// As GitHub makes one of a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.collect::<String>().replace(' ', "-")
}

/// Texts between backticks, on one line, each with the text that stands between it and the one before.
fn code_spans(text: &str) -> Vec<(&str, &str)> {
    let of_line = |line| {
        let parts: Vec<&str> = str::split(line, '`').collect();
        (1..parts.len()).step_by(2).map(|at| (parts[at - 1], parts[at])).collect::<Vec<_>>()
    };
    text.lines().flat_map(of_line).collect()
}

#[test]
fn every_command_in_the_documents_exists() {
    let makefile = read("Makefile");
    let texts: Vec<String> = docs().iter().map(|document| read(document)).chain([read("CONTRIBUTING.md")]).collect();
    let commands: BTreeSet<&str> = texts.iter().flat_map(|text| code_spans(text)).map(|(_, code)| code).collect();
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words[..] {
            ["make", target] => assert!(makefile.contains(&format!("\n{target}:")), "{command}"),
            ["elt", ref rest @ ..] => {
                let is_word = |word: &&&str| word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
                let names: Vec<&str> =
                    rest.iter().take_while(is_word).copied().take_while(|word| !word.starts_with('-')).collect();
                let help = help(&names).unwrap_or_else(|| panic!("`{command}` is not a command"));
                for flag in rest.iter().filter(|word| word.starts_with("--") && **word != "--version") {
                    assert!(help.contains(flag), "{command}");
                }
            }
            [script, ..] if script.starts_with("scripts/") => assert!(root().join(script).exists(), "{command}"),
            _ => {}
        }
    }
    for path in ["deploy/postgres/init.sh", "deploy/systemd/elt-api.service"] {
        assert!(root().join(path).exists());
    }
}

#[test]
fn every_file_and_function_that_a_document_names_exists() {
    let mut functions = 0;
    // The changelog is left out, because it also names what is gone.
    for document in documents().into_iter().filter(|name| name != "CHANGELOG.md") {
        let text = read(&document);
        let mut file: Option<(&str, String)> = None;
        for (between, code) in code_spans(&text) {
            let is_path = code
                .split_once('/')
                .is_some_and(|(folder, _)| !matches!(folder, "" | "..") && root().join(folder).is_dir());
            if is_path && !code.contains([' ', '*', '<', '{', '\u{2026}']) {
                assert!(root().join(code).exists(), "{document}: `{code}` does not exist");
                file = code.ends_with(".rs").then(|| (code, read(code)));
            } else if let Some((path, source)) = &file
                && matches!(between, " " | ", ")
                && code.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
            {
                assert!(defines(source, code), "{document}: `{path}` does not define `{code}`");
                functions += 1;
            } else {
                file = None;
            }
        }
    }
    assert!(functions > 40, "{functions} functions are named");
}

/// Whether a source file defines a function, a type or a constant of this name.
fn defines(source: &str, name: &str) -> bool {
    ["fn", "struct", "enum", "trait", "type", "const", "static", "mod"].iter().any(|keyword| {
        let definition = format!("{keyword} {name}");
        source.match_indices(&definition).any(|(at, _)| {
            let next = source[at + definition.len()..].chars().next();
            next.is_some_and(|next| !next.is_alphanumeric() && next != '_')
        })
    })
}

#[test]
fn the_commands_that_exchange_the_secret_key_exist() {
    let text = read("README.md");
    let commands = text.split(['`', '\n', '#']).filter(|text| text.starts_with("elt keys "));
    let mut seen = BTreeSet::new();
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().skip(1).collect();
        let help = help(&words[..2]).unwrap_or_else(|| panic!("`{command}` is not a command"));
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "{command}");
        }
        seen.insert(words[1]);
    }
    assert_eq!(seen, BTreeSet::from(["drop", "rotate", "show"]));
}
