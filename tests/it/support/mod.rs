//! What tests stand on: a whole elt of their own, and the servers it talks to.

pub mod api_styles;
pub mod app;
pub mod authority;
pub mod bucket_server;
pub mod changing_api;
pub mod chaos_proxy;
pub mod client;
pub mod closed_port;
pub mod cluster;
pub mod control;
pub mod database;
pub mod events_api;
pub mod extraction;
pub mod failed_check;
pub mod family_api;
pub mod folder;
pub mod forward_proxy;
pub mod ftp_server;
pub mod history;
pub mod http_source;
pub mod identity_provider;
pub mod loader;
pub mod mail_server;
pub mod metadata_server;
pub mod notified;
pub mod paging_styles;
pub mod pgbouncer;
pub mod ssh_keys;
pub mod sshd;
pub mod standby;
pub mod token_server;

pub use app::TestApp;
