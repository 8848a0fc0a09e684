//! The state of a schedule.

use crate::text_enum::text_enum;

text_enum! {
    /// The state of a schedule. The first three are live: a worker still looks at the schedule.
    #[derive(Default)]
    pub enum ScheduleState {
        /// Its window has not opened yet.
        #[default]
        Waiting = "waiting",
        /// Its window is open, or it has none.
        Active = "active",
        /// It makes no runs any more, and its last run is being stopped.
        Stopping = "stopping",
        /// It was stopped or replaced, or its window is over.
        Stopped = "stopped",
        /// Its window was over before any worker saw it open.
        Missed = "missed",
        /// It has nothing left to fire.
        Done = "done",
    }
}

impl ScheduleState {
    /// Whether a worker still looks at a schedule in this state.
    pub const fn is_live(self) -> bool {
        match self {
            Self::Waiting | Self::Active | Self::Stopping => true,
            Self::Stopped | Self::Missed | Self::Done => false,
        }
    }

    /// Whether a schedule in this state may still make runs.
    pub const fn makes_runs(self) -> bool {
        matches!(self, Self::Waiting | Self::Active)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_states_come_first_and_texts_stay() {
        let texts: Vec<_> = ScheduleState::ALL.iter().map(|state| state.as_str()).collect();
        assert_eq!(texts.join(" "), "waiting active stopping stopped missed done");
        let live: Vec<_> = ScheduleState::ALL.iter().filter(|state| state.is_live()).collect();
        assert_eq!(live, [&ScheduleState::Waiting, &ScheduleState::Active, &ScheduleState::Stopping]);
        assert!(!ScheduleState::Stopping.makes_runs());
    }
}
