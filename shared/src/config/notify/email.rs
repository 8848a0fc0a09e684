//! E-mail in an item of `notify:`: the receivers, and the server that takes the messages.

use lettre::message::Mailbox;
use reqwest::Url;

use super::super::field::Field;
use super::super::section::Section;
use crate::secret::Secret;

/// Most receivers of one item.
const MOST_RECEIVERS: usize = 20;

/// An item of `notify:` that sends e-mail, with its secrets.
#[derive(Debug, Clone)]
pub struct EmailAddress {
    /// The server that takes the messages.
    pub server: MailServer,
    /// The sender, `elt <elt@example.com>`.
    pub from: String,
    /// The receivers. Never empty.
    pub to: Vec<String>,
    /// The only authorities that may have signed the server's certificate, in PEM form. `None`: those of the system.
    pub authorities: Option<Secret>,
}

/// A mail server.
#[derive(Debug, Clone)]
pub struct MailServer {
    /// Name or address.
    pub host: String,
    /// TCP port of the server.
    pub port: u16,
    /// When the encryption begins.
    pub encryption: MailEncryption,
    /// User and password. `None`: the server wants none.
    pub login: Option<(String, Secret)>,
}

/// When the encryption of a connection to a mail server begins. Every connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailEncryption {
    /// With the first byte.
    FromTheStart,
    /// After `STARTTLS`, which the server must offer.
    StartTls,
}

/// The receivers for people. Checks what belongs to an e-mail as far as it has no references.
pub(super) fn destination(section: &Section<'_>, field: &Field<'_>) -> Option<String> {
    let (smtp, from) = (section.required("smtp")?, section.required("from")?);
    if !smtp.has_references() {
        smtp.accepted(server)?;
    }
    if !from.has_references() {
        from.accepted(mailbox)?;
    }
    let receivers = receivers(field)?;
    let known: Vec<&Field<'_>> = receivers.iter().filter(|receiver| !receiver.has_references()).collect();
    let known: Option<Vec<String>> = known.into_iter().map(|receiver| receiver.accepted(mailbox)).collect();
    let known = known?;
    Some(match (known.first(), receivers.len()) {
        (None, _) => "e-mail".to_owned(),
        (Some(first), 1) => format!("e-mail {first}"),
        (Some(first), count) => format!("e-mail {first} and {} more", count - 1),
    })
}

/// An item with the references looked up.
pub(super) fn read(section: &Section<'_>, field: &Field<'_>) -> Option<EmailAddress> {
    let to: Option<Vec<String>> = receivers(field)?.iter().map(|receiver| receiver.accepted(mailbox)).collect();
    Some(EmailAddress {
        server: section.required("smtp")?.accepted(server)?,
        from: section.required("from")?.accepted(mailbox)?,
        to: to?,
        authorities: section.secret("smtp_ca"),
    })
}

fn receivers<'a>(field: &Field<'a>) -> Option<Vec<Field<'a>>> {
    let receivers = if field.is_list() { field.items()? } else { vec![field.clone()] };
    if receivers.is_empty() || receivers.len() > MOST_RECEIVERS {
        field.problem(format!("expected 1 to {MOST_RECEIVERS} addresses, found {}", receivers.len()));
        return None;
    }
    Some(receivers)
}

fn mailbox(text: &str) -> Result<String, String> {
    match text.parse::<Mailbox>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("expected an e-mail address such as `ops@example.com` or `Ops <ops@example.com>`".into()),
    }
}

/// Reads `smtps://USER:PASSWORD@HOST:PORT`. The message does not repeat the text, because it has a password.
fn server(text: &str) -> Result<MailServer, String> {
    let expected = || "expected smtps://USER:PASSWORD@HOST or smtp://USER:PASSWORD@HOST (with STARTTLS)".to_owned();
    let url = Url::parse(text).map_err(|_| expected())?;
    let (encryption, port) = match url.scheme() {
        "smtps" => (MailEncryption::FromTheStart, 465),
        "smtp" => (MailEncryption::StartTls, 587),
        _ => return Err(expected()),
    };
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(expected)?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(expected());
    }
    let part = |text: &str| crate::target::percent_decoded(text).map_err(|_| expected());
    let login = match (url.username(), url.password()) {
        ("", None) => None,
        (user, Some(password)) => Some((part(user)?, Secret::new(part(password)?))),
        _ => return Err(expected()),
    };
    let host = host.trim_matches(['[', ']']).to_owned();
    Ok(MailServer { host, port: url.port().unwrap_or(port), encryption, login })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_encrypted_from_the_start_or_with_starttls() {
        let read = server("smtps://ann%40example.com:pa%3Ass@mail.example.com").expect("a server");
        assert_eq!(
            (read.host.as_str(), read.port, read.encryption),
            ("mail.example.com", 465, MailEncryption::FromTheStart)
        );
        let (user, password) = read.login.expect("a login");
        assert_eq!((user.as_str(), password.expose()), ("ann@example.com", "pa:ss"));
        let read = server("smtp://[::1]:2525").expect("a server");
        assert_eq!((read.host.as_str(), read.port, read.encryption), ("::1", 2525, MailEncryption::StartTls));
        assert!(read.login.is_none());
        for wrong in ["mail.example.com", "http://a", "smtp://", "smtps://user@host", "smtps://a/b", "smtps://a?tls=no"]
        {
            assert!(server(wrong).is_err(), "{wrong}");
        }
    }
}
