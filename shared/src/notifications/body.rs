//! The bodies of requests that carry a message, for programs and for chats.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::message::shortened_to;
use super::{Event, Message};
use crate::text_enum::text_enum;

/// Most characters of a message in a chat, without its link. Discord refuses more than 2000.
pub(super) const LONGEST_CHAT: usize = 1_500;
/// The words of the link to a message's page.
const OPEN: &str = "Open in elt";

text_enum! {
    /// What the body of a request looks like.
    pub enum BodyFormat {
        /// JSON with everything that is known, as Standard Webhooks propose.
        Generic = "generic",
        /// An incoming webhook of Slack, or of Mattermost.
        Slack = "slack",
        /// A workflow of Microsoft Teams, as an adaptive card.
        Teams = "teams",
        /// A webhook of Discord.
        Discord = "discord",
    }
}

impl BodyFormat {
    /// The format that the receivers of a host expect.
    pub fn of_host(host: &str) -> Self {
        let host = host.to_ascii_lowercase();
        let is_at = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
        if is_at("hooks.slack.com") || is_at("hooks.slack-gov.com") {
            Self::Slack
        } else if is_at("webhook.office.com") || is_at("logic.azure.com") || is_at("api.powerplatform.com") {
            Self::Teams
        } else if is_at("discord.com") || is_at("discordapp.com") {
            Self::Discord
        } else {
            Self::Generic
        }
    }
}

/// The body of a request that carries a message.
pub(super) fn body(format: BodyFormat, id: Uuid, created_at: DateTime<Utc>, message: &Message) -> Value {
    match format {
        BodyFormat::Generic => json!({
            "id": id,
            "type": format!("elt.{}.{}", if message.event == Event::Test { "channel" } else { "pipeline" }, message.event),
            "timestamp": created_at,
            "data": message,
        }),
        BodyFormat::Slack => {
            slack(&cut(&format!("*{}*\n{}", escaped(&message.title), escaped(&message.text))), message.url.as_deref())
        }
        BodyFormat::Teams => {
            let (title, text) = (without_links(&message.title), cut(&without_links(&message.text)));
            teams(&title, &text, &without_links(&origin(message)), message.url.as_deref())
        }
        BodyFormat::Discord => {
            let text = without_links(&format!("**{}**\n{}", message.title, message.text));
            discord(&cut(&text), message.url.as_deref())
        }
    }
}

/// The text for Teams and Discord, in which names of sources and pipelines make no links.
pub(super) fn without_links(text: &str) -> String {
    text.replace('\\', "\\\\").replace('[', "\\[")
}

/// A body for Slack. The text is markup.
pub(super) fn slack(text: &str, url: Option<&str>) -> Value {
    let link = url.map(|url| format!("\n<{}|{OPEN}>", escaped(url))).unwrap_or_default();
    json!({ "text": format!("{text}{link}") })
}

/// A body for Teams. The text is markup.
pub(super) fn teams(title: &str, text: &str, origin: &str, url: Option<&str>) -> Value {
    let actions: Vec<Value> =
        url.into_iter().map(|url| json!({ "type": "Action.OpenUrl", "title": OPEN, "url": url })).collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": [
                    { "type": "TextBlock", "size": "medium", "weight": "bolder", "wrap": true, "text": title },
                    { "type": "TextBlock", "wrap": true, "text": text },
                    { "type": "TextBlock", "isSubtle": true, "wrap": true, "text": origin },
                ],
                "actions": actions,
            },
        }],
    })
}

/// A body for Discord. The text is markup.
pub(super) fn discord(text: &str, url: Option<&str>) -> Value {
    // Without the brackets, Discord would fetch the page to show a part of it.
    let link = url.map(|url| format!("\n<{url}>")).unwrap_or_default();
    // Without `allowed_mentions`, a pipeline named `@everyone` would ring everybody.
    json!({ "content": format!("{text}{link}"), "allowed_mentions": { "parse": [] } })
}

/// Where a message comes from, below its text.
pub(super) fn origin(message: &Message) -> String {
    match &message.run {
        Some(run) => format!("Pipeline {}, run {}", message.pipeline, run.id),
        None if message.pipeline.is_empty() => "elt".into(),
        None => format!("Pipeline {}", message.pipeline),
    }
}

/// The three characters that are markup in Slack.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn cut(text: &str) -> String {
    shortened_to(LONGEST_CHAT, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_address_says_what_its_receiver_expects() {
        for (host, format) in [
            ("hooks.slack.com", BodyFormat::Slack),
            ("discord.com", BodyFormat::Discord),
            ("acme.webhook.office.com", BodyFormat::Teams),
            ("prod-1.westeurope.logic.azure.com", BodyFormat::Teams),
            ("notdiscord.com", BodyFormat::Generic),
            ("alerts.example.com", BodyFormat::Generic),
        ] {
            assert_eq!(BodyFormat::of_host(host), format, "{host}");
        }
    }

    #[test]
    fn markup_of_chats_is_escaped_and_long_texts_are_cut() {
        assert_eq!(without_links(r"\[log in](https://evil.example)"), r"\\\[log in](https://evil.example)");
        assert_eq!(escaped("<!channel> & co"), "&lt;!channel&gt; &amp; co");
        assert_eq!(cut(&"ß".repeat(5_000)).chars().count(), LONGEST_CHAT + 1);
    }
}
