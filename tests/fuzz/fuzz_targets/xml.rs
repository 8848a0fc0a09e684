//! Any bytes as an XML file, and as the file of which a config is proposed. Nothing panics.

#![no_main]

#[path = "../reading.rs"]
mod reading;

use elt_shared::config::{FileOptions, NamePrefixes, XmlOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, bytes) = input;
    let bit = |bit: u8| choice & (1 << bit) != 0;
    let xml = XmlOptions {
        records: if bit(0) { vec!["o".into(), "r".into()] } else { vec!["o".into()] },
        attribute_prefix: if bit(1) { "_".into() } else { String::new() },
        prefixes: if bit(2) { NamePrefixes::Keep } else { NamePrefixes::Drop },
        lists: if bit(3) { vec!["a".into()] } else { Vec::new() },
        trim: bit(4),
        encoding: bit(5).then(|| "windows-1252".into()),
    };
    reading::twice("f.xml", FileOptions { xml: Some(xml), ..FileOptions::default() }, bytes);
});
