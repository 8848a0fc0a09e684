//! The program under test.

pub mod client;
pub mod orders_api;
pub mod otlp;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Generous: what takes a second on a quiet machine may take long on a busy one.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A folder of the test's own, which the account of a private cluster may enter.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o711)).tempdir();
        Self(folder.expect("a folder for the test"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file into it.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made the folder");
        std::fs::write(&path, text).expect("wrote the file");
        path
    }
}

/// A port below those that the system gives to outgoing connections, so that it stays free while a service restarts.
pub fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| rand::random_range(15_000..20_000));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// `elt` with these arguments, in this folder, with none of the settings of whoever runs the tests.
pub fn elt(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elt"));
    command.args(arguments).current_dir(folder.path()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("ELT_") || name.starts_with("OTEL_") || name.starts_with("DATABASE_URL") {
            command.env_remove(&*name);
        }
    }
    command.env("ELT_DATA_DIR", folder.path().join("data"));
    // Servers end at once, like at a terminal, where a test does not say otherwise.
    command.env("ELT_WAIT_SECONDS", "0").env("ELT_DRAIN_SECONDS", "0");
    command
}

/// How a command ended and what it said.
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command to its end.
pub fn run(mut command: Command) -> Said {
    let output = command.output().expect("ran elt");
    let text = |bytes| String::from_utf8(bytes).expect("elt writes UTF-8");
    Said { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The same with something on stdin.
pub fn run_with(mut command: Command, stdin: &str) -> Said {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started elt");
    child.stdin.take().expect("stdin").write_all(stdin.as_bytes()).expect("wrote to stdin");
    let output = child.wait_with_output().expect("elt ended");
    let text = |bytes| String::from_utf8(bytes).expect("elt writes UTF-8");
    Said { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The servers of a folder's private cluster that are still there when it had time to end: a server removes its pid file,
/// which elt waits for, a moment before its process is gone.
pub fn servers_in(folder: &Folder) -> Vec<i32> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = server_processes(folder);
        if found.is_empty() || Instant::now() > deadline {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn server_processes(folder: &Folder) -> Vec<i32> {
    let data = folder.path().join("data/postgres/data");
    let data = data.to_string_lossy();
    let processes = std::fs::read_dir("/proc").expect("the processes").flatten();
    let pids = processes.filter_map(|process| process.file_name().to_str()?.parse::<i32>().ok());
    let works_there = |pid: &i32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&*data)
    };
    pids.filter(works_there).collect()
}

/// A command that goes on. Killed with this value, if it has not ended.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    /// Everything it said so far.
    pub said: String,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started elt");
        let (sender, lines) = mpsc::channel();
        let pipes: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("stdout")), Box::new(child.stderr.take().expect("stderr"))];
        for pipe in pipes {
            let sender = sender.clone();
            std::thread::spawn(move || {
                BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
            });
        }
        Self { child, lines, said: String::new() }
    }

    /// Waits until it says something with `text` in it; answers the line.
    pub fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else { panic!("elt never said {text:?}:\n{}", self.said) };
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits until it has said both: one goes to stdout and one to stderr, so either may come first.
    pub fn wait_for_both(&mut self, one: &str, other: &str) {
        self.wait_for(one);
        if !self.said.contains(other) {
            self.wait_for(other);
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("sent the signal");
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Waits until it ends.
    pub fn end(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("asked for the status") {
                self.said.extend(self.lines.iter().map(|line| line + "\n"));
                return (status, std::mem::take(&mut self.said));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("elt did not end:\n{}", self.said);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A started `elt up`.
pub struct Up {
    pub process: Running,
    /// `http://127.0.0.1:port`
    pub url: String,
}

/// Starts `elt up` on a port of its own, with the admin's password `correct horse`.
pub fn up(folder: &Folder, settings: &[(&str, &str)]) -> Up {
    let mut command = elt(folder, &["up", "--listen", "127.0.0.1:0"]);
    command.envs(settings.iter().copied());
    start_up(command)
}

/// The same with other arguments.
pub fn start_up(mut command: Command) -> Up {
    command.env("ELT_ADMIN_PASSWORD", PASSWORD);
    let mut process = Running::start(command);
    let line = process.wait_for("dashboard");
    let url = line.split_whitespace().last().expect("a URL").trim_end_matches("/ui/").to_owned();
    process.wait_for("Ctrl-C stops it");
    Up { process, url }
}

pub const PASSWORD: &str = "correct horse";

impl Up {
    /// Asks it to stop and waits until it has.
    pub fn stop(self) -> String {
        self.process.signal(Signal::SIGTERM);
        let (status, said) = self.process.end();
        assert_eq!(status.code(), Some(0), "{said}");
        said
    }
}
