//! A text as a secret in a config, and as a whole config.

#![no_main]

#[path = "../properties.rs"]
mod properties;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &str)| properties::masked_yaml(input.0, input.1));
