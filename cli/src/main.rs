//! `elt`: one program for the server, the workers and the person at the terminal.
//!
//! # Layout
//! - `account`: the account that a server runs as when root starts it
//! - `exit`: how a command ended, as scripts see it
//! - `out`, `table`, `summary`: what commands print
//! - `signals`: asked to stop, and asked again
//! - `waiting`: at the start, for what is not there yet
//! - `databases`: the control database of this process, private or given
//! - `installation`: the control database and the keys that a command works with
//! - `collision`: changes whose transactions got into the way of others
//! - `operator`: the person at the terminal, as the audit names them
//! - `keys`: the installation's keys, and `elt keys`
//! - `secret_settings`: secrets that settings take from files
//! - `probes`, `process_metrics`: what a process answers to probes and Prometheus
//! - `config_file`: a config named on the command line
//! - `in_process`: a run in this process, for `run` and `plan`
//! - a file for each command

mod account;
mod audit;
mod backfill;
mod backup;
mod check;
mod collision;
mod config_file;
mod connections;
mod coverage;
mod databases;
mod exit;
mod explain;
mod first_users;
mod healthcheck;
mod in_process;
mod init;
mod installation;
mod keys;
mod migrate;
mod operator;
mod out;
mod pause;
mod plan;
mod probes;
mod process_metrics;
mod put;
mod queues;
mod report;
mod restore;
mod retry;
mod run;
mod schema;
mod secret;
mod secret_settings;
mod serve;
mod server_start;
mod signals;
mod state;
mod status;
mod summary;
mod table;
mod token;
mod up;
mod upgrade_cluster;
mod user;
mod verify;
mod waiting;
mod worker;
mod workers;

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
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
    Up(Box<up::Up>),
    Serve(Box<serve::Serve>),
    Worker(worker::Worker),
    Workers(workers::Workers),
    Queues(queues::Queues),
    Pause(pause::Pause),
    Resume(pause::Resume),
    Migrate(migrate::Migrate),
    Healthcheck(healthcheck::Healthcheck),
    Status(status::Status),
    Run(run::Run),
    Put(put::Put),
    Plan(plan::Plan),
    Check(check::Check),
    Init(init::Init),
    Schema(schema::Schema),
    Explain(explain::Explain),
    Report(report::Report),
    Retry(retry::Retry),
    Verify(verify::Verify),
    Backfill(backfill::Backfill),
    State(state::State),
    User(user::User),
    Audit(audit::Audit),
    Keys(keys::Command),
    Token(token::Token),
    Secret(secret::Secret),
    Coverage(coverage::Coverage),
    Backup(backup::Backup),
    Restore(restore::Restore),
    UpgradeCluster(upgrade_cluster::UpgradeCluster),
}

impl Command {
    async fn execute(self) -> anyhow::Result<Exit> {
        match self {
            Self::Up(command) => command.execute().await,
            Self::Serve(command) => command.execute().await,
            Self::Worker(command) => command.execute().await,
            Self::Workers(command) => command.execute().await,
            Self::Queues(command) => command.execute().await,
            Self::Pause(command) => command.execute().await,
            Self::Resume(command) => command.execute().await,
            Self::Migrate(command) => command.execute().await,
            Self::Healthcheck(command) => command.execute().await,
            Self::Status(command) => command.execute().await,
            Self::Run(command) => command.execute().await,
            Self::Put(command) => command.execute().await,
            Self::Plan(command) => command.execute().await,
            Self::Check(command) => command.execute().await,
            Self::Init(command) => command.execute().await,
            Self::Schema(command) => command.execute(),
            Self::Explain(command) => command.execute(),
            Self::Report(command) => command.execute().await,
            Self::Retry(command) => command.execute().await,
            Self::Verify(command) => command.execute().await,
            Self::Backfill(command) => command.execute().await,
            Self::State(command) => command.execute().await,
            Self::User(command) => command.execute().await,
            Self::Audit(command) => command.execute().await,
            Self::Keys(command) => command.execute().await,
            Self::Token(command) => command.execute().await,
            Self::Secret(command) => command.execute().await,
            Self::Coverage(command) => command.execute().await,
            Self::Backup(command) => command.execute().await,
            Self::Restore(command) => command.execute().await,
            Self::UpgradeCluster(command) => command.execute().await,
        }
    }
}

/// Bytes of the stack of each thread that runs futures. Those of a run are deep, most of all in a build without optimisation.
const STACK: usize = 8 << 20;

fn main() -> ExitCode {
    if let Err(error) = leave_the_drivers_variables() {
        return exit::explain(&error);
    }
    operator::remember();
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
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::explain(&anyhow::Error::new(error).context("could not start the async runtime")),
    };
    let outcome = runtime.block_on(cli.command.execute());
    // A blocked thread (a read from a terminal) must not keep the process.
    runtime.shutdown_background();
    outcome.map_or_else(|error| exit::explain(&error), ExitCode::from)
}

/// Starts this program again without the variables that the driver of PostgreSQL would add to every connection. Returns
/// when none of them is set.
fn leave_the_drivers_variables() -> anyhow::Result<()> {
    let names = settings::variables_of_the_driver();
    if names.is_empty() {
        return Ok(());
    }
    out::problem(&format!("not used: {}. What belongs to a connection stands in its URL", names.join(", ")));
    let program = std::env::current_exe().context("could not find the program to start it again")?;
    let mut again = std::process::Command::new(program);
    let mut arguments = std::env::args_os();
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    for name in names {
        again.env_remove(name);
    }
    Err(anyhow::Error::new(again.args(arguments).exec()).context("could not start again"))
}

/// Reads the command line, the environment and the files that hold secrets. In case of `Err`, the problem or the help
/// text is already printed.
fn parse() -> Result<Cli, ExitCode> {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let mut command = secret_settings::explain(Cli::command());
    let parsed = command.try_get_matches_from_mut(&arguments);
    let is_help = parsed.as_ref().is_err_and(|error| !error.use_stderr());
    // Checked before the errors of the command line, because an empty variable may be their cause.
    if !is_help && let Some(name) = empty_variable(&command, &arguments) {
        let message = format!("the environment variable {name} is set, but empty");
        return Err(exit::explain(&refuse(Exit::Settings, message, format!("Give {name} a value, or unset it."))));
    }
    let chosen = parsed.map_err(|error| usage(&error))?;
    let from_files = secret_settings::from_files(&command, &chosen).map_err(|error| exit::explain(&error))?;
    // Behind the name of the command. Only clap sees these arguments: the process list does not show them.
    let behind_the_name = 2.min(arguments.len());
    arguments.splice(behind_the_name..behind_the_name, from_files);
    command
        .try_get_matches_from_mut(arguments)
        .and_then(|all| Cli::from_arg_matches(&all))
        .map_err(|error| usage(&error))
}

/// Prints what is wrong with the command line, or the help that was asked for.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}

/// Name of an environment variable of the chosen command that is set but empty. This is an error, because it usually
/// comes from a mistake in a script or an environment file, and to ignore it could silently choose another database or
/// make new keys.
fn empty_variable(command: &clap::Command, arguments: &[OsString]) -> Option<String> {
    let chosen = command.find_subcommand(arguments.get(1)?)?;
    let variables = chosen.get_arguments().flat_map(|argument| {
        let name = argument.get_env().and_then(OsStr::to_str).map(ToOwned::to_owned);
        let file = name.as_ref().filter(|_| argument.is_hide_env_values_set()).map(|name| format!("{name}_FILE"));
        name.into_iter().chain(file)
    });
    variables.into_iter().find(|name| settings::is_empty_variable(name))
}
