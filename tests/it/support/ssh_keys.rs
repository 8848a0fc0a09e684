//! What SSH keys come with: an authority that signs certificates, and an agent that holds keys.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::sshd::{make_key, run};

/// An authority that signs keys of users and hosts.
pub struct SshAuthority {
    folder: TempDir,
}

impl SshAuthority {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        make_key(&folder.path().join("ca"), "ed25519", "");
        Self { folder }
    }

    /// Its public key in one line.
    pub fn public_key(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("ca.pub")).expect("the key")
    }

    /// `SHA256:…` of its key.
    pub fn fingerprint(&self) -> String {
        let shown = run(Command::new("ssh-keygen").arg("-lf").arg(self.folder.path().join("ca.pub")));
        shown.split_whitespace().nth(1).expect("a fingerprint").to_owned()
    }

    /// A new key of a kind, which nobody knows yet.
    pub fn key(&self, kind: &str) -> PathBuf {
        let path = self.folder.path().join(format!("key_{kind}"));
        if !path.exists() {
            make_key(&path, kind, "");
        }
        path
    }

    /// A certificate for a user's key. `valid` as `ssh-keygen -V` takes it.
    pub fn sign_user(&self, key: &Path, user: &str, valid: &str) -> String {
        self.sign(key, &["-n", user, "-V", valid])
    }

    /// A certificate for a host's key.
    pub fn sign_host(&self, key: &Path, names: &str) -> String {
        self.sign(key, &["-h", "-n", names, "-V", "-1h:+1h"])
    }

    fn sign(&self, key: &Path, arguments: &[&str]) -> String {
        // The certificate is written beside the key, so the key is copied.
        let copy = self.folder.path().join("signed.pub");
        std::fs::copy(key.with_extension("pub"), &copy).expect("a copy");
        let mut command = Command::new("ssh-keygen");
        run(command
            .args(["-q", "-s"])
            .arg(self.folder.path().join("ca"))
            .args(["-I", "test"])
            .args(arguments)
            .arg(&copy));
        std::fs::read_to_string(self.folder.path().join("signed-cert.pub")).expect("the certificate")
    }
}

/// A real `ssh-agent`. Ends with this value.
pub struct SshAgent {
    folder: TempDir,
    child: Child,
}

impl SshAgent {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("socket");
        let mut command = Command::new("ssh-agent");
        let child = command.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let agent = Self { child: child.expect("ssh-agent starts"), folder };
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < deadline, "the agent does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        agent
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Gives it a key, and the certificate `…-cert.pub` beside it, if there is one.
    pub fn add(&self, key: &Path) {
        run(Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", self.socket()));
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
