//! What tests stand on: a whole elt of their own, and the servers it talks to.

pub mod app;
pub mod client;
pub mod control;
pub mod database;
pub mod folder;
pub mod loader;

pub use app::TestApp;
