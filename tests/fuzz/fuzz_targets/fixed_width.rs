//! Any bytes as a fixed-width file. Nothing panics.

#![no_main]

#[path = "../reading.rs"]
mod reading;

use elt_shared::config::{FileOptions, FixedColumn, FixedWidth, Surplus, TextEncoding, WidthUnit};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (choice, width, bytes) = input;
    let bit = |bit: u8| choice & (1 << bit) != 0;
    let width = u32::from(width % 40) + 1;
    let column = |start| FixedColumn { name: (!bit(0)).then(|| format!("c{start}")), start, width };
    let fixed_width = FixedWidth {
        columns: vec![column(0), column(width), column(width / 2)],
        header: bit(0),
        skip_rows: u16::from(bit(1)),
        skip_footer: 2 * u16::from(bit(2)),
        comment: bit(3).then(|| "*".into()),
        trim: !bit(4),
        unit: if bit(5) { WidthUnit::Bytes } else { WidthUnit::Characters },
        record_length: bit(6).then_some(2 * width),
        encoding: if bit(7) { TextEncoding::Named("shift_jis".into()) } else { TextEncoding::Utf8 },
        null_values: None,
        surplus: Surplus::Reject,
    };
    let options = FileOptions {
        format: Some(elt_shared::config::FileFormat::FixedWidth),
        fixed_width: Some(fixed_width),
        ..FileOptions::default()
    };
    reading::twice("f.dat", options, bytes);
});
