//! Archives and encrypted files with small damages are unpacked or refused.

use super::tar_archives::tar_of;
use super::{Case, fixture};
use crate::damaged_files::{DamageGenerator, files, peak_bytes};

/// Most bytes by which the memory of the process may grow.
const MOST_GROWN: u64 = 2 << 30;

#[test]
fn damaged_archives_are_unpacked_or_refused() {
    let before = peak_bytes();
    let mut count = 0;
    let is_archive = |name: &str| name.ends_with(".zip") || name.contains(".tar");
    for (name, bytes) in files("fixtures/archives").into_iter().filter(|(name, _)| is_archive(name)) {
        for seed in 0..60 {
            let damaged = DamageGenerator::new(seed).damaged(&bytes);
            if let Err(problem) = Case::default().open(&name, &damaged) {
                assert!(!problem.reason.is_empty(), "{name} with the seed {seed}");
            }
        }
        count += 1;
    }
    // A tar is not packed, so that its headers are damaged as well.
    let plain = tar_of(&[("a.csv", b"id\n1\n"), ("folder/b.csv", fixture("members.csv.gz").as_slice())]);
    for seed in 0..800 {
        let _ = Case::default().open("plain.tar", &DamageGenerator::new(seed).damaged(&plain));
    }
    assert!(count > 8, "{count} archives");
    let grown = peak_bytes().saturating_sub(before);
    assert!(grown < MOST_GROWN, "the memory grew by {} MiB", grown >> 20);
}
