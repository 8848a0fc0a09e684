//! Channels: receivers of messages that an admin defines once.

use serde_json::Value;

use crate::config::{ConfigError, ConfigProblem, Document, NoReferences, NotifyAddress};
use crate::explained::Code;
use crate::secret::Secret;

/// Channels that can be stored.
pub const MOST_CHANNELS: i64 = 100;
/// Bytes of a channel's name.
const MAX_NAME: usize = 64;
/// Bytes of an address with its certificates.
const MAX_ADDRESS: usize = 32 << 10;

/// The checked address of a channel: the keys of an item of `notify:` that say where messages go.
#[derive(Debug, Clone)]
pub struct ChannelAddress {
    /// The keys as JSON. Stored sealed.
    pub text: Secret,
    /// The address for people, without secrets.
    pub destination: String,
}

/// Why a channel cannot be stored like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// A config could not name it.
    #[error("a channel's name has 1 to {MAX_NAME} letters, digits, `_`, `-` and `.`")]
    Name,
    /// No message could be sent there.
    #[error("the channel cannot be used: {0}")]
    Address(String),
    /// The limit of stored channels is reached.
    #[error("{MOST_CHANNELS} channels are stored, and no more can be")]
    TooMany,
}

impl ChannelError {
    /// Stable.
    pub fn code(&self) -> Code {
        match self {
            Self::Name | Self::Address(_) => Code::InvalidChannel,
            Self::TooMany => Code::TooManyChannels,
        }
    }
}

/// Whether a config can name a channel like this.
pub fn is_channel_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

impl ChannelAddress {
    /// Checks an address by the rules of an item of `notify:`.
    ///
    /// # Errors
    /// When no message could be sent there.
    pub fn checked(keys: &Value) -> Result<Self, ChannelError> {
        let text = keys.to_string();
        if text.len() > MAX_ADDRESS {
            return Err(ChannelError::Address(format!("its address has more than {} KiB", MAX_ADDRESS >> 10)));
        }
        if text.contains("${env:") || text.contains("${secret:") {
            return Err(ChannelError::Address(
                "write its address itself: it is stored sealed, and no reference is looked up".into(),
            ));
        }
        let address = read(&text).map_err(|error| ChannelError::Address(said(&error)))?;
        Ok(Self { destination: address.destination(), text: Secret::new(text) })
    }
}

/// The address in a channel's sealed text.
///
/// # Errors
/// When it is not an address of the channel's kind.
pub(super) fn read(text: &str) -> Result<NotifyAddress, ConfigError> {
    // JSON is YAML, so that a channel and an item of a config are read by the same rules.
    let document = Document::parse(&format!("{{\"notify\": [{text}]}}"))?;
    Ok(document.notify_address(0, &NoReferences)?.value)
}

/// What is wrong with an address, by its keys. Lines and columns would be those of the JSON.
fn said(error: &ConfigError) -> String {
    let problem = |problem: &ConfigProblem| {
        let key = problem.path.trim_start_matches("notify[0]").trim_start_matches('.');
        if key.is_empty() { problem.message.clone() } else { format!("{key}: {}", problem.message) }
    };
    match error {
        ConfigError::NotRunnable(problems) | ConfigError::Secret { problems, .. } => {
            problems.iter().map(problem).collect::<Vec<_>>().join("; ")
        }
        ConfigError::Syntax(_) => "its address cannot be read".into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_checked_like_an_item_of_a_config_and_shown_without_secrets() {
        let checked = |keys: Value| ChannelAddress::checked(&keys).map(|address| address.destination);
        assert_eq!(
            checked(json!({ "webhook": "https://hooks.slack.com/services/canary" })),
            Ok("webhook https://hooks.slack.com".into())
        );
        assert_eq!(
            checked(
                json!({ "email": ["a@b.example", "c@d.example"], "from": "e@f.example", "smtp": "smtps://u:canary@mail.example" })
            ),
            Ok("e-mail a@b.example and 1 more".into())
        );
        for (keys, said) in [
            (json!({}), "names no receiver"),
            (json!({ "webhook": "canary" }), "webhook: expected an address that begins with https:// or http://"),
            (json!({ "webhook": "https://a/${secret:x}" }), "write its address itself"),
            (json!({ "webhook": "https://a/", "secret": "canary" }), "secret: expected `whsec_`"),
            (
                json!({ "email": "a@b.example", "from": "e@f.example", "smtp": "http://canary" }),
                "smtp: expected smtps://",
            ),
        ] {
            let error = checked(keys.clone()).expect_err("not an address").to_string();
            assert!(error.contains(said) && !error.contains("canary"), "{keys}: {error}");
        }
    }

    #[test]
    fn a_name_can_stand_in_a_config() {
        assert!(["ops", "team.a-1_b", &"x".repeat(64)].iter().all(|name| is_channel_name(name)));
        assert!(["", "a b", "é", "a/b", &"x".repeat(65)].iter().all(|name| !is_channel_name(name)));
    }
}
