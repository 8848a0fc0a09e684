//! `notify:`: which events of a pipeline send messages, and to whom.
//!
//! A config is read twice here. Every reading checks the items and says what they ask for. Only the reading that sends a message
//! looks up the references in its address, because a message that cannot be sent must not keep a run from loading.

mod digest;
mod email;
mod quiet;

use reqwest::Url;

use super::field::Field;
use super::keys::{Choice, Key, Shape};
use super::section::Section;
use crate::notifications::{BodyFormat, Event, NotifyConfig, NotifyRule, Volume};
use crate::secret::Secret;

pub use email::{EmailAddress, MailEncryption, MailServer};

/// The problem of an item, or of a channel, without a receiver.
const NO_ADDRESS: &str = "names no receiver: write \"webhook\", \"email\" or \"channel\"";

/// Most items of `notify:`.
const MOST_ITEMS: usize = 20;

/// Where the messages of one item of `notify:` go, with its secrets.
#[derive(Debug, Clone)]
pub enum NotifyAddress {
    /// A web address.
    Webhook(WebhookAddress),
    /// E-mail.
    Email(EmailAddress),
}

impl NotifyAddress {
    /// The address for people, without secrets.
    pub fn destination(&self) -> String {
        match self {
            Self::Webhook(webhook) => {
                // It was parsed before.
                let origin = Url::parse(webhook.url.expose()).map(|url| url.origin().ascii_serialization());
                format!("webhook {}", origin.unwrap_or_default())
            }
            Self::Email(email) => match email.to.as_slice() {
                [first, others @ ..] if !others.is_empty() => format!("e-mail {first} and {} more", others.len()),
                all => format!("e-mail {}", all.join(", ")),
            },
        }
    }
}

/// An item of `notify:` that calls a web address, with its secrets.
#[derive(Debug, Clone)]
pub struct WebhookAddress {
    /// The address that gets a POST request for each message.
    pub url: Secret,
    /// What the body of the request looks like.
    pub format: BodyFormat,
    /// Signs the request.
    pub secret: Option<Secret>,
}

impl Choice for Event {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("failed", Self::Failed),
        ("recovered", Self::Recovered),
        ("stopped", Self::Stopped),
        ("rejects", Self::Rejects),
        ("quarantine", Self::Rejects),
        ("drift", Self::Drift),
        ("schema_change", Self::Drift),
        ("volume", Self::Volume),
        ("stale", Self::Stale),
        ("no_worker", Self::NoWorker),
        ("missed", Self::Missed),
    ];
}

impl Choice for BodyFormat {
    const WORDS: &'static [(&'static str, Self)] =
        &[("generic", Self::Generic), ("slack", Self::Slack), ("teams", Self::Teams), ("discord", Self::Discord)];
}

pub(super) const KEYS: &[Key] = &[
    Key::of(
        "on",
        Shape::Texts,
        "The events: `failed`, `recovered`, `stopped`, `rejects`, `drift`, `volume`, `stale`, `no_worker`, `missed`. \
         Default: `failed` and `recovered`.",
    ),
    Key::secret("webhook", "The address that gets a POST request for each message."),
    Key::text("channel", "The name of a channel that an admin has defined; in place of `webhook` and `email`."),
    Key::choice::<BodyFormat>("format", "What the request's body looks like. Default: by the host of the address."),
    Key::secret("secret", "Signs the request, as Standard Webhooks say: `whsec_` and base64, or any text."),
    Key::of("email", Shape::Texts, "The addresses that get an e-mail for each message; in place of `webhook`."),
    Key::secret("smtp", "The mail server: `smtps://USER:PASSWORD@HOST`, or `smtp://` with STARTTLS."),
    Key::text("from", "The sender of e-mails."),
    Key::secret("smtp_ca", "The only authorities that may have signed the mail server's certificate, in PEM form."),
    Key::whole(
        "quarantine_above",
        0,
        1_000_000_000,
        "Number of rejected rows of a run that `rejects` lets pass. Default 0.",
    ),
    Key::of("quiet", Shape::Section(quiet::KEYS), "The hours of the day in which messages wait."),
    Key::of(
        "digest",
        Shape::Section(digest::KEYS),
        "When one message tells everything that happened since the last one.",
    ),
];

/// Longest time in `freshness`, in seconds: a year.
pub(super) const LONGEST_FRESHNESS: u64 = 366 * 86_400;

pub(super) const VOLUME_KEYS: &[Key] = &[
    Key::whole("min", 0, 1_000_000_000_000, "Fewer rows than these are too few."),
    Key::of("max_drop", Shape::Text, "Fewer rows than usual by more than this are too few: `50%`."),
];

/// What a config says about messages, without their addresses.
pub(super) fn read(root: &Section<'_>) -> Option<NotifyConfig> {
    let is_written = ["freshness", "volume"].into_iter().all(|name| is_written_out(root, name));
    let rules = items(root.field("notify"));
    let freshness = root.duration("freshness");
    let volume = root.field("volume").map(volume);
    let (rules, volume) = (rules?, volume.map_or(Some(None), |volume| volume.map(Some))?);
    // `freshness` alone is of use: pages show when a table is stale.
    if let Some(field) = root.field("volume")
        && !rules.iter().any(|rule| rule.on.contains(&Event::Volume))
    {
        field.warn(format!("has no effect, because no item of `notify` listens to `{}`", Event::Volume));
    }
    let freshness_seconds = freshness.map(|freshness| freshness.as_secs());
    is_written.then_some(NotifyConfig { rules, freshness_seconds, volume })
}

fn volume(field: &Field<'_>) -> Option<Volume> {
    let section = &field.section(VOLUME_KEYS)?;
    if !["min", "max_drop"].into_iter().all(|name| is_written_out(section, name)) {
        return None;
    }
    let max_drop = match section.field("max_drop") {
        Some(field) => Some(field.parsed(percent)?),
        None => None,
    };
    let volume = Volume { min: section.whole("min"), max_drop };
    if volume == Volume::default() {
        section.problem("says nothing: write \"min\" or \"max_drop\"");
    }
    Some(volume)
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    number.filter(|number| (0.0..=100.0).contains(number)).ok_or_else(|| "a percentage such as 50%".into())
}

/// What the items of `notify:` ask for, without their addresses.
fn items(field: Option<&Field<'_>>) -> Option<Vec<NotifyRule>> {
    let Some(field) = field else { return Some(Vec::new()) };
    let items = field.items()?;
    if items.len() > MOST_ITEMS {
        field.problem(format!("expected at most {MOST_ITEMS} items, found {}", items.len()));
        return None;
    }
    // Every item is read before the first wrong one ends it, so that all problems are reported at once.
    let rules: Vec<Option<NotifyRule>> = items.iter().map(rule).collect();
    rules.into_iter().collect()
}

/// Where one item of `notify:` sends to, with the references looked up.
pub(super) fn read_address(document: &Field<'_>, entry: usize) -> Option<NotifyAddress> {
    let Some(item) =
        document.child("notify").and_then(|field| field.items()).and_then(|items| items.get(entry).cloned())
    else {
        document.problem(format!("`notify` has no item {entry}"));
        return None;
    };
    let section = &item.section(KEYS)?;
    whose(section)?;
    match (section.field("webhook"), section.field("email")) {
        (_, Some(field)) => email::read(section, field).map(NotifyAddress::Email),
        (None, None) => {
            section.problem(NO_ADDRESS);
            None
        }
        (Some(field), None) => {
            let url = field.accepted(web_address)?;
            let format = section.choice("format");
            let format = format.unwrap_or_else(|| BodyFormat::of_host(url.host_str().unwrap_or_default()));
            if let Some(secret) = section.field("secret") {
                secret.accepted(signing_secret)?;
            }
            let (url, secret) = (Secret::new(url.as_str()), section.secret("secret"));
            Some(NotifyAddress::Webhook(WebhookAddress { url, format, secret }))
        }
    }
}

fn rule(item: &Field<'_>) -> Option<NotifyRule> {
    let section = &item.section(KEYS)?;
    let asked = ["on", "channel", "format", "quarantine_above"];
    if !asked.into_iter().all(|name| is_written_out(section, name)) {
        return None;
    }
    let on = events(section);
    let (channel, destination) = (section.field("channel"), whose(section));
    warn_of_others(section);
    let _: Option<BodyFormat> = section.choice("format");
    if let Some(secret) = section.field("secret").filter(|secret| !secret.has_references()) {
        secret.accepted(signing_secret);
    }
    let above = section.whole("quarantine_above");
    let quiet = section.field("quiet").map(quiet::read);
    let digest = section.field("digest").map(digest::read);
    let (on, destination) = (on?, destination?);
    let channel = match channel {
        Some(field) => Some(field.accepted(channel_name)?),
        None => None,
    };
    if let Some(field) = section.field("quarantine_above")
        && !on.contains(&Event::Rejects)
    {
        field.warn("has an effect on `rejects` only, which `on` does not name");
    }
    let quiet = quiet.map_or(Some(None), |quiet| quiet.map(Some))?;
    let digest = digest.map_or(Some(None), |digest| digest.map(Some))?;
    Some(NotifyRule { on, quarantine_above: above.unwrap_or(0), channel, quiet, digest, destination })
}

/// Whether a value stands in the config itself. What an item asks for is kept when the config is uploaded, and references are
/// looked up later.
fn is_written_out(section: &Section<'_>, name: &str) -> bool {
    let Some(field) = section.field(name) else { return true };
    let words = if field.is_list() { field.items().unwrap_or_default() } else { vec![field.clone()] };
    let references: Vec<_> = words.iter().filter(|word| word.has_references()).collect();
    references.iter().for_each(|word| word.problem("cannot be a reference: write the value itself"));
    references.is_empty()
}

/// The one receiver of an item, for people.
fn whose(section: &Section<'_>) -> Option<String> {
    let kinds = ["webhook", "email", "channel"];
    let mut written = kinds.into_iter().filter_map(|kind| Some((kind, section.field(kind)?)));
    let Some((kind, field)) = written.next() else {
        section.problem(NO_ADDRESS);
        return None;
    };
    if let Some((_, another)) = written.next() {
        another.problem(format!("an item has one receiver, and this one has {kind:?} already: write two items"));
        return None;
    }
    match kind {
        "webhook" => destination(field),
        "email" => email::destination(section, field),
        _ => Some(format!("channel {}", field.text()?.trim())),
    }
}

fn channel_name(text: &str) -> Result<String, String> {
    match crate::notifications::is_channel_name(text) {
        true => Ok(text.to_owned()),
        false => Err("a channel's name has 1 to 64 letters, digits, `_`, `-` and `.`".into()),
    }
}

/// Warns of keys that belong to the other kind of item.
fn warn_of_others(section: &Section<'_>) {
    for (kind, others) in [("webhook", &["format", "secret"][..]), ("email", &["smtp", "from", "smtp_ca"][..])] {
        for other in others.iter().filter(|_| !section.has(kind)).filter_map(|name| section.field(name)) {
            other.warn(format!("has an effect beside `{kind}` only"));
        }
    }
}

/// The events of `on`, each once.
fn events(section: &Section<'_>) -> Option<Vec<Event>> {
    let Some(field) = section.field("on") else { return Some(vec![Event::Failed, Event::Recovered]) };
    let words = if field.is_list() { field.items()? } else { vec![field.clone()] };
    let read: Vec<Option<Event>> = words.iter().map(Field::choice).collect();
    let mut events: Vec<Event> = read.into_iter().collect::<Option<_>>()?;
    events.sort_unstable();
    events.dedup();
    if !events.iter().any(|event| *event != Event::Recovered) {
        field.problem("names no event that something can recover from: write `failed` beside `recovered`, for example");
        return None;
    }
    Some(events)
}

/// A webhook for people. What follows its host may be a secret, so it is left out.
fn destination(field: &Field<'_>) -> Option<String> {
    if field.has_references() {
        // The text beside a reference may be a secret as well.
        let name = field.scalar().filter(|_| field.is_one_reference()).map(|scalar| scalar.text.trim().to_owned());
        return Some(name.map_or_else(|| "webhook".to_owned(), |name| format!("webhook {name}")));
    }
    let url = field.accepted(web_address)?;
    Some(format!("webhook {}", url.origin().ascii_serialization()))
}

fn web_address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    // The text may be a secret, so the message does not repeat it.
    url.ok_or_else(|| "expected an address that begins with https:// or http://".into())
}

fn signing_secret(text: &str) -> Result<(), String> {
    crate::notifications::signing_key(text).map(|_| ())
}
