//! A primary and a standby that follows it, gone with the process of the tests.

use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};

/// Two servers, as URLs of a superuser.
pub struct Pair {
    /// May be written to.
    pub primary: String,
    /// Follows the primary.
    pub standby: String,
}

/// Starts the servers with the programs, and as the account, of a running server. `server` is a superuser's URL of that one,
/// which cannot have a standby itself: private clusters write no WAL for one.
pub async fn pair(server: &str) -> Pair {
    let programs = Programs::of(server).await;
    let (primary, standby) = (programs.folder("primary"), programs.folder("standby"));
    programs.run(
        "initdb",
        &["--username=elt", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"],
        &primary,
    );
    let primary = programs.start(&primary).await;
    let copy =
        ["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync", "--dbname", &primary, "-D"];
    programs.run("pg_basebackup", &copy, &standby);
    Pair { standby: programs.start(&standby).await, primary }
}

struct Programs {
    /// The folder of the programs.
    bin: PathBuf,
    uid: u32,
    gid: u32,
}

impl Programs {
    async fn of(server: &str) -> Self {
        let mut db = PgConnection::connect(server).await.expect("connected to the server");
        let data: String = sqlx::query_scalar("show data_directory").fetch_one(&mut db).await.expect("its folder");
        let pid = std::fs::read_to_string(format!("{data}/postmaster.pid")).expect("the file of a running server");
        let pid = pid.lines().next().expect("its process");
        let program = std::fs::read_link(format!("/proc/{pid}/exe")).expect("the server's program");
        let owner = std::fs::metadata(&data).expect("the server's folder");
        Self { bin: program.parent().expect("a folder").into(), uid: owner.uid(), gid: owner.gid() }
    }

    /// An empty folder of the account.
    fn folder(&self, name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("elt-tests-{}-{name}-data", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&folder).expect("a folder for the server");
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&folder, Some(self.uid), Some(self.gid)).expect("given to the account");
        }
        folder
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).env("LC_ALL", "C");
        if nix::unistd::geteuid().is_root() {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    fn run(&self, name: &str, arguments: &[&str], folder: &Path) {
        let output = self.command(name).args(arguments).arg(folder).stderr(Stdio::piped()).output();
        let output = output.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts the server of a folder and says how a superuser connects to it.
    #[expect(clippy::zombie_processes, reason = "the server outlives the test, and ends with this process")]
    async fn start(&self, folder: &Path) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "shared_buffers=16MB"];
        let mut command = self.command("postgres");
        command.args(["-p", &port.to_string()]).args(settings.iter().flat_map(|setting| ["-c", setting])).arg("-D");
        let mut server = command.arg(folder).process_group(0).spawn().expect("started the server");
        stop_with_this_process(server.id().cast_signed(), folder);
        let url = format!("postgres://elt@127.0.0.1:{port}/postgres?sslmode=disable");
        let deadline = Instant::now() + Duration::from_secs(90);
        while PgConnection::connect(&url).await.is_err() {
            assert!(server.try_wait().expect("a state").is_none(), "the server ended");
            assert!(Instant::now() < deadline, "the server does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        url
    }
}

/// Tests end without a last word, so a shell waits for the end of this process: then its standard input ends.
#[expect(clippy::zombie_processes, reason = "the shell outlives this process")]
pub fn stop_with_this_process(server: i32, folder: &Path) {
    let script = "read _; kill -INT $0; while kill -0 $0 2>/dev/null; do sleep 0.1; done; rm -rf \"$1\"";
    let mut watcher = Command::new("sh")
        .args(["-c", script, &server.to_string()])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C is for the tests, not for the shell that cleans up behind them.
        .process_group(0)
        .spawn()
        .expect("started the shell that stops PostgreSQL");
    // Held open for as long as this process lives.
    std::mem::forget(watcher.stdin.take());
}
