//! What the API and the workers agree on: the config, the database, the queue, and how a process is set up.
//!
//! # Layout
//! - [`backoff`]: pauses between attempts
//! - [`beneath`]: opening files below a folder without following links
//! - [`collision`]: transactions that got into the way of others
//! - [`config`]: the YAML a user writes, checked once and then runnable
//! - [`cron`]: when a cron expression fires in a zone
//! - [`cursor`]: values by which an API is asked only for what is new
//! - [`driver_text`]: texts of PostgreSQL's driver as people read them
//! - [`explained`]: every code of a problem, and what each means
//! - [`secret`]: values that never print
//! - [`api_token`]: the text of API tokens, and what they may be granted
//! - [`stored_secret`]: what a stored secret may be, and which configs get it
//! - [`redaction`]: hides the values of secrets in what people may read
//! - [`secret_file`]: secrets in files that settings name
//! - [`metrics`]: the metrics of a process, in Prometheus' text format
//! - [`password`]: hashing and checking passwords
//! - [`pooler`]: what a connection pooler does with sessions
//! - [`job`]: what travels through the queue: ids only
//! - [`queue`]: the guard rails around apalis: worker shape, heartbeat, sweeper, retention
//! - [`settings`]: flags and environment of a process
//! - [`notifications`]: incidents of pipelines, and the messages about them
//! - [`network`]: which hosts may be called, and connecting to a checked address
//! - [`json_path`]: paths into JSON: where the rows of an answer are
//! - [`runs`]: what a run is, and its life from the first attempt to the end
//! - [`backfills`]: loading a range of time in windows, each by a run of its own
//! - [`pauses`]: pausing pipelines and queues, and waking what waited
//! - [`end_schedules`]: ending schedules together with their runs
//! - [`text_enum`]: enums whose values are texts in the database and in JSON
//! - [`trigger`]: starting a pipeline: its run, its schedule and its ticket in one transaction
//! - [`telemetry`]: log lines, traces and the layer that keeps lines in the database
//! - [`target`]: connecting to a target table's database and reading a page of it
//! - [`store`]: the control database, a file a table
//! - [`inbox`]: the folders of uploaded files
//! - [`private_folder`]: folders that other accounts cannot look into
//!
//! This crate knows neither axum nor polars nor ssh.

pub mod api_token;
pub mod backfills;
pub mod backoff;
pub mod beneath;
pub mod collision;
pub mod config;
pub mod cron;
pub mod cursor;
pub mod disk;
pub mod driver_text;
pub mod end_schedules;
pub mod explained;
pub mod inbox;
pub mod invisible;
pub mod job;
pub mod json_path;
pub mod metrics;
pub mod network;
pub mod notifications;
pub mod password;
pub mod pauses;
pub mod pooler;
pub mod private_folder;
pub mod queue;
pub mod redaction;
pub mod runs;
pub mod secret;
pub mod secret_file;
pub mod settings;
pub mod store;
pub mod stored_secret;
pub mod target;
pub mod telemetry;
pub mod text_enum;
pub mod trigger;
