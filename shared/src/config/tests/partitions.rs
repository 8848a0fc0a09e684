//! `target.partition`, and what cannot stand beside it.

use super::*;
use crate::config::{Every, PartitionConfig};

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
    let by_month = PartitionConfig::Range { column: "sold_at".into(), every: Every::Month };
    assert_eq!(read("{by: sold_at, every: month}", ""), Some(by_month.clone()));
    assert_eq!(read("{by: sold_at, every: month}", "load: {mode: merge, key: [id, SOLD_AT]}\n"), Some(by_month));
    assert_eq!(read("{by: hash}", ""), Some(PartitionConfig::Hash { parts: 16 }));
    assert_eq!(read("{by: hash, parts: 256}", "load: {mode: replace}\n"), Some(PartitionConfig::Hash { parts: 256 }));
    let of_that_name = PartitionConfig::Range { column: "hash".into(), every: Every::Day };
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
