//! Any text as an expression of a config: it is understood, or refused with a place. Nothing panics.

#![no_main]

use elt_shared::config::{Document, NoReferences};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let quoted = text.replace('\'', "''");
    let yaml = format!("sources: [{{type: local, path: x}}]\ntarget: {{table: t}}\nshape: {{columns: {{x: '{quoted}'}}}}\n");
    if let Ok(document) = Document::parse(&yaml) {
        let _ = document.pipeline(&NoReferences);
    }
});
