//! Sending a message by e-mail.

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Mail};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use tokio::time::timeout;

use super::webhook::{CONNECT_WITHIN, SEND_WITHIN};
use crate::config::{EmailAddress, MailEncryption};
use crate::network::{self, NetworkError};
use crate::settings::NetworkSettings;

/// Mechanisms of logins, the preferred one first.
const MECHANISMS: &[Mechanism] = &[Mechanism::Plain, Mechanism::Login];
/// Longest part of a server's answer that is repeated, in characters.
const LONGEST_ANSWER: usize = 300;

/// Why a mail server did not take a message. Each is a sentence without the login.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The host may not be called, or was not found.
    #[error(transparent)]
    Host(#[from] NetworkError),
    /// The message cannot be written, because an e-mail address in it is invalid.
    #[error("the e-mail could not be written: {0}")]
    Content(String),
    /// The certificates of the config cannot be used.
    #[error("the certificates for the mail server cannot be used: {0}")]
    Certificates(String),
    /// The server does not encrypt.
    #[error("the mail server does not offer STARTTLS; elt sends no e-mail without encryption")]
    NotEncrypted,
    /// The server did not answer in time.
    #[error("the mail server did not answer within {} s", SEND_WITHIN.as_secs())]
    TimedOut,
    /// The server refused the login.
    #[error("the mail server refused the login: {0}")]
    Login(String),
    /// The server refused the message, or the connection failed.
    #[error("the mail server did not take the message: {0}")]
    Server(String),
}

/// Sends a text with this subject and id to all receivers of an address.
///
/// # Errors
/// When the server has not taken it.
pub(super) async fn send(
    network: &NetworkSettings,
    address: &EmailAddress,
    id: &str,
    (subject, text): (&str, String),
) -> Result<(), MailError> {
    let mail = mail(address, id, subject, text)?;
    match timeout(SEND_WITHIN, deliver(network, address, &mail)).await {
        Ok(sent) => sent,
        Err(_) => Err(MailError::TimedOut),
    }
}

/// The e-mail. Its id is that of the message, so that a second copy can be recognised.
fn mail(address: &EmailAddress, id: &str, subject: &str, text: String) -> Result<Mail, MailError> {
    let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|error| MailError::Content(error.to_string()));
    let mut mail = Mail::builder()
        .from(mailbox(&address.from)?)
        .subject(subject)
        .message_id(Some(format!("<{id}@elt>")))
        // Programs that answer e-mails leave such ones alone.
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into()))
        .header(ContentType::TEXT_PLAIN);
    for to in &address.to {
        mail = mail.to(mailbox(to)?);
    }
    mail.body(text).map_err(|error| MailError::Content(error.to_string()))
}

async fn deliver(network: &NetworkSettings, address: &EmailAddress, mail: &Mail) -> Result<(), MailError> {
    let server = &address.server;
    let mut tls = TlsParameters::builder(server.host.clone());
    if let Some(authorities) = &address.authorities {
        let certificate = Certificate::from_pem(authorities.expose().as_bytes());
        let certificate = certificate.map_err(|error| MailError::Certificates(error.to_string()))?;
        tls = tls.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    let tls = tls.build_rustls().map_err(|error| MailError::Certificates(error.to_string()))?;
    // The addresses were checked, and the connection goes to one of them.
    let addresses = network::resolve(network, &server.host, server.port).await?;
    let hello = ClientId::Domain("elt".into());
    let implicit = (server.encryption == MailEncryption::FromTheStart).then(|| tls.clone());
    let connected =
        AsyncSmtpConnection::connect_tokio1(addresses.as_slice(), Some(CONNECT_WITHIN), &hello, implicit, None).await;
    let mut connection = connected.map_err(failed)?;
    if server.encryption == MailEncryption::StartTls {
        if !connection.can_starttls() {
            connection.abort().await;
            return Err(MailError::NotEncrypted);
        }
        connection.starttls(tls, &hello).await.map_err(failed)?;
    }
    if let Some((user, password)) = &server.login {
        let credentials = Credentials::new(user.clone(), password.expose().to_owned());
        let answered = connection.auth(MECHANISMS, &credentials).await;
        answered.map_err(|error| MailError::Login(shortened(&error)))?;
    }
    connection.send(mail.envelope(), &mail.formatted()).await.map_err(failed)?;
    // The server has taken the message, whatever it says to the farewell, and however long it takes for that.
    tokio::spawn(async move { timeout(CONNECT_WITHIN, connection.quit()).await.map(drop) });
    Ok(())
}

fn failed(error: lettre::transport::smtp::Error) -> MailError {
    MailError::Server(shortened(&error))
}

/// An error on one line, shortened, because a server may write much.
fn shortened(error: &lettre::transport::smtp::Error) -> String {
    error.to_string().chars().filter(|c| !c.is_control()).take(LONGEST_ANSWER).collect()
}
