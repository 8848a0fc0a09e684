//! A real OpenSSH server on a port of its own, with a folder to serve.
//!
//! As root: an account with a password, shut into the folder. Otherwise: the account that runs the tests, with a key.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use elt_shared::config::{AfterLoad, FileOptions, HostTrust, SftpSource, SshLogin, SshServer};
use tempfile::TempDir;

/// The account of the server when the tests run as root, and its password.
const ACCOUNT: &str = "elt-sftp-test";
pub const PASSWORD: &str = "pass-canary-7";

/// See the module. Ends with this value.
pub struct Sshd {
    pub address: SocketAddr,
    folder: TempDir,
    child: Child,
}

impl Sshd {
    /// A server with an ed25519 and an RSA key.
    pub fn start() -> Self {
        assert!(
            Path::new("/usr/sbin/sshd").exists(),
            "these tests need a real SFTP server: install it with `apt-get install openssh-server`"
        );
        let folder = if is_root() { tempfile::tempdir_in("/run") } else { tempfile::tempdir() }.expect("a folder");
        if is_root() {
            static ONCE: Once = Once::new();
            ONCE.call_once(make_account);
            // The server refuses a chroot that anybody else could write to, and needs a folder of its own.
            std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("permissions");
            std::fs::create_dir_all("/run/sshd").expect("the folder sshd works in");
        }
        let upload = folder.path().join("upload");
        std::fs::create_dir(&upload).expect("a folder to serve");
        std::fs::set_permissions(&upload, PermissionsExt::from_mode(0o777)).expect("permissions");
        std::fs::create_dir(folder.path().join("etc")).expect("a folder for keys");
        std::fs::set_permissions(folder.path().join("etc"), PermissionsExt::from_mode(0o755)).expect("permissions");
        make_key(&folder.path().join("etc/host_ed25519"), "ed25519", "");
        make_key(&folder.path().join("etc/host_rsa"), "rsa", "");
        make_key(&folder.path().join("etc/user"), "ed25519", "");
        std::fs::copy(folder.path().join("etc/user.pub"), folder.path().join("etc/authorized_keys"))
            .expect("authorized");
        let (address, child) = serve(folder.path(), None);
        Self { address, folder, child }
    }

    /// Restarts it on the same port so that it asks for passwords in a dialogue, as servers with PAM do.
    pub fn ask_in_a_dialogue(&mut self) {
        self.stop();
        let _ = std::fs::remove_file(self.folder.path().join("etc/methods"));
        std::fs::write(self.folder.path().join("etc/dialogue"), "").expect("noted");
        (self.address, self.child) = serve(self.folder.path(), Some(self.address));
    }

    /// Restarts the server on the same port so that it wants these methods one after the other: `publickey,password`.
    pub fn require(&mut self, methods: &str) {
        self.stop();
        std::fs::write(self.folder.path().join("etc/methods"), methods).expect("noted");
        (self.address, self.child) = serve(self.folder.path(), Some(self.address));
    }

    /// Restarts the server on the same port with these lines in its config as well.
    pub fn configure(&mut self, lines: &str) {
        self.stop();
        std::fs::write(self.folder.path().join("etc/lines"), format!("{lines}\n")).expect("noted");
        (self.address, self.child) = serve(self.folder.path(), Some(self.address));
    }

    /// A file of the server beside its keys, which it may read.
    pub fn etc(&self, name: &str) -> PathBuf {
        self.folder.path().join("etc").join(name)
    }

    /// Restarts it on the same port with another ed25519 key.
    pub fn change_host_key(&mut self) {
        self.stop();
        let key = self.folder.path().join("etc/host_ed25519");
        std::fs::remove_file(&key).expect("the key");
        make_key(&key, "ed25519", "");
        (self.address, self.child) = serve(self.folder.path(), Some(self.address));
    }

    /// Restarts it on the same port without its ed25519 key.
    pub fn drop_ed25519(&mut self) {
        self.stop();
        std::fs::remove_file(self.folder.path().join("etc/host_ed25519")).expect("the key");
        (self.address, self.child) = serve(self.folder.path(), Some(self.address));
    }

    /// `SHA256:…` of the host key of this kind (`ed25519`, `rsa`).
    pub fn fingerprint(&self, kind: &str) -> String {
        let key = self.folder.path().join(format!("etc/host_{kind}.pub"));
        let shown = run(Command::new("ssh-keygen").arg("-lf").arg(key));
        shown.split_whitespace().nth(1).expect("a fingerprint").to_owned()
    }

    /// Puts a file into the folder that is served. Its time is in the past, so that it counts as settled.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.local(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        std::fs::write(&path, content).expect("wrote the file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).expect("permissions");
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
        std::fs::File::options().write(true).open(&path).expect("the file").set_modified(long_ago).expect("its time");
        path
    }

    /// Where a served file is on this machine.
    pub fn local(&self, name: &str) -> PathBuf {
        self.folder.path().join("upload").join(name)
    }

    /// The same file's path on the server.
    pub fn remote(&self, name: &str) -> String {
        let root = if is_root() { PathBuf::from("/upload") } else { self.folder.path().join("upload") };
        root.join(name).to_str().expect("a readable path").to_owned()
    }

    /// The account.
    pub fn user(&self) -> String {
        if is_root() { ACCOUNT.into() } else { run(Command::new("id").arg("-un")).trim().to_owned() }
    }

    /// The text of a private key that is let in.
    pub fn key(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("etc/user")).expect("the key")
    }

    /// Lets another key in, of this kind and with this passphrase, and answers its file.
    pub fn another_key(&self, kind: &str, passphrase: &str) -> PathBuf {
        let key = self.folder.path().join(format!("etc/user_{kind}_{}", passphrase.len()));
        make_key(&key, kind, passphrase);
        let public = std::fs::read(key.with_extension("pub")).expect("the public key");
        let keys = self.folder.path().join("etc/authorized_keys");
        std::fs::File::options().append(true).open(keys).and_then(|mut file| file.write_all(&public)).expect("let in");
        key
    }

    /// The usual way in: the password as root, the key otherwise.
    pub fn login(&self) -> SshLogin {
        match is_root() {
            true => SshLogin::password(PASSWORD),
            false => SshLogin::private_key(self.key(), None),
        }
    }

    /// The server as a config names it, with the usual way in.
    pub fn server(&self) -> SshServer {
        SshServer {
            host: self.address.ip().to_string(),
            port: self.address.port(),
            username: self.user(),
            login: self.login(),
            trust: HostTrust::FirstUse,
        }
    }

    /// A source that reads this path of the served folder.
    pub fn source(&self, name: &str) -> SftpSource {
        SftpSource {
            server: self.server(),
            jump: None,
            path: self.remote(name),
            files: FileOptions::default(),
            settle_seconds: 0,
            after_load: AfterLoad::Keep,
        }
    }

    /// The same with another login.
    pub fn source_with(&self, login: SshLogin, name: &str) -> SftpSource {
        SftpSource { server: SshServer { login, ..self.server() }, ..self.source(name) }
    }

    /// The same with another trust in host keys.
    pub fn trusted_source(&self, trust: HostTrust, name: &str) -> SftpSource {
        SftpSource { server: SshServer { trust, ..self.server() }, ..self.source(name) }
    }

    /// Logins the server has refused so far.
    pub fn refused_logins(&self) -> usize {
        let log = std::fs::read_to_string(self.folder.path().join("etc/log")).expect("the log");
        log.lines().filter(|line| line.contains("Failed password") || line.contains("Failed publickey")).count()
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The source at another port of this machine.
pub fn at_port(source: SftpSource, port: u16) -> SftpSource {
    SftpSource { server: SshServer { port, ..source.server }, ..source }
}

/// Whether passwords can be tested: only root can make an account that has one.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Starts the server and waits for its banner.
fn serve(folder: &Path, address: Option<SocketAddr>) -> (SocketAddr, Child) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let address = address.unwrap_or_else(free_address);
        let config = folder.join("etc/sshd_config");
        std::fs::write(&config, config_text(folder, address)).expect("the config");
        let log = folder.join("etc/log");
        let mut child = Command::new("/usr/sbin/sshd")
            .arg("-D")
            .arg("-f")
            .arg(&config)
            .arg("-E")
            .arg(&log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sshd starts");
        while child.try_wait().expect("a state").is_none() {
            if says_hello(address) {
                return (address, child);
            }
            assert!(
                Instant::now() < deadline,
                "sshd does not answer: {}",
                std::fs::read_to_string(log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        // Another process took the port between our look and its start.
        assert!(Instant::now() < deadline, "sshd ends at once: {}", std::fs::read_to_string(log).unwrap_or_default());
    }
}

fn config_text(folder: &Path, address: SocketAddr) -> String {
    let etc = folder.join("etc");
    let host_keys: String = ["host_ed25519", "host_rsa"]
        .into_iter()
        .map(|key| etc.join(key))
        .filter(|key| key.exists())
        .map(|key| format!("HostKey {}\n", key.display()))
        .collect();
    let shut_in =
        if is_root() { format!("AllowUsers {ACCOUNT}\nChrootDirectory {}\n", folder.display()) } else { String::new() };
    let asks = match etc.join("dialogue").exists() {
        true => "UsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication yes\n",
        false => "UsePAM no\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n",
    };
    let methods = std::fs::read_to_string(etc.join("methods"));
    let methods = methods.map_or(String::new(), |methods| format!("AuthenticationMethods {methods}\n"));
    let lines = std::fs::read_to_string(etc.join("lines")).unwrap_or_default();
    format!(
        "{lines}ListenAddress {address}\n{host_keys}AuthorizedKeysFile {etc}/authorized_keys\nPidFile {etc}/pid\n\
         {asks}{methods}StrictModes no\n\
         LogLevel VERBOSE\nMaxStartups 100\nSubsystem sftp internal-sftp\nForceCommand internal-sftp\n{shut_in}",
        etc = etc.display(),
    )
}

/// A free address, below the ports that the system gives out, so that it stays free while a server is restarted.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(31).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        let address = SocketAddr::from(([127, 0, 0, 1], 20_000 + number as u16));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

fn says_hello(address: SocketAddr) -> bool {
    let Ok(stream) = TcpStream::connect(address) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).is_ok_and(|_| line.starts_with("SSH-2.0"))
}

pub(super) fn make_key(path: &Path, kind: &str, passphrase: &str) {
    let mut command = Command::new("ssh-keygen");
    run(command.args(["-q", "-t", kind, "-N", passphrase, "-C", "elt-test", "-f"]).arg(path));
}

/// Makes the account once a machine, and sets its password. Other test processes may do the same at this moment.
fn make_account() {
    let deadline = Instant::now() + Duration::from_secs(30);
    let exists = || Command::new("id").arg(ACCOUNT).output().expect("id").status.success();
    while !exists() {
        let made = Command::new("useradd")
            .args(["--system", "--no-create-home", "--home-dir", "/", "--shell", "/usr/sbin/nologin", ACCOUNT])
            .output()
            .expect("useradd");
        assert!(Instant::now() < deadline, "no account for the SFTP server: {}", String::from_utf8_lossy(&made.stderr));
    }
    while !set_password() {
        assert!(Instant::now() < deadline, "no password for the account {ACCOUNT}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn set_password() -> bool {
    let mut command = Command::new("chpasswd");
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("chpasswd");
    let mut input = child.stdin.take().expect("its input");
    input.write_all(format!("{ACCOUNT}:{PASSWORD}\n").as_bytes()).expect("written");
    drop(input);
    child.wait().expect("chpasswd").success()
}

pub(super) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
