//! The values of a run's columns. The database checks them, too.

use crate::text_enum::text_enum;

text_enum! {
    /// The work that a run does.
    #[derive(Default)]
    pub enum RunKind {
        /// Extracts, validates and loads.
        #[default]
        Run = "run",
        /// Does the same without loading, to report what a run would change.
        Plan = "plan",
        /// Reads the sources and checks them against the contract.
        Check = "check",
        /// Connects to every source and to the target.
        TestConnection = "test_connection",
        /// Loads rejected rows of an earlier run again.
        Replay = "replay",
        /// Deletes the rows that an earlier run loaded.
        Undo = "undo",
        /// Compares the table and the sources with what an earlier run loaded, and changes nothing.
        Verify = "verify",
    }
}

text_enum! {
    /// The state of a run. `queued` and `running` may follow each other many times; the others are final.
    #[derive(Default)]
    pub enum RunState {
        /// It waits for a worker, for its window to open, for another attempt, or for its target.
        #[default]
        Queued = "queued",
        /// A worker executes an attempt of it and holds its lease.
        Running = "running",
        /// It completed the work of its kind.
        Succeeded = "succeeded",
        /// It failed for good and loaded nothing.
        Failed = "failed",
        /// It was stopped on request and loaded nothing.
        Stopped = "stopped",
    }
}

impl RunState {
    /// Whether a run in this state never changes again.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Stopped => true,
        }
    }
}

text_enum! {
    /// The reason why a run was made.
    #[derive(Default)]
    pub enum Trigger {
        /// A person or a program asked for it.
        #[default]
        Manual = "manual",
        /// A cron expression fired, or the window of a schedule opened.
        Schedule = "schedule",
        /// The sources of a monitored pipeline changed.
        FileChange = "file_change",
        /// It repeats an earlier run.
        Retry = "retry",
    }
}

text_enum! {
    /// How early a run starts among those that wait.
    #[derive(Default)]
    pub enum Priority {
        /// Before normal runs that were asked for up to an hour earlier.
        High = "high",
        /// In the order in which they were asked for.
        #[default]
        Normal = "normal",
        /// After normal runs that are asked for up to an hour later.
        Low = "low",
    }
}

text_enum! {
    /// The outcome of a run that succeeded.
    pub enum Outcome {
        /// Every row that arrived is in the table, and nothing needs attention. Also when no row arrived, or none was
        /// new.
        Clean = "clean",
        /// Something needs attention: rejected rows, files left out, warnings, or a step after the commit that failed.
        WithWarnings = "with_warnings",
        /// Rows or files arrived, and none of them could be loaded.
        NothingLoaded = "nothing_loaded",
    }
}

text_enum! {
    /// The stage of an attempt.
    #[derive(Default)]
    pub enum Stage {
        /// Connects to the target and claims its table.
        #[default]
        Connect = "connect",
        /// The files are got from the sources.
        Extract = "extract",
        /// Looks at every cell and decides the columns.
        Validate = "validate",
        /// Converts, sends and commits.
        Load = "load",
        /// Tries the checks of the config before it commits.
        Check = "check",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_and_sent_texts_stay_what_they_were() {
        let texts = |values: &[&str]| values.join(" ");
        let kinds: Vec<_> = RunKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(texts(&kinds), "run plan check test_connection replay undo verify");
        let states: Vec<_> = RunState::ALL.iter().map(|state| state.as_str()).collect();
        assert_eq!(texts(&states), "queued running succeeded failed stopped");
        let triggers: Vec<_> = Trigger::ALL.iter().map(|trigger| trigger.as_str()).collect();
        assert_eq!(texts(&triggers), "manual schedule file_change retry");
        let outcomes: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
        assert_eq!(texts(&outcomes), "clean with_warnings nothing_loaded");
        let stages: Vec<_> = Stage::ALL.iter().map(|stage| stage.as_str()).collect();
        assert_eq!(texts(&stages), "connect extract validate load check");
    }

    #[test]
    fn json_display_and_parsing_agree() {
        for kind in RunKind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("a text"), kind.as_str());
            assert_eq!(kind.to_string().parse(), Ok(*kind));
            assert_eq!(serde_json::from_value::<RunKind>(kind.as_str().into()).expect("a kind"), *kind);
        }
        let unknown = "loading".parse::<RunState>().expect_err("it is not a state");
        assert_eq!(unknown.to_string(), "\"loading\" is not a RunState");
        assert!("Queued".parse::<RunState>().is_err(), "the text counts, not the name of the variant");
    }
}
