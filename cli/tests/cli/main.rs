//! The program as people and service managers meet it: real processes, real signals, a real private cluster.
//!
//! # Layout
//! - `support`: the program under test, an OTLP receiver
//! - a module for each behaviour

mod exit_codes;
mod signals;
mod support;
mod up;
