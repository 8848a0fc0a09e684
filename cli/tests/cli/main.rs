//! The program as people and service managers meet it: real processes, real signals, a real private cluster.
//!
//! # Layout
//! - `support`: the program under test, a client of its API, an OTLP receiver
//! - a module for each behaviour

mod backup;
mod canary;
mod chart;
mod database_environment;
mod databases;
mod documents;
mod exit_codes;
mod explain;
mod fleet;
mod init;
mod key_rotation;
mod keys;
mod masked_values;
mod operate;
mod passwords;
mod poolers;
mod probes;
mod put;
mod refused_starts;
mod rolling_restart;
mod root;
mod row_values;
mod run;
mod schema_versions;
mod second_key;
mod secret_files;
mod secrets;
mod signals;
mod source_pages;
mod standbys;
mod stored_secrets;
mod support;
mod tls;
mod tokens;
mod traces;
mod up;
mod waiting;
