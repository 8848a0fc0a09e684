//! `elt`: one program for the server, the workers and the person at the terminal.
//!
//! # Layout
//! - `account`: the account that a server runs as when root starts it
//! - `exit`: how a command ended, as scripts see it
//! - `out`, `table`, `summary`: what commands print
//! - `signals`: asked to stop, and asked again
//! - `databases`: the control database of this process, private or given
//! - `operator`: the person at the terminal, as the audit names them
//! - `keys`: the installation's keys, written once
//! - `config_file`: a config named on the command line
//! - `here`: a run in this process, for `run` and `plan`
//! - a file for each command

mod account;
mod audit;
mod check;
mod config_file;
mod connections;
mod coverage;
mod databases;
mod exit;
mod first_users;
mod here;
mod init;
mod keys;
mod migrate;
mod operator;
mod out;
mod plan;
mod report;
mod run;
mod schema;
mod serve;
mod signals;
mod summary;
mod table;
mod token;
mod up;
mod user;
mod worker;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use elt_shared::settings;
use nix::sys::stat::{Mode, umask};

use exit::{Exit, refuse};

/// Files, HTTP APIs and SFTP servers in; clean, deduplicated PostgreSQL tables out.
#[derive(Debug, Parser)]
#[command(name = "elt", version, after_long_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Up),
    Serve(serve::Serve),
    Worker(worker::Worker),
    Migrate(migrate::Migrate),
    Run(run::Run),
    Plan(plan::Plan),
    Check(check::Check),
    Init(init::Init),
    Schema(schema::Schema),
    Report(report::Report),
    User(user::User),
    Audit(audit::Audit),
    Token(token::Token),
    Coverage(coverage::Coverage),
}

impl Command {
    async fn execute(self) -> anyhow::Result<Exit> {
        match self {
            Self::Up(command) => command.execute().await,
            Self::Serve(command) => command.execute().await,
            Self::Worker(command) => command.execute().await,
            Self::Migrate(command) => command.execute().await,
            Self::Run(command) => command.execute().await,
            Self::Plan(command) => command.execute().await,
            Self::Check(command) => command.execute().await,
            Self::Init(command) => command.execute().await,
            Self::Schema(command) => command.execute(),
            Self::Report(command) => command.execute().await,
            Self::User(command) => command.execute().await,
            Self::Audit(command) => command.execute().await,
            Self::Token(command) => command.execute().await,
            Self::Coverage(command) => command.execute().await,
        }
    }
}

fn main() -> ExitCode {
    // Only this account may read rows, logs and keys, whatever the shell's umask says.
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    // No program that elt starts may gain rights that this account does not have. A system without this is no worse off.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_no_new_privs();
    // Everything that speaks TLS asks for the process's provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = match parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::explain(&anyhow::Error::new(error).context("could not start the async runtime")),
    };
    let outcome = runtime.block_on(cli.command.execute());
    // A blocked thread (a read from a terminal) must not keep the process.
    runtime.shutdown_background();
    outcome.map_or_else(|error| exit::explain(&error), ExitCode::from)
}

/// Reads the command line and the environment. In case of `Err`, the problem or the help text is already printed.
fn parse() -> Result<Cli, ExitCode> {
    let parsed = Cli::try_parse();
    let is_help = parsed.as_ref().is_err_and(|error| !error.use_stderr());
    // Checked before the errors of the command line, because an empty variable may be their cause.
    if !is_help && let Some(name) = empty_variable() {
        let message = format!("the environment variable {name} is set, but empty");
        return Err(exit::explain(&refuse(Exit::Settings, message, format!("Give {name} a value, or unset it."))));
    }
    parsed.map_err(|error| {
        let _ = error.print();
        if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
    })
}

/// Name of an environment variable of the chosen command that is set but empty. This is an error, because it usually
/// comes from a mistake in a script or an environment file, and to ignore it could silently choose another database or
/// make new keys.
fn empty_variable() -> Option<String> {
    let command = Cli::command();
    let chosen = command.find_subcommand(std::env::args_os().nth(1)?)?;
    let variables = chosen.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    variables.into_iter().find(|name| settings::is_empty_variable(name)).map(ToOwned::to_owned)
}
