//! What is sent: a message, or a digest of several.

use reqwest::Url;
use serde_json::Value;
use sqlx::PgPool;

use super::Message;
use super::body::{self, BodyFormat, origin};
use super::deliver::Unsent;
use super::digest::{Digest, MOST_TOLD, Part};
use super::message::page;
use crate::store::digests;
use crate::store::outbox::TakenNotification;

/// What is sent.
#[derive(Debug)]
pub(super) enum Content {
    /// A message by itself.
    Message(Box<Message>),
    /// Several that go out as one.
    Digest(Digest),
}

impl Content {
    /// What a message that was taken says, or its digest, with links into the installation at `base`.
    pub async fn read(db: &PgPool, taken: &TakenNotification, base: Option<&Url>) -> Result<Self, Unsent> {
        let read = |message: Value| -> Result<Message, serde_json::Error> {
            let message: Message = serde_json::from_value(message)?;
            Ok(match base {
                Some(base) => message.linked(base),
                None => message,
            })
        };
        if !taken.is_digest {
            return Ok(Self::Message(Box::new(read(taken.message.clone())?)));
        }
        let found = digests::parts(db, taken.id, MOST_TOLD).await?;
        let parts = found
            .parts
            .into_iter()
            .map(|part| Ok(Part { id: part.id, created_at: part.created_at, message: read(part.message)? }));
        Ok(Self::Digest(Digest {
            parts: parts.collect::<Result<_, serde_json::Error>>()?,
            messages: found.messages,
            pipelines: found.pipelines,
            url: base.map(|base| page(base, &["notifications"]).into()),
        }))
    }

    /// The body of a request that carries it.
    pub fn body(&self, format: BodyFormat, taken: &TakenNotification) -> Value {
        match self {
            Self::Message(message) => body::body(format, taken.id, taken.created_at, message),
            Self::Digest(digest) => digest.body(format, taken.id, taken.created_at),
        }
    }

    /// Subject and text of an e-mail.
    pub fn mail(&self) -> (String, String) {
        match self {
            Self::Message(message) => {
                let link = message.url.as_deref().map(|url| format!("{url}\n")).unwrap_or_default();
                let text = format!("{}.\n\n{}\n\n{}\n{link}", message.title, message.text, origin(message));
                (message.title.clone(), text)
            }
            Self::Digest(digest) => (digest.title(), digest.mail()),
        }
    }
}
