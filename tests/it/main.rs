//! Tests through the HTTP API with a real worker on a real PostgreSQL: a module a behaviour.

mod support;

mod api_sources;
mod audits;
mod coverage;
mod data_views;
mod health;
mod idempotency;
mod load_append;
mod load_contract;
mod load_faults;
mod load_foreign;
mod load_kinds;
mod load_memory;
mod load_modes;
mod load_transform;
mod load_widening;
mod local_sources;
mod log_lines;
mod logins;
mod main_job;
mod openapi;
mod problems;
mod queue_guards;
mod roles;
mod run_attempts;
mod schedules;
mod secrets;
mod sftp_sources;
mod sftp_trust;
mod sources_end_to_end;
mod sources_together;
mod streams;
mod triggers;
mod uploads;
mod worker_runs;
