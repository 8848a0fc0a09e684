//! Any text as a config: it is understood, or refused with a place. No panic gets out: those of the YAML parser, which
//! are known and caught, only must not end the process here.

#![no_main]

use elt_shared::config::{Document, NoReferences};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |text: &str| {
    if let Ok(document) = Document::parse(text) {
        let _ = document.pipeline(&NoReferences);
    }
});
