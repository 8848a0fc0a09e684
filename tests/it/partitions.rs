//! Partitioned tables that elt makes: rows reach their partitions, partitions are made as rows need them, and equal rows are
//! loaded once.

use std::collections::BTreeSet;

use crate::support::loader::Loader;

const MONTHS: &str = "t, partition: {by: sold_at, every: month}";
const HASHED: &str = "t, partition: {by: hash, parts: 4}";
const TIMES: &str = "schema: {id: int64, sold_at: timestamptz}\nstrict_mode: true\n";

/// The partitions of a table with their bounds, by name.
async fn partitions(loader: &Loader, table: &str) -> Vec<String> {
    loader
        .rows(&format!(
            "select c.relname, replace(pg_get_expr(c.relpartbound, c.oid), 'FOR VALUES ', '') as bound
             from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = '{table}'::regclass order by 1"
        ))
        .await
}

/// The partition of each row, by id.
async fn places(loader: &Loader) -> Vec<String> {
    loader.rows("select tableoid::regclass::text as place, id from t order by id").await
}

#[tokio::test]
async fn a_run_makes_the_table_with_the_partitions_of_its_rows_and_one_ahead() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,sold_at\n1,2026-01-31\n2,2026-02-01\n3,\n2,2026-02-01\n3,\n");
    let report = loader.load(MONTHS, "").await;
    assert_eq!((report.rows_inserted, report.rows_duplicate), (3, 2));
    assert_eq!(
        partitions(&loader, "t").await,
        [
            "t_2026_01|FROM ('2026-01-01') TO ('2026-02-01')",
            "t_2026_02|FROM ('2026-02-01') TO ('2026-03-01')",
            "t_2026_03|FROM ('2026-03-01') TO ('2026-04-01')",
            "t_default|DEFAULT",
        ]
    );
    assert_eq!(places(&loader).await, ["t_2026_01|1", "t_2026_02|2", "t_default|3"]);
    assert!(report.ddl.iter().any(|statement| statement.contains("attach partition \"public\".\"t_2026_01\"")));
    let unique = "select count(*) from pg_index where indrelid = 't'::regclass and indisunique and indisvalid";
    assert_eq!(loader.value(unique).await, "1");

    let again = loader.load(MONTHS, "").await;
    assert_eq!((again.rows_inserted, again.rows_duplicate), (0, 5));
    assert_eq!(again.ddl, [""; 0], "a load without new rows changes nothing");
}

#[tokio::test]
async fn equal_rows_are_loaded_once_however_they_are_written_and_whatever_memory_there_is() {
    let mut loader = Loader::start().await;
    let rows = "1,2026-01-01T00:00:00Z\n1,2026-01-01T01:00:00+01:00\n1,2025-12-31 19:00:00-05\n2,\n2,\n";
    loader.only("a.csv", format!("id,sold_at\n{rows}"));
    let first = loader.load(MONTHS, TIMES).await;
    assert_eq!((first.rows_inserted, first.rows_duplicate), (2, 3), "{first:#?}");
    loader.memory = elt_worker::run_context::HashMemory { own: 4_096, all: 4_096 };
    let many: String = (0..5_000).map(|n| format!("{n},2026-0{}-01T00:00:00Z\n", 1 + n % 9)).collect();
    loader.only("a.csv", format!("id,sold_at\n{rows}{many}{many}"));
    let second = loader.load(MONTHS, TIMES).await;
    assert_eq!((second.rows_inserted, second.rows_duplicate), (5_000, 5_005));
    assert_eq!(loader.load(MONTHS, TIMES).await.rows_inserted, 0);
    assert_eq!(loader.count("(select distinct _elt_row_hash from t) hashes").await, loader.count("t").await);
}

#[tokio::test]
async fn a_range_begins_at_midnight_utc_whatever_the_zone_of_the_value_or_of_the_role() {
    let loader = Loader::start().await;
    let admin = loader.admin().await;
    let role = loader.value("select current_user").await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("alter role {role} set timezone = 'Pacific/Auckland'")))
        .execute(&admin)
        .await
        .expect("set the zone");
    // The clocks of Berlin go forward on 29 March.
    loader.only(
        "a.csv",
        "id,sold_at\n1,2026-04-01T01:59:59.999999+02:00\n2,2026-04-01T02:00:00+02:00\n3,2026-03-29T01:59:59+01:00\n\
         4,2026-03-29T03:00:00+02:00\n5,2026-03-31T19:00:00-05:00\n6,0001-01-01T00:00:00Z\n7,9999-12-31T23:59:59Z\n",
    );
    assert_eq!(loader.load(MONTHS, TIMES).await.rows_inserted, 7);
    assert_eq!(
        places(&loader).await,
        ["t_2026_03|1", "t_2026_04|2", "t_2026_03|3", "t_2026_03|4", "t_2026_04|5", "t_0001_01|6", "t_9999_12|7"]
    );
    loader.sql("insert into t (id, sold_at) values (8, 'infinity'), (9, '-infinity'), (10, '0044-03-15 BC')").await;
    assert_eq!(loader.value("select count(*) from t_default").await, "3");
    assert_eq!(
        loader.load(MONTHS, TIMES).await.rows_inserted,
        0,
        "rows of others in the default partition are no matter"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("alter role {role} reset timezone")))
        .execute(&admin)
        .await
        .expect("reset");
}

#[tokio::test]
async fn rows_have_equal_hashes_exactly_when_their_times_are_equal() {
    let loader = Loader::start().await;
    // Times around the borders of months and years, each written with several offsets from UTC, in minutes.
    let borders =
        [-62_104_060_800, -1, 0, 951_782_400, 1_774_746_000, 1_793_494_800, 4_102_444_800, 253_370_764_800_i64];
    let micros = borders.iter().flat_map(|second| [-1_i64, 0, 1, 999_999].map(|off| second * 1_000_000 + off));
    let times: BTreeSet<i64> = micros.collect();
    let list = times.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    let mut rows = Vec::new();
    for offset in [0_i32, 60, -210, 840, -570] {
        let local = format!(
            "select to_char(timestamp 'epoch' + m / 86400000000 * interval '1 day' + m % 86400000000 * interval '1 microsecond'
                            + interval '{offset} minutes', 'YYYY-MM-DD HH24:MI:SS.US')
             from unnest(array[{list}]::bigint[]) m"
        );
        let sign = if offset < 0 { '-' } else { '+' };
        let zone = format!("{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60);
        rows.extend(loader.rows(&local).await.into_iter().map(|local| format!("{local}{zone}")));
    }
    for (table, kind) in [("zoned", "timestamptz"), ("plain", "timestamp"), ("days", "date")] {
        let cut = |row: &String| match kind {
            "timestamptz" => row.clone(),
            "timestamp" => row[..26].to_owned(),
            _ => row[..10].to_owned(),
        };
        let text: String = rows.iter().map(|row| format!("1,{}\n", cut(row))).collect();
        loader.only("a.csv", format!("id,sold_at\n{text}"));
        let schema = format!("schema: {{id: int64, sold_at: {kind}}}\n");
        let report = loader.load(&format!("{table}, partition: {{by: sold_at, every: month}}"), &schema).await;
        assert_eq!((report.rows_read, report.rows_quarantined), (rows.len() as u64, 0), "{kind}");
        let distinct = "count(distinct sold_at), count(distinct _elt_row_hash), count(*)";
        let counts = loader.value(&format!("select {distinct} from {table}")).await;
        assert_eq!(counts, ["", "|", "|"].map(|bar| format!("{bar}{}", report.rows_inserted)).concat(), "{kind}");
        assert_eq!(loader.count(&format!("{table}_default")).await, 0, "{kind}");
    }
    assert_eq!(
        loader.count("zoned").await,
        times.len() as u64,
        "one row for each time, in whatever zone it is written"
    );
}

#[tokio::test]
async fn the_partition_column_keeps_its_type() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,sold_at\n1,2026-01-05\n");
    loader.load(MONTHS, "").await;
    loader.only("b.csv", "id,sold_at\n2,2026-01-06\n3,2026-01-07T10:00:00\n4,soon\n");
    let report = loader.load(MONTHS, "").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (1, 2), "{report:#?}");
    assert_eq!(loader.columns("t").await, ["id bigint", "sold_at date"]);
}

#[tokio::test]
async fn every_length_of_a_range_covers_its_values() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,day\n1,2026-11-30\n2,2026-12-31\n3,2027-01-01\n4,2024-02-29\n");
    for (every, expected) in [
        ("day", ["2024_02_29|4", "2026_11_30|1", "2026_12_31|2", "2027_01_01|3"]),
        ("week", ["2024_02_26|4", "2026_11_30|1", "2026_12_28|2", "2026_12_28|3"]),
        ("month", ["2024_02|4", "2026_11|1", "2026_12|2", "2027_01|3"]),
        ("quarter", ["2024_q1|4", "2026_q4|1", "2026_q4|2", "2027_q1|3"]),
        ("year", ["2024|4", "2026|1", "2026|2", "2027|3"]),
    ] {
        let table = format!("by_{every}");
        let yaml = format!("{table}, partition: {{by: DAY, every: {every}}}");
        assert_eq!(loader.load(&yaml, "").await.rows_inserted, 4);
        let places =
            loader.rows(&format!("select tableoid::regclass::text as place, id from {table} order by 1, 2")).await;
        assert_eq!(places, expected.map(|place| format!("{table}_{place}")), "{every}");
        assert_eq!(loader.load(&yaml, "").await.rows_inserted, 0, "{every}");
    }
}

#[tokio::test]
async fn late_rows_get_their_partition_and_none_ahead() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,sold_at\n1,2026-05-01\n");
    loader.load(MONTHS, "").await;
    loader.only("b.csv", "id,sold_at\n2,2024-02-01\n");
    loader.load(MONTHS, "").await;
    let names = loader.rows("select relid::text from pg_partition_tree('t') where isleaf order by 1").await;
    assert_eq!(names, ["t_2024_02", "t_2026_05", "t_2026_06", "t_default"]);
}

#[tokio::test]
async fn rows_of_others_in_the_default_partition_move_into_their_new_partition() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,sold_at\n1,2026-01-05\n");
    loader.load(MONTHS, "").await;
    loader.sql("insert into t (id, sold_at) values (8, '2026-07-05'), (9, '2026-09-05')").await;
    loader.only("b.csv", "id,sold_at\n2,2026-07-06\n");
    let report = loader.load(MONTHS, "").await;
    assert_eq!(report.rows_inserted, 1);
    assert_eq!(places(&loader).await, ["t_2026_01|1", "t_2026_07|2", "t_2026_07|8", "t_default|9"]);
}

#[tokio::test]
async fn rows_stay_in_the_default_partition_when_others_would_see_them_deleted() {
    let foreign_key = "alter table t add primary key (id, sold_at);
                       create table child (id bigint, sold_at date, foreign key (id, sold_at) references t on delete cascade);
                       insert into t (id, sold_at) values (8, '2026-07-05'); insert into child values (8, '2026-07-05')";
    let trigger = "create function note() returns trigger language plpgsql as 'begin raise ''deleted''; end';
                   create trigger noted after delete on t for each row execute function note();
                   insert into t (id, sold_at) values (8, '2026-07-05')";
    for owner in [foreign_key, trigger] {
        let loader = Loader::start().await;
        loader.only("a.csv", "id,sold_at\n1,2026-01-05\n");
        loader.load(MONTHS, "").await;
        loader.sql(owner).await;
        loader.only("b.csv", "id,sold_at\n2,2026-07-06\n3,2026-05-01\n");
        let report = loader.load(MONTHS, "").await;
        assert_eq!(report.rows_inserted, 2);
        assert_eq!(places(&loader).await, ["t_2026_01|1", "t_default|2", "t_2026_05|3", "t_default|8"]);
        let said = report.warnings.join(" ");
        assert!(
            said.contains("1 of the table's ranges of a month got no partition, because rows of them are in"),
            "{said}"
        );
        let again = loader.load(MONTHS, "").await;
        assert_eq!((again.rows_inserted, again.rows_duplicate), (0, 2));
        if owner == foreign_key {
            assert_eq!(loader.count("child").await, 1);
        }
    }
}

#[tokio::test]
async fn a_replace_leaves_one_row_when_somebody_has_moved_it_to_another_time() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,sold_at\n1,2026-01-05\n2,2026-02-05\n");
    loader.load(MONTHS, "load: {mode: replace}\n").await;
    loader.sql("update t set sold_at = '2026-02-07' where id = 1").await;
    let report = loader.load(MONTHS, "load: {mode: replace}\n").await;
    assert_eq!((report.rows_inserted, report.rows_duplicate, report.rows_deleted), (1, 1, 1));
    assert_eq!(loader.rows("select id, sold_at from t order by id").await, ["1|2026-01-05", "2|2026-02-05"]);
}

#[tokio::test]
async fn a_merge_updates_rows_within_their_partition() {
    let loader = Loader::start().await;
    let merge = "load: {mode: merge, key: [id, Sold_At]}\n";
    loader.only("a.csv", "id,sold_at,v\n1,2026-01-05,a\n2,2026-02-05,b\n,2026-02-05,x\n3,,y\n");
    let first = loader.load(MONTHS, merge).await;
    assert_eq!((first.rows_inserted, first.rows_quarantined), (2, 2), "{first:#?}");
    loader.only("a.csv", "id,sold_at,v\n1,2026-01-05,c\n2,2026-02-05,b\n3,2026-03-01,d\n");
    let second = loader.load(MONTHS, merge).await;
    assert_eq!((second.rows_inserted, second.rows_updated, second.rows_duplicate), (1, 1, 1));
    assert_eq!(loader.rows("select id, v from t order by id").await, ["1|c", "2|b", "3|d"]);
    assert_eq!(places(&loader).await, ["t_2026_01|1", "t_2026_02|2", "t_2026_03|3"]);
}

#[tokio::test]
async fn a_replace_leaves_the_rows_of_the_run_and_the_partitions() {
    let loader = Loader::start().await;
    for table in [MONTHS, HASHED] {
        loader.sql("drop table if exists t").await;
        loader.only("a.csv", "id,sold_at\n1,2026-01-05\n2,2026-02-05\n");
        loader.load(table, "load: {mode: replace}\n").await;
        loader.only("a.csv", "id,sold_at\n2,2026-02-05\n3,2026-05-05\n");
        let report = loader.load(table, "load: {mode: replace}\n").await;
        assert_eq!((report.rows_inserted, report.rows_duplicate, report.rows_deleted), (1, 1, 1), "{table}");
        assert_eq!(loader.rows("select id from t order by id").await, ["2", "3"], "{table}");
    }
}

#[tokio::test]
async fn rows_are_spread_by_their_hash_and_loaded_once() {
    let loader = Loader::start().await;
    let rows: String = (0..400).map(|n| format!("{n},x{n}\n")).collect();
    loader.only("a.csv", format!("id,v\n{rows}{rows}"));
    assert_eq!(loader.load(HASHED, "").await.rows_inserted, 400);
    assert_eq!(partitions(&loader, "t").await[3], "t_p003|WITH (modulus 4, remainder 3)");
    assert_eq!(loader.value("select count(distinct tableoid) from t").await, "4");
    let again = loader.load(HASHED, "").await;
    assert_eq!((again.rows_inserted, again.rows_duplicate), (0, 800));
    let unique = "select count(*) from pg_index where indrelid = 't'::regclass and indisunique";
    assert_eq!(loader.value(unique).await, "1");
    // The number of parts counts when the table is made.
    assert_eq!(loader.load("t, partition: {by: hash, parts: 8}", "").await.rows_inserted, 0);
}

#[tokio::test]
async fn a_new_column_is_added_to_every_partition_and_those_to_come() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,sold_at\n1,2026-01-05\n");
    loader.load(MONTHS, "").await;
    loader.only("b.csv", "id,sold_at,v\n2,2026-01-06,x\n3,2026-08-06,y\n4,,z\n");
    assert_eq!(loader.load(MONTHS, "").await.rows_inserted, 3);
    assert_eq!(loader.rows("select id, v from t order by id").await, ["1|-", "2|x", "3|y", "4|z"]);
    assert_eq!(places(&loader).await, ["t_2026_01|1", "t_2026_01|2", "t_2026_08|3", "t_default|4"]);
}

#[tokio::test]
async fn a_table_that_was_partitioned_before_elt_gets_the_partitions_it_lacks() {
    let loader = Loader::start().await;
    loader
        .sql(
            "create table t (id int, sold_at timestamp, twice int generated always as (id * 2) stored, note text default 'n')
                 partition by range (sold_at);
             create table old partition of t for values from (minvalue) to ('2026-01-01');
             insert into t (id, sold_at) values (1, '2025-05-05 10:00')",
        )
        .await;
    loader.only("a.csv", "id,sold_at\n1,2025-05-05 10:00:00\n2,2026-03-05 10:00:00\n3,\n");
    loader.load(MONTHS, "").await;
    assert_eq!(places(&loader).await, ["old|1", "t_2026_03|2", "t_default|3"]);
    assert_eq!(loader.rows("select id, twice, note from t order by id").await, ["1|2|n", "2|4|n", "3|6|n"]);
    assert_eq!(loader.load(MONTHS, "").await.rows_inserted, 0);
}

#[tokio::test]
async fn partitions_of_another_length_stay_and_no_row_is_lost() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,sold_at\n1,2026-01-05\n");
    loader.load(MONTHS, "").await;
    loader.only("b.csv", "id,sold_at\n2,2026-01-07\n3,2026-08-05\n4,2027-08-05\n");
    let years = loader.load("t, partition: {by: sold_at, every: year}", "").await;
    assert_eq!(places(&loader).await, ["t_2026_01|1", "t_2026_01|2", "t_default|3", "t_2027|4"]);
    let warning = years.warnings.iter().find(|warning| warning.contains("the default partition public.t_default"));
    assert!(warning.is_some_and(|warning| warning.contains("from 2026-01-01 to 2027-01-01")), "{:?}", years.warnings);
    loader.only("c.csv", "id,sold_at\n5,2027-08-05\n6,2030-08-05\n");
    loader.load(MONTHS, "").await;
    assert_eq!(places(&loader).await[4..], ["t_2027|5", "t_2030_08|6"], "a year covers its months");
    assert_eq!(loader.load("t, partition: {by: sold_at, every: day}", "").await.rows_inserted, 0);
}

#[tokio::test]
async fn names_of_partitions_are_short_enough_and_never_those_of_others() {
    let loader = Loader::start().await;
    loader
        .sql(
            "create table t_2026_01 (mine int); create type t_2026_02 as enum ('a'); create view t_default as select 1",
        )
        .await;
    let long = "x".repeat(60);
    loader.sql(&format!("create table {}_2026_01 (mine int)", "x".repeat(55))).await;
    loader.only("a.csv", "id,sold_at\n1,2026-01-31\n");
    loader.load(MONTHS, "").await;
    loader.load(&format!("{long}, partition: {{by: sold_at, every: month}}"), "").await;
    let names = |table: String| format!("select relid::text from pg_partition_tree('{table}') where isleaf order by 1");
    assert_eq!(loader.rows(&names("t".into())).await, ["t_2026_01_1", "t_2026_02_1", "t_default_1"]);
    let x = |n: usize| "x".repeat(n);
    let expected = [format!("{}_2026_01_1", x(53)), format!("{}_2026_02", x(55)), format!("{}_default", x(55))];
    assert_eq!(loader.rows(&names(long)).await, expected);
    assert_eq!(loader.columns("t_2026_01").await, ["mine integer"]);
}
