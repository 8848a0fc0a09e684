//! A real PgBouncer on a port of its own, before a server of the tests.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Url;
use tempfile::TempDir;

const PROGRAM: &str = "/usr/sbin/pgbouncer";

/// Lines of the config that make it let in sessions of elt.
pub const ACCEPTS: &str = "ignore_startup_parameters = extra_float_digits, options\n";

/// See the module. Ends with this value.
pub struct PgBouncer {
    port: u16,
    child: Child,
    _folder: TempDir,
}

impl PgBouncer {
    /// One in this mode (`session`, `transaction`, `statement`) before the server of a URL, for the login in it. `more`:
    /// lines of its config.
    pub fn start(server: &str, mode: &str, more: &str) -> Self {
        assert!(
            Path::new(PROGRAM).exists(),
            "these tests need a real PgBouncer: install it with `apt-get install pgbouncer`"
        );
        let server = Url::parse(server).expect("a URL");
        let folder = tempfile::tempdir().expect("a folder");
        // Readable for the account that it works as.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("permissions");
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let port = free_port();
            let mut child = spawn(&config(folder.path(), &server, port, mode, more));
            while child.try_wait().expect("a state").is_none() {
                if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                    return Self { port, child, _folder: folder };
                }
                assert!(Instant::now() < deadline, "PgBouncer does not answer");
                std::thread::sleep(Duration::from_millis(20));
            }
            // Another process took the port between the look and the start.
            assert!(Instant::now() < deadline, "PgBouncer ends at once");
        }
    }

    /// The same URL, through it.
    pub fn before(&self, server: &str) -> String {
        let mut url = Url::parse(server).expect("a URL");
        url.set_port(Some(self.port)).expect("a port");
        url.to_string()
    }

    /// `host:port`, as messages name it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the config and the login's password.
fn config(folder: &Path, server: &Url, port: u16, mode: &str, more: &str) -> PathBuf {
    let users = folder.join("users.txt");
    let password = server.password().unwrap_or_default();
    std::fs::write(&users, format!("\"{}\" \"{password}\"\n", server.username())).expect("the users");
    let text = format!(
        "[databases]\n* = host={host} port={server_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = trust\nauth_file = {users}\npool_mode = {mode}\n{more}",
        host = server.host_str().expect("a host"),
        server_port = server.port().unwrap_or(5432),
        users = users.display()
    );
    let file = folder.join("pgbouncer.ini");
    std::fs::write(&file, text).expect("the config");
    for path in [&users, &file] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).expect("permissions");
    }
    file
}

fn spawn(config: &Path) -> Child {
    let mut command = Command::new(PROGRAM);
    command.arg("-q").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // It does not work as root.
    if nix::unistd::geteuid().is_root() {
        let nobody = nix::unistd::User::from_name("nobody").expect("looked").expect("the account nobody");
        command.uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw());
    }
    command.spawn().expect("PgBouncer starts")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}
