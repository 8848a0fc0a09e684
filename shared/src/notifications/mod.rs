//! Messages about what happens to pipelines.
//!
//! The end of a run opens and closes *incidents*: a pipeline that failed, rejected too many rows, or whose columns changed.
//! The sweeper opens those of pipelines that are stale, ticks those of schedules that missed a run, and the API those of runs
//! that wait where no worker is. One incident is one message to each receiver, and one more when it is over. The message is
//! written in the transaction that ends the run. Any worker sends it afterwards, and the API if it says that there is no
//! worker, until the receiver has taken it or a day is over. A process that is lost between sending a message and noting it
//! makes another one send it again, with the same id. A receiver may ask for digests: one message about everything that happened in
//! a period, which is sent in the same way.
//!
//! # Layout
//! - `event`, `rule`: what messages are about, and what `notify:` of a config asks for
//! - `conditions`: what the end of a run says about each event
//! - `message`: what a message says
//! - `quiet_hours`: the hours of the day in which messages wait; `digest_times`: when digests go out
//! - `raise`: opening and closing incidents, with their messages
//! - `channel`: receivers that an admin defines once
//! - `deliver`: sending the messages that are due; `webhook`: to a web address; `email`: by e-mail
//! - `content`: a message or a digest, which is one message about many; `digest`: what a digest says
//! - `counts`: what a process counts about the messages that it sends
//! - `body`, `signature`: what a request to a web address looks like
//! - `zone_name`: how time zones are stored

mod body;
mod channel;
mod conditions;
mod content;
mod counts;
mod deliver;
mod digest;
mod digest_times;
mod email;
mod event;
mod message;
mod quiet_hours;
mod raise;
mod rule;
mod signature;
mod webhook;
mod zone_name;

pub use body::BodyFormat;
pub use channel::{ChannelAddress, ChannelError, MOST_CHANNELS, is_channel_name};
pub use counts::NotificationCounts;
pub use deliver::{Delivery, Sends, keep_sending};
pub use digest_times::DigestTimes;
pub use email::MailError;
pub use event::Event;
pub use message::{Message, RunFacts};
pub use quiet_hours::QuietHours;
pub(crate) use raise::{open_stale, run_ended};
pub use raise::{open_without_worker, schedule_missed, test_channel};
pub use rule::{NotifyConfig, NotifyRule, Volume};
pub use signature::signing_key;
pub use webhook::SendError;
