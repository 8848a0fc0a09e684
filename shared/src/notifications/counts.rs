//! What a process counts about the messages that it sends.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::body::BodyFormat;
use crate::config::NotifyAddress;
use crate::store::notifications::NotificationState;

/// The label `channel_kind` of messages whose receiver could not be read.
const UNKNOWN: &str = "unknown";
/// The label `channel_kind` of e-mails.
const EMAIL: &str = "email";
/// The states in which a message ends.
const ENDS: [NotificationState; 2] = [NotificationState::Sent, NotificationState::GivenUp];

/// Messages that a process has sent or given up. Clones share it.
#[derive(Debug, Clone)]
pub struct NotificationCounts(Family<[(&'static str, &'static str); 2], Counter>);

impl Default for NotificationCounts {
    fn default() -> Self {
        let counts = Self(Family::default());
        // Every series exists from the start, because `increase()` does not see a counter that first appears with the value 1.
        let formats = BodyFormat::ALL.iter().map(|format| format.as_str());
        for kind in formats.chain([EMAIL, UNKNOWN]) {
            ENDS.iter().for_each(|end| counts.add(kind, *end, 0));
        }
        counts
    }
}

impl NotificationCounts {
    /// Adds the counters to those of the process.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Messages that this process sent, or gave up, by kind of receiver and state";
        registry.register("elt_notifications", help, self.0.clone());
    }

    /// Counts messages to one receiver.
    pub(super) fn add(&self, kind: &'static str, state: NotificationState, messages: u64) {
        self.0.get_or_create(&[("channel_kind", kind), ("state", state.as_str())]).inc_by(messages);
    }
}

/// The label `channel_kind` of messages that go to an address; `None`: it could not be read.
pub(super) fn kind(address: Option<&NotifyAddress>) -> &'static str {
    match address {
        Some(NotifyAddress::Webhook(webhook)) => webhook.format.as_str(),
        Some(NotifyAddress::Email(_)) => EMAIL,
        None => UNKNOWN,
    }
}
