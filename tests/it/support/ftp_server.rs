//! A real FTP server with a folder to serve: control and passive data connections, with and without TLS, on good and bad days.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::authority::Authority;

pub const USER: &str = "ann";
pub const PASSWORD: &str = "pass-canary-7";

/// How a server behaves.
#[derive(Clone)]
pub struct Habits {
    /// MLSD and MLST, and FEAT that says so. Otherwise LIST, SIZE and MDTM.
    pub facts: bool,
    /// EPSV. Otherwise only PASV.
    pub extended: bool,
    /// REST.
    pub rest: bool,
    /// Encryption: by AUTH TLS, or from the first byte on.
    pub tls: Tls,
    /// The address that answers to PASV name.
    pub named: [u8; 4],
    /// Lines of listings that are sent in place of those of the folder.
    pub listing: Option<&'static [u8]>,
    /// Whether a listing is sent again and again.
    pub endless: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    None,
    Explicit,
    Implicit,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            facts: true,
            extended: true,
            rest: true,
            tls: Tls::None,
            named: [127, 0, 0, 1],
            listing: None,
            endless: false,
        }
    }
}

/// What becomes of a transfer of a file.
#[derive(Clone, Copy)]
pub enum Fate {
    /// The data connection is cut after so many bytes, and the server says so.
    Cut(u64),
    /// The data connection ends after so many bytes, and the server says that all is well.
    Short(u64),
    /// Both connections are cut after so many bytes.
    Lost(u64),
    /// Nothing more is sent after so many bytes.
    Silent(u64),
}

/// See the module. Ends with this value.
pub struct FtpServer {
    pub address: SocketAddr,
    pub authority: Authority,
    folder: TempDir,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

struct State {
    habits: Habits,
    root: PathBuf,
    acceptor: TlsAcceptor,
    fates: Mutex<VecDeque<Fate>>,
    commands: Mutex<Vec<String>>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl FtpServer {
    pub async fn start(habits: Habits) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority = Authority::new("an FTP authority");
        let (certificate, key) = authority.sign("127.0.0.1");
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
        let folder = tempfile::tempdir().expect("a folder");
        let state = Arc::new(State {
            habits,
            root: folder.path().to_owned(),
            acceptor: TlsAcceptor::from(Arc::new(config.expect("a usable certificate"))),
            fates: Mutex::default(),
            commands: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let serving = tokio::spawn({
            let state = Arc::clone(&state);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(serve(client, Arc::clone(&state)));
                }
            }
        });
        Self { address, authority, folder, state, serving }
    }

    /// Puts a file into the folder that is served. Its time is in the past, so that it counts as settled.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.local(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        std::fs::write(&path, content).expect("wrote the file");
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        std::fs::File::options().write(true).open(&path).expect("the file").set_modified(long_ago).expect("its time");
        path
    }

    /// Where a served file is on this machine.
    pub fn local(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The next transfer of a file meets this fate.
    pub fn meet(&self, fate: Fate) {
        self.state.fates.lock().expect("fates").push_back(fate);
    }

    /// The commands so far, without passwords.
    pub fn commands(&self) -> Vec<String> {
        self.state.commands.lock().expect("commands").clone()
    }

    /// The commands so far that begin with this word.
    pub fn told(&self, word: &str) -> Vec<String> {
        self.commands().into_iter().filter(|command| command.split(' ').next() == Some(word)).collect()
    }
}

impl Drop for FtpServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One client.
struct Session {
    state: Arc<State>,
    control: BufReader<Pin<Box<dyn Stream>>>,
    /// Where data connections are accepted.
    passive: Option<TcpListener>,
    /// Whether data connections are encrypted.
    private: bool,
    logged_in: bool,
    /// Folder where relative paths start, below the root.
    folder: PathBuf,
    rest: u64,
    renamed: Option<PathBuf>,
}

async fn serve(client: TcpStream, state: Arc<State>) {
    let control: Pin<Box<dyn Stream>> = match state.habits.tls {
        Tls::Implicit => match state.acceptor.accept(client).await {
            Ok(client) => Box::pin(client),
            Err(_) => return,
        },
        Tls::Explicit => {
            let Some(client) = upgraded(client, &state).await else { return };
            client
        }
        Tls::None => Box::pin(client),
    };
    let explicit = state.habits.tls == Tls::Explicit;
    let mut session = Session {
        state,
        control: BufReader::new(control),
        passive: None,
        private: false,
        logged_in: false,
        folder: PathBuf::new(),
        rest: 0,
        renamed: None,
    };
    if !explicit && session.say("220-hello\r\n 220 is not the end\r\n220 ready").await.is_err() {
        return;
    }
    while let Ok(true) = session.next().await {}
}

/// Greets in the clear, and refuses everything but AUTH TLS.
async fn upgraded(client: TcpStream, state: &Arc<State>) -> Option<Pin<Box<dyn Stream>>> {
    let mut client = BufReader::new(client);
    client.get_mut().write_all(b"220 ready\r\n").await.ok()?;
    loop {
        let mut line = String::new();
        if client.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        state.commands.lock().expect("commands").push(format!("in the clear: {}", line.trim_end()));
        if line.trim_end() == "AUTH TLS" {
            client.get_mut().write_all(b"234 go on\r\n").await.ok()?;
            let client = state.acceptor.accept(client.into_inner()).await.ok()?;
            return Some(Box::pin(client));
        }
        client.get_mut().write_all(b"530 encrypt first\r\n").await.ok()?;
    }
}

impl Session {
    async fn say(&mut self, answer: &str) -> io::Result<bool> {
        self.control.get_mut().write_all(format!("{answer}\r\n").as_bytes()).await?;
        self.control.get_mut().flush().await?;
        Ok(true)
    }

    /// Carries out the next command. False: there is none.
    async fn next(&mut self) -> io::Result<bool> {
        let mut line = Vec::new();
        if self.control.read_until(b'\n', &mut line).await? == 0 {
            return Ok(false);
        }
        let line = line.strip_suffix(b"\r\n").unwrap_or(&line).to_vec();
        let (word, argument) = match line.iter().position(|&byte| byte == b' ') {
            Some(at) => (String::from_utf8_lossy(&line[..at]).to_uppercase(), line[at + 1..].to_vec()),
            None => (String::from_utf8_lossy(&line).to_uppercase(), Vec::new()),
        };
        let text = String::from_utf8_lossy(&argument).into_owned();
        let noted = if word == "PASS" { word.clone() } else { format!("{word} {text}").trim_end().to_owned() };
        self.state.commands.lock().expect("commands").push(noted);
        if !self.logged_in && !["USER", "PASS", "PBSZ", "PROT", "AUTH"].contains(&word.as_str()) {
            return self.say("530 log in first").await;
        }
        let habits = self.state.habits.clone();
        match word.as_str() {
            "USER" if text == USER => self.say("331 and the password").await,
            "PASS" if text == PASSWORD => {
                self.logged_in = true;
                self.say("230 welcome").await
            }
            "USER" | "PASS" => self.say(&format!("530 wrong: {text}")).await,
            "PBSZ" => self.say("200 ok").await,
            "PROT" => {
                self.private = text == "P";
                self.say("200 ok").await
            }
            "FEAT" if habits.facts => self.say("211-Features:\r\n MLST type*;size*;modify*;\r\n UTF8\r\n211 End").await,
            "TYPE" | "NOOP" => self.say("200 ok").await,
            "PWD" => self.say(&format!("257 \"/{}\" is here", self.folder.display())).await,
            "CWD" => match self.place(&argument) {
                path if path.is_dir() => {
                    self.folder = path.strip_prefix(&self.state.root).expect("below the root").to_owned();
                    self.say("250 ok").await
                }
                _ => self.say("550 Failed to change directory.").await,
            },
            "EPSV" if habits.extended => self.listen(true).await,
            "PASV" => self.listen(false).await,
            "REST" if habits.rest => {
                self.rest = text.parse().unwrap_or(0);
                self.say("350 from there").await
            }
            "SIZE" if !habits.facts => match std::fs::metadata(self.place(&argument)) {
                Ok(meta) if meta.is_file() => self.say(&format!("213 {}", meta.len())).await,
                _ => self.say("550 Could not get file size.").await,
            },
            "MDTM" if !habits.facts => match std::fs::metadata(self.place(&argument)) {
                Ok(meta) if meta.is_file() => self.say(&format!("213 {}", time(&meta))).await,
                _ => self.say("550 Could not get file modification time.").await,
            },
            "MLST" if habits.facts => match std::fs::metadata(self.place(&argument)) {
                Ok(meta) => {
                    let mut answer = format!("250-here\r\n {} ", facts(&meta)).into_bytes();
                    answer.extend_from_slice(&argument);
                    answer.extend_from_slice(b"\r\n250 End\r\n");
                    self.control.get_mut().write_all(&answer).await?;
                    Ok(true)
                }
                Err(_) => self.say("550 No such file or directory").await,
            },
            "MLSD" if habits.facts => self.list(&argument).await,
            "LIST" if !habits.facts => self.list(&argument).await,
            "RETR" => self.send_file(&argument).await,
            "DELE" => {
                let done = std::fs::remove_file(self.place(&argument));
                self.done(done).await
            }
            "MKD" => match std::fs::create_dir(self.place(&argument)) {
                Ok(()) => self.say("257 made").await,
                Err(_) => self.say("550 Create directory operation failed.").await,
            },
            "RNFR" => {
                self.renamed = Some(self.place(&argument));
                self.say("350 to where").await
            }
            "RNTO" => {
                let from = self.renamed.take().unwrap_or_default();
                let done = std::fs::rename(from, self.place(&argument));
                self.done(done).await
            }
            _ => self.say("502 Command not implemented.").await,
        }
    }

    async fn done(&mut self, done: io::Result<()>) -> io::Result<bool> {
        match done {
            Ok(()) => self.say("250 done").await,
            Err(_) => self.say("550 Permission denied.").await,
        }
    }

    /// Where a path is on this machine.
    fn place(&self, path: &[u8]) -> PathBuf {
        let path = PathBuf::from(std::ffi::OsString::from_vec(path.to_vec()));
        match path.strip_prefix("/") {
            Ok(below) => self.state.root.join(below),
            Err(_) => self.state.root.join(&self.folder).join(path),
        }
    }

    async fn listen(&mut self, extended: bool) -> io::Result<bool> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        self.passive = Some(listener);
        let [a, b, c, d] = self.state.habits.named;
        match extended {
            true => self.say(&format!("229 Entering Extended Passive Mode (|||{port}|)")).await,
            false => {
                self.say(&format!("227 Entering Passive Mode ({a},{b},{c},{d},{},{}).", port >> 8, port & 255)).await
            }
        }
    }

    /// The data connection that the client has made, once it is told that it is used.
    async fn data(&mut self) -> io::Result<Option<Pin<Box<dyn Stream>>>> {
        let Some(listener) = self.passive.take() else { return Ok(None) };
        self.say("150 here it comes").await?;
        let (data, _) = listener.accept().await?;
        Ok(Some(if self.private { Box::pin(self.state.acceptor.accept(data).await?) } else { Box::pin(data) }))
    }

    async fn list(&mut self, path: &[u8]) -> io::Result<bool> {
        let folder = self.place(path);
        if !folder.exists() {
            return self.say("550 No such folder.").await;
        }
        let Ok(entries) = std::fs::read_dir(&folder) else { return self.say("550 Permission denied.").await };
        let mut lines = Vec::new();
        for entry in entries {
            let entry = entry?;
            let meta = std::fs::symlink_metadata(entry.path())?;
            let line = match self.state.habits.facts {
                true => facts(&meta),
                false => {
                    let kind = if meta.is_dir() {
                        'd'
                    } else if meta.is_symlink() {
                        'l'
                    } else {
                        '-'
                    };
                    format!("{kind}rw-r--r--    1 ftp      ftp      {:>8} Nov 29 22:00", meta.len())
                }
            };
            lines.extend_from_slice(line.as_bytes());
            lines.push(b' ');
            lines.extend_from_slice(entry.file_name().as_bytes());
            if meta.is_symlink() && !self.state.habits.facts {
                lines.extend_from_slice(b" -> somewhere");
            }
            lines.extend_from_slice(b"\r\n");
        }
        let Some(mut data) = self.data().await? else { return self.say("425 Use PASV first.").await };
        let lines = self.state.habits.listing.map_or(lines, <[u8]>::to_vec);
        loop {
            data.write_all(&lines).await?;
            if !self.state.habits.endless {
                break;
            }
        }
        data.shutdown().await?;
        drop(data);
        self.say("226 sent").await
    }

    async fn send_file(&mut self, path: &[u8]) -> io::Result<bool> {
        let Ok(content) = std::fs::read(self.place(path)) else { return self.say("550 Failed to open file.").await };
        let from = usize::try_from(std::mem::take(&mut self.rest)).unwrap_or(usize::MAX).min(content.len());
        let Some(mut data) = self.data().await? else { return self.say("425 Use PASV first.").await };
        let fate = self.state.fates.lock().expect("fates").pop_front();
        let rest = &content[from..];
        let limit = match fate {
            Some(Fate::Cut(bytes) | Fate::Short(bytes) | Fate::Lost(bytes) | Fate::Silent(bytes)) => bytes as usize,
            None => rest.len(),
        };
        data.write_all(&rest[..limit.min(rest.len())]).await?;
        data.flush().await?;
        match fate {
            Some(Fate::Lost(_)) => return Ok(false),
            Some(Fate::Silent(_)) => std::future::pending::<()>().await,
            _ => data.shutdown().await?,
        }
        drop(data);
        match fate {
            Some(Fate::Cut(_)) => self.say("426 Connection closed; transfer aborted.").await,
            _ => self.say("226 sent").await,
        }
    }
}

fn time(meta: &std::fs::Metadata) -> String {
    let seconds = meta.modified().expect("a time").duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    chrono::DateTime::from_timestamp(seconds as i64, 0).expect("a time").format("%Y%m%d%H%M%S").to_string()
}

fn facts(meta: &std::fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    let kind = if meta.is_dir() {
        "dir"
    } else if meta.is_symlink() {
        "OS.unix=symlink"
    } else {
        "file"
    };
    format!("type={kind};size={};modify={};unique={:x}g{:x};", meta.len(), time(meta), meta.dev(), meta.ino())
}
