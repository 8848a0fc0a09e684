//! What messages are about.

use crate::text_enum::text_enum;

text_enum! {
    /// Something that happened to a pipeline.
    pub enum Event {
        /// A run failed for good.
        Failed = "failed",
        /// A run was stopped before it had loaded.
        Stopped = "stopped",
        /// A run rejected more rows than the config allows.
        Rejects = "rejects",
        /// The columns of the sources differ from the table, or from the schema.
        Drift = "drift",
        /// A run read fewer rows than the config expects, or than usual.
        Volume = "volume",
        /// No run has loaded for longer than the config allows.
        Stale = "stale",
        /// A run has waited for minutes, and no worker of its queue takes runs.
        NoWorker = "no_worker",
        /// A schedule left a run out, or its window passed unseen.
        Missed = "missed",
        /// What another event reported is over.
        Recovered = "recovered",
        /// An admin tests a channel.
        Test = "test",
    }
}

impl Event {
    /// Whether its incidents end with a message to those who listen to [`Event::Recovered`]. A difference of columns does
    /// not: the table has changed, and nothing becomes as it was.
    pub fn recovers(self) -> bool {
        match self {
            Self::Failed
            | Self::Stopped
            | Self::Rejects
            | Self::Volume
            | Self::Stale
            | Self::NoWorker
            | Self::Missed => true,
            Self::Drift | Self::Recovered | Self::Test => false,
        }
    }
}
