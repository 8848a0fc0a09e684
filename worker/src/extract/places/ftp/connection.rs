//! One control connection to an FTP server: the login, transfers, and questions about files.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use elt_shared::config::{FtpSource, FtpTls};
use elt_shared::network::{self, keepalive};
use elt_shared::settings::NetworkSettings;
use rustls::ClientConfig;
use suppaftp::tokio::{AsyncRustlsConnector, AsyncRustlsFtpStream, AsyncRustlsStream, TransferStream};
use suppaftp::types::{FileType, Response};
use suppaftp::{FtpError, Mode, Status};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::answers::{About, Server};
use super::entries::{self, Entry, Kind};
use super::names::ByteNames;
use crate::extract::places::{RemoteFile, Result, SpoolFile, StoreError};
use crate::input::Version;

/// Bytes of a file that are read at a time.
const PIECE_BYTES: usize = 64 << 10;
/// Most bytes of one line of a listing.
const LINE_BYTES: usize = 16 << 10;

/// A data connection.
type Data = TransferStream<AsyncRustlsStream>;

/// A control connection that is logged in.
pub(super) struct Connection {
    ftp: AsyncRustlsFtpStream,
    server: Arc<Server>,
    /// Whether the server lists folders in a form for programs (MLSD), and says the same of one file (MLST).
    pub(super) has_facts: bool,
    /// The folder where relative paths start.
    home: String,
    /// Whether data connections are asked for by EPSV. Otherwise by PASV.
    extended: bool,
    /// Whether its answers are still those to its requests.
    in_order: bool,
}

impl Connection {
    /// Connects, encrypts the connection if the config says so, and logs in.
    pub(super) async fn open(
        source: &FtpSource,
        server: Arc<Server>,
        tls: Option<Arc<ClientConfig>>,
        network: &NetworkSettings,
    ) -> Result<Self> {
        let mut ftp = greeted(source, &server, tls, network).await?;
        ftp.set_encoding(ByteNames).await;
        let password = source.password.as_ref().map_or("elt@", |password| password.expose());
        server.answer(About::Login, ftp.login(source.username.as_str(), password)).await?;
        let features = match timeout(server.idle, ftp.feat()).await {
            Ok(Ok(features)) => features,
            // A server need not have FEAT.
            Ok(Err(FtpError::UnexpectedResponse(_) | FtpError::BadResponse)) => Default::default(),
            Ok(Err(error)) => return Err(server.failed(About::Login, error)),
            Err(_) => return Err(server.silent("did not answer for", server.idle)),
        };
        let has = |wanted: &str| features.keys().any(|name| name.eq_ignore_ascii_case(wanted));
        if has("UTF8") {
            // Some servers send names in UTF-8 only after this, and some know no such command.
            optional(server.answer_of(ftp.opts("UTF8", Some("ON"))).await, &server)?;
        }
        server.answer(About::Login, ftp.transfer_type(FileType::Image)).await?;
        let home = server.answer(About::Login, ftp.pwd()).await?;
        ftp.set_mode(Mode::ExtendedPassive);
        Ok(Self { ftp, server, has_facts: has("MLST"), home, extended: true, in_order: true })
    }

    /// A path as people see it.
    pub(super) fn shown(&self, path: &str) -> String {
        self.server.shown(path)
    }

    /// Whether another request can be made over it.
    pub(super) fn is_in_order(&self) -> bool {
        self.in_order
    }

    /// What is at a path, following links as the server does.
    pub(super) async fn kind(&mut self, path: &str) -> Result<Kind> {
        let server = Arc::clone(&self.server);
        if self.has_facts {
            let line = server.answer(About::Look(path), self.ftp.mlst(Some(path))).await?;
            // Some servers leave the name out, which is known.
            match entries::of_facts(&format!("{} .", line.trim_start())) {
                Some(Entry { kind: Kind::Link, .. }) => {}
                Some(entry) => return Ok(entry.kind),
                None => return Err(server.failed(About::Look(path), FtpError::BadResponse)),
            }
        }
        match self.version_by_questions(path).await {
            Err(StoreError::Missing { name }) => match self.enter(path).await {
                Ok(()) => {
                    self.go_home().await?;
                    Ok(Kind::Folder(None))
                }
                Err(error @ (StoreError::Lost { .. } | StoreError::Silent { .. } | StoreError::Busy { .. })) => {
                    Err(error)
                }
                Err(_) => Err(StoreError::Missing { name }),
            },
            version => Ok(Kind::File(Some(version?))),
        }
    }

    /// The version of the file at a path.
    pub(super) async fn look(&mut self, path: &str) -> Result<Version> {
        Ok(match self.kind(path).await? {
            Kind::File(Some(version)) => version,
            Kind::File(None) | Kind::Folder(_) | Kind::Link | Kind::Other => Version::default(),
        })
    }

    /// The version of a file by SIZE and MDTM, as far as the server has them.
    async fn version_by_questions(&mut self, path: &str) -> Result<Version> {
        let server = Arc::clone(&self.server);
        let size = match timeout(server.idle, self.ftp.size(path)).await {
            Ok(Ok(size)) => Some(size as u64),
            Ok(Err(FtpError::UnexpectedResponse(response))) if is_unknown(&response) => None,
            Ok(Err(error)) => return Err(server.failed(About::Look(path), error)),
            Err(_) => return Err(server.silent("did not answer for", server.idle)),
        };
        let modified = match timeout(server.idle, self.ftp.mdtm(path)).await {
            Ok(Ok(time)) => Some(time.and_utc().timestamp_millis()),
            Ok(Err(FtpError::UnexpectedResponse(_) | FtpError::BadResponse)) => None,
            Ok(Err(error)) => return Err(server.failed(About::Look(path), error)),
            Err(_) => return Err(server.silent("did not answer for", server.idle)),
        };
        Ok(Version { size, modified, tag: None })
    }

    /// The lines of a folder's listing, at most `most` of them.
    pub(super) async fn lines(&mut self, folder: &str, most: usize) -> Result<Vec<String>> {
        let about = About::File(folder);
        if self.has_facts {
            let command = if folder.is_empty() { "MLSD".to_owned() } else { format!("MLSD {folder}") };
            let data = self.transfer(about, &command).await?;
            return self.listing(data, folder, most).await;
        }
        // The path of LIST would be taken for options or a pattern by some servers.
        self.enter(folder).await?;
        let data = self.transfer(about, "LIST").await;
        let lines = match data {
            Ok(data) => self.listing(data, folder, most).await,
            Err(error) => Err(error),
        };
        if self.in_order {
            self.go_home().await?;
        }
        lines
    }

    async fn listing(&mut self, mut data: Data, folder: &str, most: usize) -> Result<Vec<String>> {
        let server = Arc::clone(&self.server);
        let (mut lines, mut rest, mut piece) = (Vec::new(), Vec::new(), vec![0; PIECE_BYTES]);
        // Until it has come to its end.
        self.in_order = false;
        loop {
            let bytes = match timeout(server.idle, data.read(&mut piece)).await {
                Ok(Ok(0)) => break,
                Ok(Ok(bytes)) => bytes,
                Ok(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => break,
                Ok(Err(error)) => return Err(server.lost(error.to_string())),
                Err(_) => return Err(server.silent("sent nothing more for", server.idle)),
            };
            rest.extend_from_slice(&piece[..bytes]);
            while let Some(end) = memchr::memchr(b'\n', &rest) {
                let line: Vec<u8> = rest.drain(..=end).collect();
                lines.push(text(&line));
                if lines.len() > most {
                    return Err(StoreError::too_many(&server.shown(folder), most));
                }
            }
            if rest.len() > LINE_BYTES {
                return Err(
                    server.protocol("lists a name without an end", "Check that host and port are an FTP server's.")
                );
            }
        }
        server.answer(About::File(folder), data.finish()).await?;
        self.in_order = true;
        if !rest.is_empty() {
            lines.push(text(&rest));
        }
        Ok(lines)
    }

    /// Appends the bytes of a file from the end of `spool` on.
    pub(super) async fn read(&mut self, file: &RemoteFile, spool: &mut SpoolFile<'_>) -> Result<()> {
        let (server, path) = (Arc::clone(&self.server), file.path.as_str());
        if spool.length() > 0 && file.version.modified.is_none() {
            // Nothing would tell that the rest is of another version of the file, which may have the same size.
            spool.start_over().await?;
        }
        let command = format!("RETR {path}");
        let mut data = match self.transfer_at(About::File(path), &command, spool.length()).await? {
            Some(data) => data,
            None => {
                spool.start_over().await?;
                self.transfer(About::File(path), &command).await?
            }
        };
        let mut piece = vec![0; PIECE_BYTES];
        self.in_order = false;
        loop {
            match timeout(server.idle, data.read(&mut piece)).await {
                Ok(Ok(0)) => break,
                Ok(Ok(bytes)) => spool.append(&piece[..bytes]).await?,
                // Many servers end an encrypted data connection without the notice that TLS has for it. The size tells then
                // whether anything is missing.
                Ok(Err(error)) if error.kind() == ErrorKind::UnexpectedEof && file.version.size.is_some() => break,
                Ok(Err(error)) => return Err(server.lost(error.to_string())),
                Err(_) => return Err(server.silent("sent nothing more for", server.idle)),
            }
            if spool.is_full() {
                return Ok(());
            }
            if file.version.size.is_some_and(|size| spool.length() > size) {
                return Err(StoreError::Changed { name: server.shown(path) });
            }
        }
        server.answer(About::File(path), data.finish()).await?;
        self.in_order = true;
        if file.version.size.is_some_and(|size| spool.length() < size) {
            // The driver asks whether the file has become shorter.
            return Err(StoreError::Changed { name: server.shown(path) });
        }
        Ok(())
    }

    pub(super) async fn delete(&mut self, path: &str) -> Result<()> {
        let server = Arc::clone(&self.server);
        server.answer(About::File(path), self.ftp.rm(path)).await
    }

    pub(super) async fn rename(&mut self, path: &str, to: &str) -> Result<()> {
        let server = Arc::clone(&self.server);
        if let Some((folder, _)) = to.rsplit_once('/')
            && !folder.is_empty()
        {
            // A folder that is there is refused like one that may not be made. The move itself tells them apart.
            optional(server.answer_of(self.ftp.mkdir(folder)).await, &server)?;
        }
        server.answer(About::File(path), self.ftp.rename(path, to)).await
    }

    /// Makes a folder the one that LIST lists.
    async fn enter(&mut self, folder: &str) -> Result<()> {
        let server = Arc::clone(&self.server);
        match folder {
            "" => Ok(()),
            folder => server.answer(About::File(folder), self.ftp.cwd(folder)).await,
        }
    }

    /// Goes back to where relative paths start.
    async fn go_home(&mut self) -> Result<()> {
        let (server, home) = (Arc::clone(&self.server), self.home.clone());
        server.answer(About::File(&home), self.ftp.cwd(&home)).await
    }

    /// Opens a data connection for a command.
    async fn transfer(&mut self, about: About<'_>, command: &str) -> Result<Data> {
        match self.transfer_at(about, command, 0).await? {
            Some(data) => Ok(data),
            None => Err(self.server.failed(about, FtpError::BadResponse)),
        }
    }

    /// The same from an offset on. `None`: the server cannot start there.
    async fn transfer_at(&mut self, about: About<'_>, command: &str, offset: u64) -> Result<Option<Data>> {
        let server = Arc::clone(&self.server);
        let resume = usize::try_from(offset).unwrap_or(usize::MAX);
        loop {
            server.answer(about, self.ftp.resume_transfer(resume)).await?;
            let started = self.ftp.custom_data_command(command, &[Status::AboutToSend, Status::AlreadyOpen]);
            self.in_order = false;
            let started = timeout(server.connect + server.idle, started).await;
            self.in_order = matches!(started, Ok(Ok(_) | Err(FtpError::UnexpectedResponse(_))));
            match started {
                Err(_) => return Err(server.silent("did not start a transfer within", server.connect + server.idle)),
                Ok(Ok((_, data))) => return Ok(Some(data)),
                Ok(Err(FtpError::UnexpectedResponse(response))) if is_unknown(&response) && self.extended => {
                    self.extended = false;
                    self.ftp.set_mode(Mode::Passive);
                }
                Ok(Err(FtpError::UnexpectedResponse(response))) if is_unknown(&response) && offset > 0 => {
                    return Ok(None);
                }
                Ok(Err(error)) => return Err(server.failed(about, error)),
            }
        }
    }
}

/// Connects, and waits for the greeting. What is sent from then on is encrypted, unless the config says otherwise.
async fn greeted(
    source: &FtpSource,
    server: &Arc<Server>,
    tls: Option<Arc<ClientConfig>>,
    network: &NetworkSettings,
) -> Result<AsyncRustlsFtpStream> {
    let connector = |tls| AsyncRustlsConnector::from(tokio_rustls::TlsConnector::from(tls));
    let host = source.host.trim_matches(['[', ']']);
    let ftp = match (tls, source.tls) {
        (Some(tls), FtpTls::Implicit) => {
            let addresses = network::resolve(network, host, source.port).await;
            let addresses = addresses.map_err(|error| server.not_connected(error))?;
            let connecting = AsyncRustlsFtpStream::connect_secure_implicit(addresses.as_slice(), connector(tls), host);
            let connected = timeout(server.connect, connecting).await;
            let connected =
                connected.map_err(|_| server.silent("did not accept a connection within", server.connect))?;
            let mut ftp = connected.map_err(|error| server.failed(About::Connection, error))?;
            // The connections for files are encrypted as well.
            for command in ["PBSZ 0", "PROT P"] {
                server.answer(About::Connection, ftp.custom_command(command, &[Status::CommandOk])).await?;
            }
            ftp
        }
        (tls, _) => {
            let connecting = network::connect(network, host, source.port, server.connect);
            let stream = connecting.await.map_err(|error| server.not_connected(error))?;
            let ftp = server.answer(About::Connection, AsyncRustlsFtpStream::connect_with_stream(stream)).await?;
            match tls {
                Some(tls) => server.answer(About::Connection, ftp.into_secure(connector(tls), host)).await?,
                None => ftp,
            }
        }
    };
    to_the_same_machine(ftp, server).await
}

/// Has data connections go to the machine of the control connection. The address that the server names in its answer to PASV
/// is not used: a server could name any machine, and elt would connect to it from inside its network.
async fn to_the_same_machine(mut ftp: AsyncRustlsFtpStream, server: &Server) -> Result<AsyncRustlsFtpStream> {
    let peer = {
        let socket = ftp.get_ref().await;
        // The kernel ends the connection when the other machine no longer answers.
        let _ = keepalive::end_when_unanswered(&socket);
        socket.peer_addr().map_err(|error| server.lost(error.to_string()))?.ip()
    };
    ftp.set_passive_nat_workaround(true);
    Ok(ftp.passive_stream_builder(move |named| {
        Box::pin(async move {
            let stream = TcpStream::connect(SocketAddr::new(peer, named.port())).await;
            let stream = stream.map_err(FtpError::ConnectionError)?;
            let _ = keepalive::end_when_unanswered(&stream);
            Ok(stream)
        })
    }))
}

impl Server {
    /// The answer to a request that may be refused.
    async fn answer_of<T>(&self, request: impl Future<Output = Result<T, FtpError>>) -> Result<Result<T, FtpError>> {
        timeout(self.idle, request).await.map_err(|_| self.silent("did not answer for", self.idle))
    }
}

/// Passes over a refusal.
fn optional<T>(answer: Result<Result<T, FtpError>>, server: &Server) -> Result<()> {
    match answer? {
        Ok(_) | Err(FtpError::UnexpectedResponse(_)) => Ok(()),
        Err(error) => Err(server.failed(About::Connection, error)),
    }
}

/// Whether the server does not know a command, or not in this form.
fn is_unknown(response: &Response) -> bool {
    matches!(response.status.code(), 500 | 501 | 502 | 503 | 504 | 522)
}

/// A line of a listing, without its end.
fn text(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    crate::extract::byte_names::to_text(line.strip_suffix(b"\r").unwrap_or(line))
}
