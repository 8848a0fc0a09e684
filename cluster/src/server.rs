//! The server process: `initdb`, start, wait until it answers, stop.

use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use elt_shared::private_folder;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection};
use tokio::process::{Child, Command};

use crate::SUPERUSER;
use crate::error::LocalError;
use crate::folder::{Folder, Passwords, failed};
use crate::programs::{self, Programs};
use crate::settings;

/// Recovery after a crash may take minutes; a server that ended is noticed at once.
const START_TIMEOUT: Duration = Duration::from_secs(300);
const STOP_TIMEOUT: Duration = Duration::from_secs(50);
const QUIT_TIMEOUT: Duration = Duration::from_secs(10);
const LOG_LIMIT: u64 = 8 << 20;

/// How the private server differs from a fresh one.
const OPTIONS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "password_encryption=scram-sha-256",
    "lc_messages=C",
    "timezone=UTC",
    "log_timezone=UTC",
    // Neither statements nor details: they carry row values.
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
    // No server replicates from a private cluster, so a load into a new table need not be written twice.
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=2GB",
    "checkpoint_timeout=15min",
];

/// The port of the server that already runs in this folder. A pid file that outlived its server is cleared away.
pub(super) async fn running(folder: &Folder, passwords: &Passwords) -> Result<Option<u16>, LocalError> {
    let path = folder.data().join("postmaster.pid");
    let Some((pid, port)) = folder.read(&path)?.as_deref().and_then(parse_pid_file) else { return Ok(None) };
    if !is_alive(pid) || !works_in(pid, &folder.data()) {
        fs::remove_file(&path).map_err(failed("remove the stale", &path))?;
        tracing::info!("the private PostgreSQL did not stop cleanly last time; it recovers now");
        return Ok(None);
    }
    wait_until_it_answers(folder, passwords, pid, port, None).await?;
    Ok(Some(port))
}

/// Starts the cluster, and makes it before that if it does not exist.
pub(super) async fn start(folder: &Folder, passwords: &Passwords, pg_bin: Option<&Path>) -> Result<u16, LocalError> {
    let programs = programs::find(pg_bin, folder.version()?).await?;
    start_with(folder, passwords, &programs, &[]).await
}

/// The same with these programs and further settings of the server, `name=value`.
pub(super) async fn start_with(
    folder: &Folder,
    passwords: &Passwords,
    programs: &Programs,
    settings: &[&str],
) -> Result<u16, LocalError> {
    if let Some(account) = &folder.account {
        account.can_enter(&programs.bin)?;
    }
    if folder.version()?.is_none() {
        init(folder, passwords, programs).await?;
    }
    let mut tries = 10;
    loop {
        let port = free_port(folder)?;
        let mut child = spawn(folder, programs, port, settings)?;
        let pid = child.id().map_or(0, |pid| pid as i32);
        tries -= 1;
        match wait_until_it_answers(folder, passwords, pid, port, Some(&mut child)).await {
            // Someone took the port between our look and the server's, or the shared memory of a killed server is
            // still held by children that have not noticed yet.
            Err(LocalError::NotStarted { last_lines, .. }) if tries > 0 && last_lines.contains("in use") => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Ok(()) => return Ok(port),
            Err(error) => {
                // A server without a pid file has no sessions yet, and only its parent can find it.
                if self::pid(folder).is_none() {
                    let _ = child.kill().await;
                }
                return Err(error);
            }
        }
    }
}

/// Stops the server of a folder if it runs. A process that only got the number of its pid file is left alone.
pub(super) async fn stop_ours(folder: &Folder) -> Result<(), LocalError> {
    match pid(folder) {
        Some(pid) if is_alive(pid) && works_in(pid, &folder.data()) => stop(folder).await,
        _ => Ok(()),
    }
}

/// Stops the server: politely, then not.
pub(super) async fn stop(folder: &Folder) -> Result<(), LocalError> {
    let Some(pid) = pid(folder) else { return Ok(()) };
    // SIGINT is PostgreSQL's fast shutdown: sessions are ended, the data is left clean.
    for (signal, patience) in [(Signal::SIGINT, STOP_TIMEOUT), (Signal::SIGQUIT, QUIT_TIMEOUT)] {
        if kill(Pid::from_raw(pid), signal) == Err(Errno::ESRCH) {
            return Ok(());
        }
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if self::pid(folder).is_none() || !is_alive(pid) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Err(LocalError::NotStopped(pid))
}

/// The server's process id, as its pid file says.
pub(super) fn pid(folder: &Folder) -> Option<i32> {
    let text = fs::read_to_string(folder.data().join("postmaster.pid")).ok()?;
    Some(parse_pid_file(&text)?.0)
}

/// How to reach a database of the private cluster.
pub(super) fn connect_options(port: u16, role: &str, password: &str, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username(role)
        .password(password)
        .database(database)
        .ssl_mode(PgSslMode::Disable)
        .disable_statement_logging()
}

/// Makes a new cluster beside its place and moves it there when it is whole.
async fn init(folder: &Folder, passwords: &Passwords, programs: &Programs) -> Result<(), LocalError> {
    let (unfinished, password_file) = (folder.beside("data.new"), folder.beside("initdb.password"));
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(failed("remove", &unfinished))?;
    }
    fs::create_dir(&unfinished).map_err(failed("create", &unfinished))?;
    folder.write(&password_file, passwords.superuser.expose())?;
    if let Some(account) = &folder.account {
        account.give(&unfinished)?;
        account.give(&password_file)?;
    }
    let made = run_initdb(folder, programs, &unfinished, &password_file).await;
    fs::remove_file(&password_file).map_err(failed("remove", &password_file))?;
    made?;
    fs::rename(&unfinished, folder.data()).map_err(failed("rename", &unfinished))
}

async fn run_initdb(folder: &Folder, programs: &Programs, data: &Path, password_file: &Path) -> Result<(), LocalError> {
    // Bytes sort alike everywhere; letters are letters in every script.
    let locale = if cfg!(target_os = "macos") { "C" } else { "C.UTF-8" };
    let program = programs.path("initdb");
    let output = command(folder, &program)
        .args(["--username", SUPERUSER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", locale])
        .arg("--pgdata")
        .arg(data)
        .arg("--pwfile")
        .arg(password_file)
        .output()
        .await
        .map_err(|source| LocalError::Program { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(LocalError::Init { folder: folder.data(), output: last_lines(&said) })
}

fn spawn(folder: &Folder, programs: &Programs, port: u16, settings: &[&str]) -> Result<Child, LocalError> {
    let path = folder.server_log();
    if path.metadata().is_ok_and(|metadata| metadata.len() > LOG_LIMIT) {
        fs::rename(&path, path.with_extension("log.1")).map_err(failed("rename", &path))?;
    }
    let log =
        private_folder::open(&path, OpenOptions::new().append(true).create(true)).map_err(failed("write", &path))?;
    let again = log.try_clone().map_err(failed("write", &path))?;
    let program = programs.path("postgres");
    let mut command = command(folder, &program);
    for option in OPTIONS.iter().chain(settings) {
        command.args(["-c", option]);
    }
    command
        .args(["-p", &port.to_string()])
        .arg("-D")
        .arg(folder.data())
        .stdout(log)
        .stderr(again)
        // A group of its own: Ctrl-C in the terminal is for elt, which then stops the server in order.
        .process_group(0)
        .spawn()
        .map_err(|source| LocalError::Program { program, source })
}

/// A program run as the server's account, away from folders that account may not enter.
fn command(folder: &Folder, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").stdin(Stdio::null());
    command.env_clear().envs(settings::environment_of_servers()).env("LC_ALL", "C");
    if let Some(account) = &folder.account {
        command.uid(account.uid).gid(account.gid);
    }
    command
}

async fn wait_until_it_answers(
    folder: &Folder,
    passwords: &Passwords,
    pid: i32,
    port: u16,
    mut child: Option<&mut Child>,
) -> Result<(), LocalError> {
    let started = Instant::now();
    let options = connect_options(port, SUPERUSER, passwords.superuser.expose(), "postgres");
    loop {
        let ended = match child.as_mut() {
            Some(child) => child.try_wait().ok().flatten().is_some(),
            None => !is_alive(pid),
        };
        if ended {
            let log = folder.server_log();
            let text = fs::read(&log).unwrap_or_default();
            let last_lines = last_lines(&String::from_utf8_lossy(&text));
            return Err(LocalError::NotStarted { last_lines, log });
        }
        match options.connect().await {
            Ok(connection) => return connection.close().await.or(Ok(())),
            Err(source) if started.elapsed() > START_TIMEOUT => {
                return Err(LocalError::NoAnswer { pid, port, log: folder.server_log(), source });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(25)).await,
        }
    }
}

/// The port of last time when it is free, else another one.
fn free_port(folder: &Folder) -> Result<u16, LocalError> {
    let path = folder.port_file();
    let last = folder.last_port()?;
    if let Some(port) = last.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()) {
        return Ok(port);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed("find a free port for", &path))?;
    let port = listener.local_addr().map_err(failed("find a free port for", &path))?.port();
    if let Some(taken) = last {
        tracing::warn!(
            "port {taken} is taken by another program: the private PostgreSQL listens on {port} from now on"
        );
    }
    folder.write(&path, &port.to_string())?;
    Ok(port)
}

/// Process id and port, from PostgreSQL's `postmaster.pid`: lines 1 and 4.
fn parse_pid_file(text: &str) -> Option<(i32, u16)> {
    let mut lines = text.lines();
    let pid = lines.next()?.trim().parse().ok()?;
    let port = lines.nth(2)?.trim().parse().ok()?;
    Some((pid, port))
}

fn is_alive(pid: i32) -> bool {
    // The signal 0 only asks. "Not permitted" is an answer from a process that lives.
    !matches!(kill(Pid::from_raw(pid), None), Err(Errno::ESRCH))
}

/// Whether the process is this folder's server and not one that got its number. In doubt it is.
fn works_in(pid: i32, data: &Path) -> bool {
    match fs::read(format!("/proc/{pid}/cmdline")) {
        Ok(arguments) => arguments.split(|byte| *byte == 0).any(|argument| argument == data.as_os_str().as_bytes()),
        Err(_) => true,
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(3);
    if lines.is_empty() { "it said nothing".into() } else { lines[from..].join(" / ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_tells_process_and_port() {
        let text = "4711\n/data\n1764115200\n54321\n\n127.0.0.1\n  1234 5\nready\n";
        assert_eq!(parse_pid_file(text), Some((4711, 54321)));
        assert_eq!(parse_pid_file("4711\n/data\n"), None);
    }
}
