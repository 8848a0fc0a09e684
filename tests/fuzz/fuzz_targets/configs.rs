//! Any text as a config: it is understood, or refused with a place. Nothing panics.

#![no_main]

use elt_shared::config::{Document, NoReferences};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(document) = Document::parse(text) {
        let _ = document.pipeline(&NoReferences);
    }
});
