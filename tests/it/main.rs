//! Tests through the HTTP API with a real worker on a real PostgreSQL: a module a behaviour.

mod support;

mod api_sources;
mod load_append;
mod logins;
mod run_attempts;
mod sftp_sources;
