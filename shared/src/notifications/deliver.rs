//! Sending the messages that are due.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use sqlx::PgPool;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::content::Content;
use super::email::MailError;
use super::webhook::{SEND_WITHIN, SendError, WebhookSender};
use super::{NotificationCounts, channel, counts, email};
use crate::backoff::{doubled, jittered};
use crate::config::{ConfigError, Document, NotifyAddress};
use crate::explained::sentence;
use crate::redaction;
use crate::secret::{KeyRing, OpenError};
use crate::settings::{AllowedVariables, NetworkSettings};
use crate::store::channels;
use crate::store::configs::{self, ConfigAuthor};
use crate::store::digests;
use crate::store::notifications::NotificationState;
use crate::store::outbox::{self, TakenNotification};
use crate::store::secrets::{self, ReadError};
use crate::stored_secret::{Asker, GrantedSecrets, SecretReferences};

/// Messages that a process sends at the same time.
const AT_ONCE: usize = 8;
/// Time between two searches for messages that are due.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);
/// Time after which another worker sends a message again, because the one that took it noted nothing. Longer than a try takes.
const LEASE: Duration = SEND_WITHIN.saturating_add(Duration::from_secs(15));
/// Longest time for reading what a message says and where it goes, so that a try is over before its lease.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// Pause after the first failed try; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(900);

/// The messages that a process sends.
#[derive(Debug, Clone)]
pub enum Sends {
    /// Those about runs of this queue: only its workers can be expected to know what a config refers to.
    OfQueue(String),
    /// Messages that a queue has no worker, and the digests that contain them.
    NoWorker,
}

impl Sends {
    /// The queue. `None`: those of any queue that say that there is no worker.
    pub(crate) fn queue(&self) -> Option<&str> {
        match self {
            Self::OfQueue(queue) => Some(queue),
            Self::NoWorker => None,
        }
    }
}

/// What a process needs to send messages.
pub struct Delivery {
    /// The control database.
    pub db: PgPool,
    /// The messages that it sends.
    pub sends: Sends,
    /// Open the configs that say where messages go. `None`: no message can be sent.
    pub keys: Option<Arc<KeyRing>>,
    /// The variables that configs may refer to.
    pub env_allow: Vec<String>,
    /// Which hosts may be called, by configs of admins and by those of users.
    pub network: NetworkSettings,
    /// Counts what it sent and gave up.
    pub counts: NotificationCounts,
}

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsent {
    #[error("this process has no secret key: set ELT_SECRET_KEY")]
    NoKeys,
    #[error("the config that says where it goes was deleted")]
    ConfigGone,
    #[error("it took more than {} s to read where it goes", READ_WITHIN.as_secs())]
    Slow,
    #[error("the channel {0} does not exist: define it, or change the config")]
    NoChannel(String),
    #[error("could not read where it goes")]
    Database(#[from] sqlx::Error),
    #[error("could not open what says where it goes")]
    Open(#[from] OpenError),
    #[error("the config does not say where it goes in this process")]
    Config(#[from] ConfigError),
    #[error("could not read the secrets of the config that says where it goes")]
    Secrets(#[source] OpenError),
    #[error("the message cannot be read; this is a bug in elt, please report it with the log")]
    Message(#[from] serde_json::Error),
    #[error("reading the config that says where it goes ended unexpectedly; please report this as a bug in elt")]
    Ended(#[source] JoinError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Mail(#[from] MailError),
}

/// Sends messages until `stop`.
pub async fn keep_sending(delivery: Delivery, stop: CancellationToken) {
    if delivery.network.public_url.is_some() && delivery.network.public_url().is_none() {
        tracing::warn!("ELT_PUBLIC_URL is not an http or https URL without user and query: messages link to no page");
    }
    let sender = match WebhookSender::new(&delivery.network) {
        Ok(sender) => Arc::new(sender),
        Err(error) => {
            tracing::error!(error = %error.without_url(), "this process cannot send messages");
            return;
        }
    };
    let delivery = Arc::new(delivery);
    let mut at_work = JoinSet::new();
    while !stop.is_cancelled() {
        let free = (AT_ONCE - at_work.len()) as i64;
        match take(&delivery, free).await {
            Ok(taken) => {
                for one in taken {
                    let (delivery, sender) = (Arc::clone(&delivery), Arc::clone(&sender));
                    at_work.spawn(async move { deliver(&delivery, &sender, one).await });
                }
            }
            Err(error) => tracing::warn!(%error, "could not look for messages to send"),
        }
        tokio::select! {
            () = sleep(jittered(SEARCH_INTERVAL)) => {}
            Some(_) = at_work.join_next() => {}
            () = stop.cancelled() => {}
        }
    }
    // A message that is on its way is noted as sent, so that no other worker sends it again.
    while at_work.join_next().await.is_some() {}
}

/// Makes digests of what is due, and takes up to `limit` messages and digests.
async fn take(delivery: &Delivery, limit: i64) -> sqlx::Result<Vec<TakenNotification>> {
    digests::gather(&delivery.db, &delivery.sends).await?;
    outbox::take_due(&delivery.db, &delivery.sends, limit, LEASE).await
}

/// Sends one message, or one digest, and notes what came of it.
async fn deliver(delivery: &Delivery, sender: &WebhookSender, taken: TakenNotification) {
    let TakenNotification { id, destination, .. } = &taken;
    let (kind, sent) = match timeout(READ_WITHIN, read(delivery, &taken)).await {
        Ok(Ok(parcel)) => (counts::kind(Some(&parcel.address)), send(sender, &taken, parcel).await),
        Ok(Err(error)) => (counts::kind(None), Err(error)),
        Err(_) => (counts::kind(None), Err(Unsent::Slow)),
    };
    let noted = match sent {
        Ok(()) => note_sent(delivery, &taken, kind).await,
        Err(error) => note_failed(delivery, &taken, kind, &sentence(&error)).await,
    };
    // The message is sent again then, with the same id.
    if let Err(error) = noted {
        tracing::warn!(%error, notification.id = %id, "could not note what came of a message to {destination}");
    }
}

async fn note_sent(delivery: &Delivery, taken: &TakenNotification, kind: &'static str) -> sqlx::Result<()> {
    let TakenNotification { id, pipeline, destination, attempt, .. } = taken;
    let what = what(taken);
    tracing::info!(notification.id = %id, pipeline, attempt, "sent {what} to {destination}");
    let messages = outbox::note_sent(&delivery.db, taken).await?;
    delivery.counts.add(kind, NotificationState::Sent, messages);
    Ok(())
}

async fn note_failed(
    delivery: &Delivery,
    taken: &TakenNotification,
    kind: &'static str,
    error: &str,
) -> sqlx::Result<()> {
    let TakenNotification { id, pipeline, destination, attempt, .. } = taken;
    let failures = u32::try_from(*attempt).unwrap_or(u32::MAX);
    let pause = jittered(doubled(FIRST_PAUSE, LONGEST_PAUSE, failures));
    let noted = outbox::note_failed(&delivery.db, taken, error, pause).await;
    let states = noted.as_deref().unwrap_or_default().iter();
    let what = what(taken);
    let given_up = states.filter(|state| **state == NotificationState::GivenUp).count() as u64;
    if given_up > 0 {
        tracing::error!(notification.id = %id, pipeline, attempt, error, messages = given_up, "gave up {what} to {destination}");
    } else {
        tracing::warn!(notification.id = %id, pipeline, attempt, error, "could not send {what} to {destination}");
    }
    delivery.counts.add(kind, NotificationState::GivenUp, given_up);
    noted.map(drop)
}

fn what(taken: &TakenNotification) -> String {
    if taken.is_digest { "a digest".to_owned() } else { format!("a message about {}", taken.pipeline) }
}

/// What is sent, and where it goes.
struct Parcel {
    content: Content,
    author: ConfigAuthor,
    address: NotifyAddress,
    /// Hides the secrets of the config in messages while it lives.
    _held: Vec<redaction::Held>,
}

async fn read(delivery: &Delivery, taken: &TakenNotification) -> Result<Parcel, Unsent> {
    let base = delivery.network.public_url();
    let content = Content::read(&delivery.db, taken, base.as_ref());
    let (content, (author, address, _held)) = tokio::try_join!(content, address(delivery, taken))?;
    Ok(Parcel { content, author, address, _held })
}

async fn send(sender: &WebhookSender, taken: &TakenNotification, parcel: Parcel) -> Result<(), Unsent> {
    let Parcel { content, author, address, _held } = parcel;
    let id = taken.id.to_string();
    match address {
        NotifyAddress::Webhook(address) => {
            let _held = [Some(&address.url), address.secret.as_ref()].map(|secret| secret.map(redaction::hold));
            let body = content.body(address.format, taken).to_string();
            Ok(sender.send(author, &address, (&id, Utc::now().timestamp()), body).await?)
        }
        NotifyAddress::Email(address) => {
            let _held = address.server.login.as_ref().map(|(_, password)| redaction::hold(password));
            let (subject, text) = content.mail();
            Ok(email::send(sender.network(author), &address, &id, (&subject, text)).await?)
        }
    }
}

/// Where a message goes now, and who vouches for it. The secrets are hidden in messages while the last part lives.
async fn address(
    delivery: &Delivery,
    taken: &TakenNotification,
) -> Result<(ConfigAuthor, NotifyAddress, Vec<redaction::Held>), Unsent> {
    let keys = delivery.keys.as_deref().ok_or(Unsent::NoKeys)?;
    if let Some(name) = &taken.channel {
        let text = channels::open(&delivery.db, keys, name).await?.ok_or_else(|| Unsent::NoChannel(name.clone()))??;
        // Only admins define channels.
        return Ok((ConfigAuthor::Admin, channel::read(text.expose())?, Vec::new()));
    }
    let (config_id, entry) = taken.config_id.zip(taken.entry).ok_or(Unsent::ConfigGone)?;
    let stored = configs::find(&delivery.db, config_id).await?.ok_or(Unsent::ConfigGone)?;
    let (author, text) = (stored.author(), stored.open(keys)?);
    let document = unblocked(move || Document::parse(text.expose())).await?;
    let asker = Asker { pipeline: &document.name(), author };
    let granted = secrets::of_config(&delivery.db, keys, &document, asker).await.map_err(|error| match error {
        ReadError::Database(error) => Unsent::Database(error),
        ReadError::Open(error) => Unsent::Secrets(error),
    })?;
    let (entry, env_allow) = (usize::try_from(entry).unwrap_or(usize::MAX), delivery.env_allow.clone());
    let (address, granted) = unblocked(move || {
        let references = SecretReferences { variables: Some(AllowedVariables::new(&env_allow)), secrets: &granted };
        Ok((document.notify_address(entry, &references)?.value, granted))
    })
    .await?;
    Ok((author, address, GrantedSecrets::into_held(granted)))
}

/// Reads a config on a thread of its own, because a large one takes a while.
async fn unblocked<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ConfigError> + Send + 'static,
) -> Result<T, Unsent> {
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(Unsent::Ended)?.map_err(Unsent::Config)
}
