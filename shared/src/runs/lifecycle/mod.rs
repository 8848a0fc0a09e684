//! The life of a run, from its first attempt to its end.
//!
//! ```text
//!               take                           finish: succeeded (with an outcome)
//!   queued ───────────────────▶ running ─────▶ finish: failed
//!   │ ▲                         │              finish: stopped
//!   │ │   retry_later           │
//!   │ │   wait_for_target, wait │
//!   │ ├── hand_back ────────────┤
//!   │ │   rescue                │
//!   │ └── leave_unknown ────────┘
//!   │
//!   └── request_stop ─────────────────────────▶ finish: stopped
//! ```
//!
//! | state   | event             | next state | caused by | when |
//! |---------|-------------------|------------|-----------|------|
//! | –       | [`enqueue`](crate::trigger::enqueue) | queued | API, CLI, tick of a schedule, backfill | somebody asks, a schedule fires, a source changed, the turn of a window has come |
//! | queued  | [`take()`]        | running    | worker    | the run is due and has attempts left |
//! | running | [`take()`]        | running    | worker    | the lease is over; the attempt before it is lost |
//! | running | [`renew`]         | running    | worker    | at every heartbeat |
//! | running | [`finish()`]        | succeeded, failed, stopped | worker, sweeper | the attempt ends the run |
//! | running | [`retry_later`]   | queued, or stopped if a stop was asked for | worker | it failed in a way that may pass, and attempts are left |
//! | running | [`wait_for_target`] | queued   | worker    | another run loads into the same table |
//! | queued  | [`take()`]        | queued     | worker    | a pause or a limit holds it, its target is away and another run tries to reach it, or another run has its table |
//! | running | [`wait()`]          | queued, or stopped if a stop was asked for | worker | something that it needs is away; the attempt does not count |
//! | running | [`wait_for_parts`] | queued, or stopped if a stop was asked for | worker | each of its tables is loaded by a run of its own; the attempt does not count |
//! | running | [`hand_back`]     | queued     | worker    | the worker stops; the attempt does not count |
//! | running | [`leave_unknown`] | queued (unknown) | worker, sweeper | COMMIT was sent and its answer is lost |
//! | running (unknown) | [`ask_again`] | queued (unknown) | worker, sweeper | the target does not answer |
//! | running | [`rescue()`]        | queued, failed, stopped | sweeper | the lease is over and no worker took the run |
//! | queued  | [`request_stop`]  | stopped    | API, CLI, sweeper, tick, trigger | somebody asks, the window is over, or a newer schedule replaces it |
//! | queued (unknown) | [`request_stop`] | queued (unknown) | API, CLI, sweeper | it ends stopped once the target says that it did not load |
//! | running | [`request_stop`]  | running    | API, CLI, sweeper | the worker stops at the next batch boundary and calls [`finish()`] |
//! | final   | [`retry`]         | a new run, queued | API | somebody repeats it |
//!
//! # Rules
//! - Every end goes through [`finish()`]. What must happen when a run ends is written there, once.
//! - Every write of an attempt carries the *epoch* it began with. [`take()`] raises the epoch, so an attempt that lost its
//!   run changes nothing any more: the functions return false, and the worker must not write anything else either.
//! - An *unknown* run is one that may have loaded. Its attempts only ask the target, do not count against
//!   `max_attempts`, and go on until the target answers. It can neither end nor be repeated before that.
//! - A run's change and the ticket that wakes a worker for it are written in one transaction, because a run without a
//!   ticket waits for the sweeper, and a ticket without a change wakes a worker for nothing.
//! - A run waits for what is away as long as its config says, counted from when it first met an outage, by an attempt
//!   of its own or because its server was known to be away. These attempts do not count against `max_attempts`. One run at
//!   a time tries to reach a server for all runs that need it.
//!
//! # Layout
//! - [`mod@take`]: what a worker does with a ticket
//! - [`attempt`]: how a worker gives a run up unfinished
//! - [`waiting`]: how runs wait for something that is away, and for each other
//! - [`parts`]: a run that makes a run for each of its tables
//! - [`mod@finish`]: the end of a run
//! - [`stop`]: stopping on request, and repeating; [`bulk_retry`]: repeating many failed runs at once
//! - [`unknown`]: runs that may have loaded
//! - [`mod@verify`]: comparing the table with what a run loaded
//! - [`rescue`](mod@rescue): what the sweeper does about lost runs

mod attempt;
mod bulk_retry;
mod finish;
mod parts;
mod rescue;
mod stop;
mod take;
mod unknown;
mod verify;
mod waiting;

pub use attempt::{hand_back, retry_later, start_waiting, wait_for_target};
pub use bulk_retry::{BulkRetry, MOST_RETRIED, SkippedRetry, retry_failed};
pub use finish::{EndedBy, finish};
pub use parts::{NewPart, wait_for_parts, wake_whole};
pub use rescue::rescue;
pub use stop::{RetryAnswer, StopAnswer, request_stop, retry, stop_of_schedule};
pub use take::{Taken, release, release_all, take, wake_resumed};
pub use unknown::{adopt, ask_again, leave_unknown};
pub use verify::{VerifyAnswer, verify};
pub use waiting::{Wait, server_answers, take_over_tries, wait};

// Single statements that need nothing beside the row. They are named here, so that a run's whole life can be read in one
// place.
pub(crate) use crate::store::runs::end_wait_for_holder;
pub use crate::store::runs::{
    Claim, Renewed, Started, Turn, begin, claim_target, claim_turn, note_commit, note_outage_at_commit, note_progress,
    note_silence, renew,
};
