//! `target.partition`, and what cannot stand beside it.

use super::*;
use crate::config::{Every, PartitionConfig, Then};

fn config(partition: &str, more: &str) -> String {
    format!("sources:\n- {{type: local, path: ./in}}\ntarget: {{table: t, partition: {partition}}}\n{more}")
}

fn refused(partition: &str, more: &str, expected: &str) {
    let problems = problems(&config(partition, more));
    assert!(problems.len() == 1 && problems[0].contains(expected), "{partition} {more}: {problems:?}");
}

#[test]
fn a_table_is_partitioned_by_a_column_or_by_the_row_hash() {
    let read = |partition: &str, more: &str| pipeline(&config(partition, more)).target.partition;
    let by_month = PartitionConfig::Range { column: "sold_at".into(), every: Every::Month, keep: None };
    assert_eq!(read("{by: sold_at, every: month}", ""), Some(by_month.clone()));
    assert_eq!(read("{by: sold_at, every: month}", "load: {mode: merge, key: [id, SOLD_AT]}\n"), Some(by_month));
    assert_eq!(read("{by: hash}", ""), Some(PartitionConfig::Hash { parts: 16 }));
    assert_eq!(read("{by: hash, parts: 256}", "load: {mode: replace}\n"), Some(PartitionConfig::Hash { parts: 256 }));
    let of_that_name = PartitionConfig::Range { column: "hash".into(), every: Every::Day, keep: None };
    assert_eq!(read("{by: hash, every: day}", ""), Some(of_that_name));
    assert_eq!(
        pipeline(&config("{by: x, every: week}", "").replace(", partition: {by: x, every: week}", "")).target.partition,
        None
    );
}

#[test]
fn what_cannot_be_partitioned_is_refused_with_the_keys() {
    refused("{every: month}", "", "target.partition: missing key \"by\"");
    refused("{by: sold_at}", "", "target.partition: missing key \"every\"");
    refused("{by: sold_at, every: hour}", "", "target.partition.every: unknown variant \"hour\"");
    refused("{by: '', every: day}", "", "target.partition.by: expected a column");
    refused("{by: _elt_loaded_at, every: day}", "", "target.partition.by: expected a column of the sources");
    refused("{by: hash, parts: 1}", "", "target.partition.parts: expected a whole number from 2 to 256");
    refused("{by: a, every: day, parts: 4}", "", "target.partition.parts: has no effect with every");
    refused("{by: hash}", "load: {dedupe: none}\n", "target.partition: `by: hash` needs row hashes");
    let merge = "load: {mode: merge, key: [id, area]}\n";
    refused("{by: hash}", merge, "target.partition: `by: hash` cannot be merged into");
    refused("{by: sold_at, every: day}", merge, "add \"sold_at\" to load.key, which is id, area");
}

#[test]
fn what_is_kept_is_a_length_of_time_and_old_partitions_are_dropped_only_when_it_is_written() {
    let read = |keep: &str| {
        let text = config(&format!("{{by: sold_at, every: month, keep: {keep}}}"), "");
        match pipeline(&text).target.partition {
            Some(PartitionConfig::Range { keep: Some(keep), .. }) => (keep.interval(), keep.then),
            other => panic!("{keep}: {other:?}"),
        }
    };
    assert_eq!(read("24 months"), ("24 months".to_owned(), Then::Detach));
    assert_eq!(read("{for: 8 quarters}"), ("24 months".to_owned(), Then::Detach));
    assert_eq!(read("{for: 2 years, then: detach}"), ("2 years".to_owned(), Then::Detach));
    assert_eq!(read("{for: 90 days, then: drop}"), ("90 days".to_owned(), Then::Drop));
}

#[test]
fn what_cannot_be_kept_is_refused_with_its_place() {
    let keep = |every: &str, keep: &str| format!("{{by: sold_at, every: {every}, keep: {keep}}}");
    refused(&keep("month", "24"), "", "target.partition.keep: expected a number of days");
    refused(
        &keep("month", "0 months"),
        "",
        "such as 24 months, at most 100 years, found \"0 months\" at line 3 column",
    );
    refused(
        &keep("month", "29 days"),
        "",
        "target.partition.keep: must be at least as long as a partition, which is a month",
    );
    refused(
        &keep("year", "{for: 11 months}"),
        "",
        "target.partition.keep.for: must be at least as long as a partition",
    );
    refused(&keep("day", "{then: drop}"), "", "target.partition.keep: missing key \"for\"");
    refused(&keep("day", "{for: 3 days, then: delete}"), "", "target.partition.keep.then: unknown variant \"delete\"");
    refused("{by: hash, keep: 2 years}", "", "target.partition.keep: has no effect with `by: hash`");
    refused(&keep("day", "3 days"), "load: {mode: replace}\n", "`keep` cannot stand beside `load.mode: replace`");
}
