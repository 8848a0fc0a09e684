//! Secrets among the settings. Each secret `NAME` may be in a file that `NAME_FILE` names, because a flag shows in the
//! process list and a variable in `/proc/<pid>/environ`. A setting is secret when its help hides its value.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use elt_shared::secret::Secret;
use elt_shared::secret_file::{self, SecretFile};
use elt_shared::settings;

use crate::exit::{Exit, refuse};
use crate::out;

/// Names the file in the help of every secret setting.
pub fn explain(command: Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, explain_one))
}

fn explain_one(command: Command) -> Command {
    let with_own_file = own_files(&command);
    command.mut_args(|argument| {
        let Some(file) = secret_name(&argument).map(|name| format!("{name}_FILE")) else { return argument };
        if with_own_file.contains(&file) {
            return argument;
        }
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        argument.help(format!("{}. Or a file that holds it: {file}", help.trim_end_matches('.')))
    })
}

/// The secrets in files that the environment names, as arguments for the chosen command. Warns of secrets that other
/// accounts of the machine can read.
///
/// # Errors
/// When a file holds no secret, or when a secret is given in two ways.
pub fn from_files(command: &Command, matches: &ArgMatches) -> anyhow::Result<Vec<OsString>> {
    let Some((name, matches)) = matches.subcommand() else { return Ok(Vec::new()) };
    let Some(command) = command.find_subcommand(name) else { return Ok(Vec::new()) };
    let with_own_file = own_files(command);
    let mut arguments = Vec::new();
    for argument in command.get_arguments() {
        let (Some(name), Some(flag)) = (secret_name(argument), argument.get_long()) else { continue };
        let given = matches.value_source(argument.get_id().as_str());
        if given == Some(ValueSource::CommandLine) && !is_url_without_password(matches, argument) {
            out::problem(&format!(
                "warning: --{flag} shows in the process list of this machine. Write it to a file and set {name}_FILE."
            ));
        }
        let file = format!("{name}_FILE");
        // The command reads this file itself, in a way of its own.
        if with_own_file.contains(&file) {
            continue;
        }
        let Some(path) = settings::file_of(name) else { continue };
        match given {
            None | Some(ValueSource::DefaultValue) => arguments.push(argument_of(flag, read(&file, &path)?.expose())),
            Some(ValueSource::CommandLine) => return Err(twice(&format!("--{flag}"), &file)),
            Some(_) => return Err(twice(name, &file)),
        }
    }
    Ok(arguments)
}

/// The variable of a secret setting.
fn secret_name(argument: &Arg) -> Option<&str> {
    argument.get_env().and_then(OsStr::to_str).filter(|_| argument.is_hide_env_values_set())
}

/// Variables `NAME_FILE` that are settings of the command themselves.
fn own_files(command: &Command) -> Vec<String> {
    let variables = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    variables.filter(|name| name.ends_with("_FILE")).map(ToOwned::to_owned).collect()
}

fn is_url_without_password(matches: &ArgMatches, argument: &Arg) -> bool {
    let value = matches.try_get_one::<Secret>(argument.get_id().as_str()).ok().flatten();
    let Some((_, url)) = value.and_then(|value| value.expose().split_once("://")) else { return false };
    let login = url.rsplit_once('@').map_or("", |(login, _)| login);
    !login.contains(':') && !url.contains("password=")
}

fn argument_of(flag: &str, value: &str) -> OsString {
    OsString::from(format!("--{flag}={value}"))
}

fn read(variable: &str, path: &Path) -> anyhow::Result<Secret> {
    let SecretFile { secret, is_readable_by_others, .. } = secret_file::read(path).map_err(|error| {
        refuse(
            Exit::Settings,
            format!("{variable} names {}, but {error}", path.display()),
            format!("Write the secret to that file, readable by the account that runs elt, or unset {variable}."),
        )
    })?;
    if is_readable_by_others && !is_handed_over(path) {
        out::problem(&format!(
            "warning: every account of this machine may read {}, which {variable} names. `chmod o-r` mends that.",
            path.display()
        ));
    }
    Ok(secret)
}

/// Warns of a file of secret keys that others than its owner may use. Says nothing of a file that cannot be read.
pub fn warn_of_readers(variable: &str, path: &Path) {
    if secret_file::read(path).is_ok_and(|file| !file.is_private) && !is_handed_over(path) {
        out::problem(&format!(
            "warning: other accounts of this machine may use {}, which {variable} names. `chmod 600` mends that.",
            path.display()
        ));
    }
}

/// Whether a container engine or systemd hands the file over, with modes of its own: a container has one account, and
/// systemd lets the service's account read its credentials by an access control list, which shows as the group's right.
fn is_handed_over(path: &Path) -> bool {
    path.starts_with("/run/secrets") || path.starts_with("/run/credentials")
}

fn twice(one: &str, other: &str) -> anyhow::Error {
    refuse(Exit::Settings, format!("{one} and {other} are both given"), "Keep one of them.")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::Cli;

    #[test]
    fn every_setting_whose_name_sounds_secret_is_secret() {
        const SOUNDS: [&str; 6] = ["_KEY", "_KEY_OLD", "_PASSWORD", "_SECRET", "_TOKEN", "_URL"];
        let command = Cli::command();
        let mut secrets = Vec::new();
        for argument in command.get_subcommands().flat_map(Command::get_arguments) {
            let Some(name) = argument.get_env().and_then(OsStr::to_str) else { continue };
            // The path of a key, and an address that everybody may know.
            if ["ELT_TLS_KEY", "ELT_PUBLIC_URL"].contains(&name) {
                continue;
            }
            if SOUNDS.iter().any(|end| name.ends_with(end)) {
                assert_eq!(secret_name(argument), Some(name), "{name} shows in the help");
                secrets.push(name);
            }
        }
        assert!(secrets.contains(&"ELT_JWT_KEY") && secrets.contains(&"DATABASE_URL"), "{secrets:?}");
    }

    #[test]
    fn only_a_url_with_a_password_is_a_secret_on_the_command_line() {
        let shows = |url: &str| {
            let matches = Cli::command().try_get_matches_from(["elt", "migrate", "--database-url", url]).unwrap();
            let (name, matches) = matches.subcommand().unwrap();
            let command = Cli::command();
            let argument = command.find_subcommand(name).unwrap().get_arguments();
            let argument = argument.into_iter().find(|argument| argument.get_long() == Some("database-url")).unwrap();
            !is_url_without_password(matches, argument)
        };
        for url in ["postgres://elt:pw@db/elt", "postgres://elt@db/elt?password=pw", "host=db password=pw"] {
            assert!(shows(url), "{url}");
        }
        for url in ["postgres://elt@db/elt", "postgres://db:5432/elt"] {
            assert!(!shows(url), "{url}");
        }
    }
}
