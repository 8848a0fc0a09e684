//! A small SMTP server that encrypts, wants a login, and keeps what it takes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::authority::Authority;

/// When the server encrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encrypts {
    FromTheStart,
    AfterStartTls,
    Never,
}

/// See the module. Ends with this value.
pub struct MailServer {
    pub address: SocketAddr,
    taken: Arc<Mutex<Vec<Taken>>>,
    serving: JoinHandle<()>,
}

/// A message that the server took.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    pub from: String,
    pub to: Vec<String>,
    /// Header and body, as they were sent.
    pub text: String,
    /// What the client logged in with, in base64.
    pub login: String,
    pub is_encrypted: bool,
}

impl MailServer {
    /// A server whose certificate for `localhost` the authority signs.
    pub async fn start(authority: &Authority, encrypts: Encrypts) -> Self {
        let (certificate, key) = authority.sign("localhost");
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
        let acceptor = TlsAcceptor::from(Arc::new(config.expect("a certificate with its key")));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let taken = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&taken);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, kept) = (acceptor.clone(), Arc::clone(&kept));
                // A client that goes away ends its own conversation only.
                tokio::spawn(async move { converse(stream, &acceptor, encrypts, &kept).await.ok() });
            }
        });
        Self { address, taken, serving }
    }

    /// The messages so far, oldest first.
    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn converse(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    encrypts: Encrypts,
    kept: &Mutex<Vec<Taken>>,
) -> std::io::Result<()> {
    match encrypts {
        Encrypts::FromTheStart => {
            let mut stream = BufReader::new(acceptor.accept(stream).await?);
            stream.write_all(b"220 ready\r\n").await?;
            talk(&mut stream, true, "", kept).await.map(|_| ())
        }
        Encrypts::AfterStartTls | Encrypts::Never => {
            let mut stream = BufReader::new(stream);
            stream.write_all(b"220 ready\r\n").await?;
            let offers = if encrypts == Encrypts::Never { "" } else { "250-STARTTLS\r\n" };
            if !talk(&mut stream, false, offers, kept).await? {
                return Ok(());
            }
            let mut stream = BufReader::new(acceptor.accept(stream.into_inner()).await?);
            talk(&mut stream, true, "", kept).await.map(|_| ())
        }
    }
}

/// Answers commands until the client leaves, or asks for encryption (true).
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    is_encrypted: bool,
    offers: &str,
    kept: &Mutex<Vec<Taken>>,
) -> std::io::Result<bool> {
    let mut mail = Taken { is_encrypted, ..Taken::default() };
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(false);
        }
        let line = line.trim_end();
        let (verb, rest) = line.split_once([' ', ':']).unwrap_or((line, ""));
        let answer = match verb.to_ascii_uppercase().as_str() {
            "EHLO" => format!("250-mail\r\n{offers}250 AUTH PLAIN\r\n"),
            "STARTTLS" => {
                stream.write_all(b"220 go on\r\n").await?;
                return Ok(true);
            }
            "AUTH" => {
                mail.login = rest.trim_start_matches("PLAIN ").to_owned();
                "235 welcome\r\n".into()
            }
            "MAIL" => {
                mail.from = rest.to_owned();
                "250 ok\r\n".into()
            }
            "RCPT" => {
                mail.to.push(rest.to_owned());
                "250 ok\r\n".into()
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                mail.text = read_mail(stream).await?;
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(mail.clone());
                "250 taken\r\n".into()
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(false);
            }
            _ => "500 what?\r\n".into(),
        };
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// The lines up to one with a single dot.
async fn read_mail<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(text);
        }
        text.push_str(&line);
    }
}
