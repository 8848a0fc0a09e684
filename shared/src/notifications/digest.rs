//! What a digest says: one message to its receiver about everything that waited for it.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Message;
use super::body::{self, BodyFormat, LONGEST_CHAT, escaped, without_links};
use super::message::shortened_to;

/// Most messages that a digest has in full.
pub(super) const MOST_TOLD: i64 = 50;
/// Most characters of the lines of a digest where the receiver takes long texts.
const LONGEST_TEXT: usize = 12_000;
/// Most characters of a title and of a name in a line.
const LONGEST_LINE: usize = 200;

/// A digest.
#[derive(Debug)]
pub(super) struct Digest {
    /// The messages by pipeline, those of each in their order.
    pub parts: Vec<Part>,
    /// Number of all messages, those that are not in `parts` included.
    pub messages: u64,
    /// Number of pipelines that they are about.
    pub pipelines: u64,
    /// The page with all messages. `None`: the process that sends it does not know the address of this installation.
    pub url: Option<String>,
}

/// A message of a digest.
#[derive(Debug)]
pub(super) struct Part {
    pub id: Uuid,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    pub message: Message,
}

/// How the lines of a digest are written.
#[derive(Debug, Clone, Copy)]
enum Style {
    /// Without markup, for e-mail.
    Plain,
    Slack,
    Teams,
    Discord,
}

impl Digest {
    /// How much it is and about what, in one line.
    pub fn title(&self) -> String {
        let messages = if self.messages == 1 { "1 message".to_owned() } else { format!("{} messages", self.messages) };
        match self.parts.first() {
            Some(part) if self.pipelines == 1 => {
                format!("{messages} about {}", shortened_to(LONGEST_LINE, &part.message.pipeline))
            }
            _ => format!("{messages} about {} pipelines", self.pipelines),
        }
    }

    /// The body of a request that carries it.
    pub fn body(&self, format: BodyFormat, id: Uuid, created_at: DateTime<Utc>) -> Value {
        let (title, url) = (self.title(), self.url.as_deref());
        match format {
            BodyFormat::Generic => {
                let parts = self.parts.iter();
                let messages: Vec<Value> =
                    parts.map(|part| body::body(format, part.id, part.created_at, &part.message)).collect();
                json!({
                    "id": id,
                    "type": "elt.pipeline.digest",
                    "timestamp": created_at,
                    "data": {
                        "title": title,
                        "url": url,
                        "messages": messages,
                        "more": self.messages.saturating_sub(self.parts.len() as u64),
                    },
                })
            }
            BodyFormat::Slack => body::slack(&format!("*{}*\n{}", escaped(&title), self.lines(Style::Slack)), url),
            BodyFormat::Teams => body::teams(&without_links(&title), &self.lines(Style::Teams), "elt", url),
            BodyFormat::Discord => {
                body::discord(&format!("**{}**\n{}", without_links(&title), self.lines(Style::Discord)), url)
            }
        }
    }

    /// The text of an e-mail.
    pub fn mail(&self) -> String {
        let link = self.url.as_deref().map(|url| format!("\nAll messages: {url}\n")).unwrap_or_default();
        format!("{}.\n\n{}\n{link}", self.title(), self.lines(Style::Plain))
    }

    /// Each pipeline with its messages, as many of them as a receiver takes, and the number of the others.
    fn lines(&self, style: Style) -> String {
        let (mut lines, mut length, mut told) = (Vec::new(), 0, 0);
        let mut pipeline = None;
        for part in &self.parts {
            let mut next = Vec::new();
            if pipeline != Some(&part.message.pipeline) {
                next.push(style.heading(&part.message.pipeline));
            }
            next.push(style.line(part));
            length += next.iter().map(|line| line.chars().count() + style.end().len()).sum::<usize>();
            if length > style.longest() {
                break;
            }
            lines.append(&mut next);
            pipeline = Some(&part.message.pipeline);
            told += 1;
        }
        if let Some(more @ 1..) = self.messages.checked_sub(told) {
            lines.push(format!("and {more} more"));
        }
        lines.join(style.end())
    }
}

impl Style {
    fn longest(self) -> usize {
        match self {
            // The title and the link have the rest of what Discord takes.
            Self::Discord => LONGEST_CHAT - LONGEST_LINE,
            Self::Plain | Self::Slack | Self::Teams => LONGEST_TEXT,
        }
    }

    /// What is between two lines. Teams shows a single line break as a space.
    fn end(self) -> &'static str {
        match self {
            Self::Plain | Self::Slack | Self::Discord => "\n",
            Self::Teams => "\n\n",
        }
    }

    fn text(self, text: &str) -> String {
        let text = shortened_to(LONGEST_LINE, text);
        match self {
            Self::Slack => escaped(&text),
            Self::Teams | Self::Discord => without_links(&text),
            Self::Plain => text,
        }
    }

    fn heading(self, pipeline: &str) -> String {
        let pipeline = self.text(pipeline);
        match self {
            Self::Plain => pipeline,
            Self::Slack => format!("*{pipeline}*"),
            Self::Teams | Self::Discord => format!("**{pipeline}**"),
        }
    }

    fn line(self, part: &Part) -> String {
        let link = part.message.url.as_deref().map(|url| match self {
            Self::Plain => format!("\n  {url}"),
            Self::Slack => format!(" (<{}|open>)", escaped(url)),
            Self::Teams => format!(" ([open]({url}))"),
            // Without the brackets, Discord would fetch the page to show a part of it.
            Self::Discord => format!(" (<{url}>)"),
        });
        let at = part.created_at.format("%Y-%m-%d %H:%M UTC");
        format!("- {at}: {}{}", self.text(&part.message.title), link.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::super::message::without_run;
    use super::*;

    /// Messages of `orders & co` and `people`, with links or without.
    fn digest(has_links: bool) -> Digest {
        let at: DateTime<Utc> = "2026-12-01T02:00:07Z".parse().expect("an instant");
        let part = |number: u128, pipeline: &str, event| {
            let mut message = without_run(event, pipeline, at, "More about it.".into());
            if has_links {
                message = message.linked(&"https://elt.example.com".parse().expect("a URL"));
            }
            Part { id: Uuid::from_u128(number), created_at: at, message }
        };
        let parts = vec![
            part(1, "orders & co", Event::Stale),
            part(2, "orders & co", Event::NoWorker),
            part(3, "people", Event::Missed),
        ];
        let url = has_links.then(|| "https://elt.example.com/ui/notifications".to_owned());
        Digest { parts, messages: 60, pipelines: 2, url }
    }

    #[test]
    fn chats_and_e_mails_have_a_line_for_each_message_below_its_pipeline() {
        let texts = |digest: &Digest| {
            let text = |format, pointer: &str| {
                let body = digest.body(format, Uuid::nil(), Utc::now());
                body.pointer(pointer).and_then(Value::as_str).expect("a text").to_owned()
            };
            let teams = "/attachments/0/content/body/1/text";
            [
                text(BodyFormat::Slack, "/text"),
                text(BodyFormat::Teams, teams),
                text(BodyFormat::Discord, "/content"),
                digest.mail(),
            ]
        };
        let page = "https://elt.example.com/ui/runs?name=";
        let [slack, teams, discord, mail] = texts(&digest(true));
        assert_eq!(
            slack,
            format!(
                "*60 messages about 2 pipelines*\n*orders &amp; co*\n\
                 - 2026-12-01 02:00 UTC: orders &amp; co is stale (<{page}orders+%26+co|open>)\n\
                 - 2026-12-01 02:00 UTC: orders &amp; co has no worker (<{page}orders+%26+co|open>)\n\
                 *people*\n- 2026-12-01 02:00 UTC: people missed a run (<{page}people|open>)\nand 57 more\n\
                 <https://elt.example.com/ui/notifications|Open in elt>"
            )
        );
        assert_eq!(
            teams,
            format!(
                "**orders & co**\n\n- 2026-12-01 02:00 UTC: orders & co is stale ([open]({page}orders+%26+co))\n\n\
                 - 2026-12-01 02:00 UTC: orders & co has no worker ([open]({page}orders+%26+co))\n\n\
                 **people**\n\n- 2026-12-01 02:00 UTC: people missed a run ([open]({page}people))\n\nand 57 more"
            )
        );
        assert_eq!(
            discord,
            format!(
                "**60 messages about 2 pipelines**\n**orders & co**\n\
                 - 2026-12-01 02:00 UTC: orders & co is stale (<{page}orders+%26+co>)\n\
                 - 2026-12-01 02:00 UTC: orders & co has no worker (<{page}orders+%26+co>)\n\
                 **people**\n- 2026-12-01 02:00 UTC: people missed a run (<{page}people>)\nand 57 more\n\
                 <https://elt.example.com/ui/notifications>"
            )
        );
        assert_eq!(
            mail,
            format!(
                "60 messages about 2 pipelines.\n\norders & co\n- 2026-12-01 02:00 UTC: orders & co is stale\n  {page}orders+%26+co\n\
                 - 2026-12-01 02:00 UTC: orders & co has no worker\n  {page}orders+%26+co\n\
                 people\n- 2026-12-01 02:00 UTC: people missed a run\n  {page}people\nand 57 more\n\n\
                 All messages: https://elt.example.com/ui/notifications\n"
            )
        );
        assert_eq!(
            texts(&digest(false))[3],
            "60 messages about 2 pipelines.\n\norders & co\n- 2026-12-01 02:00 UTC: orders & co is stale\n\
             - 2026-12-01 02:00 UTC: orders & co has no worker\npeople\n- 2026-12-01 02:00 UTC: people missed a run\nand 57 more\n"
        );
    }

    #[test]
    fn programs_get_the_messages_as_they_would_have_come_one_by_one_and_the_number_of_the_others() {
        let digest = digest(false);
        let body = digest.body(BodyFormat::Generic, Uuid::from_u128(1), digest.parts[0].created_at);
        assert_eq!((&body["type"], &body["data"]["more"]), (&json!("elt.pipeline.digest"), &json!(57)));
        let single = |part: &Part| body::body(BodyFormat::Generic, part.id, part.created_at, &part.message);
        assert_eq!(body["data"]["messages"], json!(digest.parts.iter().map(single).collect::<Vec<_>>()));
        assert_eq!(body["data"]["title"], "60 messages about 2 pipelines");
    }

    #[test]
    fn a_digest_of_many_long_messages_is_cut_between_two_of_them() {
        let mut digest = digest(true);
        let part = digest.parts.remove(0);
        let long = |number| Part {
            id: Uuid::from_u128(number),
            created_at: part.created_at,
            message: Message { title: "ä".repeat(900), pipeline: "p".repeat(900), ..part.message.clone() },
        };
        digest.parts = (0..50).map(long).collect();
        let text =
            digest.body(BodyFormat::Discord, Uuid::nil(), Utc::now())["content"].as_str().expect("text").to_owned();
        assert!(text.chars().count() < 2_000, "what Discord takes: {}", text.chars().count());
        assert!(text.ends_with("more\n<https://elt.example.com/ui/notifications>"), "{text}");
        assert!(
            digest.mail().chars().count() < LONGEST_TEXT + 500 && digest.mail().contains("and "),
            "{}",
            digest.mail()
        );
    }
}
