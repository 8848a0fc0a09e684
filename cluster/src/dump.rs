//! `pg_dump` and `pg_restore`: a database as a stream of bytes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use elt_shared::target::TargetAddress;
use elt_shared::target::address::Host;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::error::LocalError;
use crate::folder::failed;
use crate::{programs, settings};

/// Bytes of a program's messages that are kept.
const LONGEST_MESSAGES: u64 = 64 << 10;
/// Bytes of one message that are shown.
const LONGEST_MESSAGE: usize = 300;

/// A folder with `pg_dump` and `pg_restore`.
#[derive(Debug)]
pub struct DumpTools {
    bin: PathBuf,
}

impl DumpTools {
    /// The programs that dump a server of this major version: of the same version, else of the nearest newer one.
    ///
    /// # Errors
    /// When this machine has only older ones, because `pg_dump` refuses newer servers.
    pub async fn for_dump(pg_bin: Option<&Path>, server: u32) -> Result<Self, LocalError> {
        let bin = programs::find_tools(pg_bin, |major| match major >= server {
            true => Some(major - server),
            false => None,
        });
        let bin = bin.await.ok_or(LocalError::NoDumpTools { at_least: server })?;
        Ok(Self { bin })
    }

    /// The programs that fill a server of this major version: of the same version, else of the nearest older one, else of
    /// the nearest newer one.
    ///
    /// # Errors
    /// When this machine has none.
    pub async fn for_restore(pg_bin: Option<&Path>, server: u32) -> Result<Self, LocalError> {
        let bin = programs::find_tools(pg_bin, |major| match major <= server {
            true => Some(server - major),
            // A newer program may send settings that an older server does not know.
            false => Some(1_000 + major - server),
        });
        let bin = bin.await.ok_or(LocalError::NoDumpTools { at_least: server })?;
        Ok(Self { bin })
    }

    /// Starts to dump a database in PostgreSQL's custom format.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn dump(&self, from: &TargetAddress, arguments: &[&str]) -> Result<DumpProgram, LocalError> {
        let mut command = self.command("pg_dump", from)?;
        command.args(["--format", "custom", "--no-password"]).args(arguments).stdout(Stdio::piped());
        DumpProgram::start(command, self.bin.join("pg_dump"), format!("dump the database {}", from.database))
    }

    /// Starts to fill a database from a dump in PostgreSQL's custom format.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn restore(&self, into: &TargetAddress, arguments: &[&str]) -> Result<DumpProgram, LocalError> {
        let mut command = self.command("pg_restore", into)?;
        // Quoted, because a name with an equals sign would be read as settings of the connection.
        let database = into.database.replace('\\', r"\\").replace('\'', r"\'");
        command
            .args(["--exit-on-error", "--no-password", "--dbname", &format!("dbname='{database}'")])
            .args(arguments)
            .stdin(Stdio::piped());
        DumpProgram::start(command, self.bin.join("pg_restore"), format!("fill the database {}", into.database))
    }

    fn command(&self, program: &str, address: &TargetAddress) -> Result<Command, LocalError> {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        command.env_clear().envs(settings::environment_of_servers()).env("LC_ALL", "C");
        // Everything that belongs to the connection is in the environment, because the process list shows arguments.
        let mut set = |name: &str, value: &OsStr| {
            command.env(name, value);
        };
        match &address.host {
            Host::Name(name) => set("PGHOST", name.as_ref()),
            Host::Socket(folder) => set("PGHOST", folder.as_ref()),
        }
        set("PGPORT", address.port.to_string().as_ref());
        set("PGDATABASE", address.database.as_ref());
        set("PGUSER", address.user.as_ref());
        set("PGPASSWORD", address.password.expose().as_ref());
        set("PGSSLMODE", address.encryption().word().as_ref());
        set("PGCONNECT_TIMEOUT", "30".as_ref());
        let files = &address.files;
        for (name, file) in
            [("PGSSLROOTCERT", &files.authorities), ("PGSSLCERT", &files.certificate), ("PGSSLKEY", &files.key)]
        {
            if let Some(file) = file {
                // The program works in another folder than this process.
                set(name, std::path::absolute(file).map_err(failed("find", file))?.as_ref());
            }
        }
        Ok(command)
    }
}

/// A `pg_dump` or `pg_restore` at work. Killed when this value is dropped.
#[derive(Debug)]
pub struct DumpProgram {
    child: Child,
    program: PathBuf,
    /// "dump the database elt"
    doing: String,
    messages: JoinHandle<Vec<u8>>,
}

impl DumpProgram {
    fn start(mut command: Command, program: PathBuf, doing: String) -> Result<Self, LocalError> {
        let mut child = command.spawn().map_err(|source| LocalError::Program { program: program.clone(), source })?;
        let stderr = child.stderr.take();
        let messages = tokio::spawn(async move { read_all(stderr).await });
        Ok(Self { child, program, doing, messages })
    }

    /// The dump as it is made. `None`: taken before, or the program fills a database.
    pub fn output(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Where the program reads a dump. `None`: taken before, or the program makes a dump.
    pub fn input(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Waits until the program has done its work.
    ///
    /// # Errors
    /// When it failed: what it was doing, and its first error.
    pub async fn finish(mut self) -> Result<(), LocalError> {
        let ended = self.child.wait().await;
        let status = ended.map_err(|source| LocalError::Program { program: self.program.clone(), source })?;
        let messages = self.messages.await.unwrap_or_default();
        match status.success() {
            true => Ok(()),
            false => {
                Err(LocalError::Copy { doing: self.doing, reason: first_error(&String::from_utf8_lossy(&messages)) })
            }
        }
    }
}

/// What a program says, up to a bound. The rest is read and left out, because the program would otherwise wait.
async fn read_all(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut pipe) = pipe else { return kept };
    // A pipe that breaks ends the messages.
    let _ = (&mut pipe).take(LONGEST_MESSAGES).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    kept
}

/// The first line that says what went wrong. Lines below it may hold values of rows.
fn first_error(messages: &str) -> String {
    let line = messages.lines().find(|line| line.contains("error:")).or(messages.lines().next());
    let line = line.map_or("it said nothing", |line| line.split_once("error: ").map_or(line, |(_, error)| error));
    line.trim().chars().take(LONGEST_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use elt_shared::target::Author;

    use super::*;

    #[test]
    fn certificates_are_looked_for_in_the_folder_of_this_process() {
        let url = "postgres://elt@db.example.com/elt?sslmode=verify-full&sslrootcert=ca.pem&sslcert=/etc/elt/own.pem";
        let tools = DumpTools { bin: "/usr/bin".into() };
        let command = tools.command("pg_dump", &TargetAddress::parse(url, Author::Operator).unwrap()).unwrap();

        let set: HashMap<&OsStr, Option<&OsStr>> = command.as_std().get_envs().collect();
        let own = std::env::current_dir().unwrap().join("ca.pem");
        assert_eq!(set[OsStr::new("PGSSLROOTCERT")], Some(own.as_os_str()));
        assert_eq!(set[OsStr::new("PGSSLCERT")], Some(OsStr::new("/etc/elt/own.pem")));
        assert!(!set.contains_key(OsStr::new("PGSSLKEY")));
    }

    #[test]
    fn of_the_messages_of_a_program_the_first_error_is_shown() {
        let said = "pg_dump: last built-in OID is 16383\npg_dump: error: connection failed\nDETAIL: Key (id)=(5)\n";
        assert_eq!(first_error(said), "connection failed");
        assert_eq!(first_error(""), "it said nothing");
        assert_eq!(first_error("killed\n"), "killed");
    }
}
