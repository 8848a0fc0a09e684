//! Fixed-width and XML files, and files whose suffix says nothing, through the whole pipeline.

use elt_worker::error::PipelineError;

use crate::support::loader::{Loader, told};

/// The config of the loader's folder with these keys in its source.
fn with(loader: &Loader, keys: &str) -> String {
    loader.yaml("things", "").replace("settle_seconds: 0,", &format!("settle_seconds: 0, {keys},"))
}

async fn loaded(loader: &Loader, keys: &str) -> elt_shared::runs::report::RunReport {
    let report = loader.run("run", &with(loader, keys)).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert!(report.files.iter().all(|file| file.balances()), "{report:#?}");
    report
}

async fn failed(loader: &Loader, keys: &str) -> PipelineError {
    match loader.run("run", &with(loader, keys)).await {
        Ok(report) => panic!("it did not fail: {report:#?}"),
        Err(error) => error,
    }
}

/// Name and type of each column that came from the source, in the order of the table.
async fn columns(loader: &Loader) -> Vec<String> {
    loader
        .rows(
            "select attname || ' ' || format_type(atttypid, atttypmod) from pg_attribute \
             where attrelid = 'things'::regclass and attnum > 0 and attname !~ '^_elt_' order by attnum",
        )
        .await
}

const STOCK: &str = "Stock of today\nid   name      price   day\n---- --------- ------- ----------\n1    J\u{FC}rgen       3.50 2026-11-30\n22   Bj\u{F6}rk       12.25 2026-11-29\n* a note\n\n0333 Cid\n4    Dan             1 2026-11-28 x\n5\tEve             1 2026-11-28\n5 rows            17\n";
const STOCK_KEYS: &str = "fixed_width: {widths: [5, 10, 8, 10], header: true, skip_rows: 1, skip_footer: 1, comment: '*', encoding: windows-1252}";

#[tokio::test]
async fn a_fixed_width_file_is_loaded_with_types_and_its_bad_lines_are_kept() {
    let loader = Loader::start().await;
    let latin: Vec<u8> = STOCK.chars().map(|c| c as u8).collect();
    loader.only("stock.dat", latin);
    let report = loaded(&loader, STOCK_KEYS).await;
    assert_eq!((report.rows_read, report.rows_inserted, report.rows_quarantined, report.rows_filtered), (10, 3, 2, 5));
    assert_eq!(columns(&loader).await, ["id text", "name text", "price numeric", "day date"]);
    assert_eq!(
        loader.rows("select concat_ws('|', id, name, price, day) from things order by name").await,
        ["22|Björk|12.25|2026-11-29", "0333|Cid", "1|Jürgen|3.50|2026-11-30"]
    );
    assert_eq!(
        loader.rows("select line || ' ' || code from _elt_quarantine order by line").await,
        ["9 surplus_text", "10 control_character"]
    );
    let again = loaded(&loader, STOCK_KEYS).await;
    assert_eq!((again.rows_inserted, again.rows_duplicate), (0, 3));
}

#[tokio::test]
async fn records_without_line_ends_are_rows() {
    let loader = Loader::start().await;
    let records: String =
        (1..=20_000).map(|n| format!("{n:>6}name {n:<5}{}", n * 7 % 1_000)).map(|r| format!("{r:<20}")).collect();
    loader.only("data", records.as_str());
    let keys = "fixed_width: {columns: [{name: id, start: 1, width: 6}, {name: name, start: 7, width: 10}, {name: n, start: 17, width: 4}], record_length: 20}";
    let report = loaded(&loader, keys).await;
    assert_eq!(report.rows_inserted, 20_000);
    assert_eq!(loader.value("select sum(id)::text || ' ' || sum(n) from things").await, {
        let n: u64 = (1..=20_000_u64).map(|n| n * 7 % 1_000).sum();
        format!("200010000 {n}")
    });
    loader.only("data", &records[..records.len() - 3]);
    loaded(&loader, keys)
        .await
        .left_out
        .iter()
        .for_each(|left| assert!(left.reason.contains("record_length"), "{left:?}"));
}

#[tokio::test]
async fn columns_that_do_not_fit_fail_the_file_with_the_key_to_write() {
    let loader = Loader::start().await;
    loader.only("a.txt", "1 Ann\n2 Bob\n");
    let error = failed(&loader, "fixed_width: {widths: [1, 2], names: [id, name]}").await;
    assert_eq!(error.code().as_str(), "source_unreadable_rows");
    assert!(error.next_step().contains("surplus: ignore"), "{}", told(&error));
    loader.only("a.txt", "1\tAnn\n2\tBob\n");
    let error = failed(&loader, "fixed_width: {widths: [2, 9], names: [id, name]}").await;
    assert!(told(&error).contains("tab"), "{}", told(&error));
}

const ORDERS: &str = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>
<e:orders xmlns:e=\"urn:e\" made=\"2026-11-30\">
  <!-- two orders -->
  <e:order id=\"1\" paid=\"true\">
    <e:customer>J\u{FC}rgen &amp; S\u{F6}hne</e:customer>
    <e:total>12.50</e:total>
    <e:item sku=\"a\">Stuhl</e:item>
    <e:item sku=\"b\">Tisch</e:item>
    <e:to><e:city>K\u{F6}ln</e:city></e:to>
  </e:order>
  <e:order id=\"2\" paid=\"false\">
    <e:customer><![CDATA[<Ann>]]></e:customer>
    <e:total/>
    <e:item sku=\"c\">Bank</e:item>
  </e:order>
</e:orders>
";

#[tokio::test]
async fn xml_records_become_typed_rows_and_nested_elements_json() {
    let loader = Loader::start().await;
    let latin: Vec<u8> = ORDERS.chars().map(|c| c as u8).collect();
    loader.only("orders.xml", latin);
    let skipped = loader.run("run", &loader.yaml("things", "")).await.expect("nothing to load");
    assert!(skipped.left_out[0].reason.contains("xml: {records: /path/of/rows}"), "{skipped:#?}");
    let keys = "xml: {records: /orders/order, lists: [item]}";
    let report = loaded(&loader, keys).await;
    assert_eq!((report.rows_read, report.rows_inserted, report.rows_filtered), (2, 2, 0));
    assert_eq!(
        columns(&loader).await,
        ["id bigint", "paid boolean", "customer text", "total numeric", "item jsonb", "to jsonb"]
    );
    assert_eq!(
        loader.rows("select concat_ws('|', id, paid, customer, total, item->1->>'#text', item->0->>'@sku', \"to\"->>'city') from things order by id").await,
        ["1|t|Jürgen & Söhne|12.50|Tisch|a|Köln", "2|f|<Ann>|c"]
    );
}

#[tokio::test]
async fn hostile_and_broken_xml_fails_its_file_and_the_others_are_loaded() {
    let loader = Loader::start().await;
    loader.folder.write("good.xml", "<o><r><id>1</id></r><r><id>2</id></r></o>");
    loader
        .folder
        .write("xxe.xml", "<!DOCTYPE o [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><o><r><id>&x;</id></r></o>");
    let laughs: String =
        (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    loader.folder.write("laughs.xml", format!("<!DOCTYPE o [<!ENTITY l0 \"ha\">{laughs}]><o><r><id>&l9;</id></r></o>"));
    loader.folder.write("broken.xml", "<o>\n<r><id>3</id></r>\n<r><id>4</idx></r></o>");
    loader.folder.write("other.xml", "<people><person/><person/></people>");
    let report = loaded(&loader, "xml: {records: /o/r}").await;
    assert_eq!(loader.rows("select id from things order by id").await, ["1", "2"]);
    let left_out: Vec<String> = report.left_out.iter().map(|left| left.reason.clone()).collect();
    assert_eq!(left_out.len(), 4, "{left_out:#?}");
    assert!(left_out.iter().any(|reason| reason.contains("line 3") && reason.contains("</idx>")), "{left_out:#?}");
    assert!(left_out.iter().any(|reason| reason.contains("/people/person (2)")), "{left_out:#?}");
    assert_eq!(left_out.iter().filter(|reason| reason.contains("<!DOCTYPE")).count(), 2, "{left_out:#?}");
}

#[tokio::test]
async fn the_format_in_the_config_reads_files_whose_suffix_says_nothing_or_lies() {
    let loader = Loader::start().await;
    loader.folder.write("export.dat", "id,name\n1,Ann\n");
    loader.folder.write("data", "id,name\n2,Bob\n");
    loader.folder.write("lies.json", "id,name\n3,Cid\n");
    let report = loaded(&loader, "format: csv").await;
    assert_eq!((report.rows_inserted, report.files.len()), (3, 3));
    for (format, name, content) in [
        ("ndjson", "feed.log", "{\"id\": 4, \"name\": \"Dan\"}\n"),
        ("json", "feed", "[{\"id\": 5, \"name\": \"Eve\"}]"),
        ("txt", "feed.tsv", "id\tname\n6\tFay\n"),
        ("xml, xml: {records: /o/r}", "feed.dat", "<o><r><id>7</id><name>Gus</name></r></o>"),
    ] {
        loader.only(name, content);
        assert_eq!(loaded(&loader, &format!("format: {format}")).await.rows_inserted, 1, "{format}");
    }
    assert_eq!(
        loader.value("select string_agg(name, ',' order by id) from things").await,
        "Ann,Bob,Cid,Dan,Eve,Fay,Gus"
    );
}

#[tokio::test]
async fn rejected_rows_of_these_formats_are_kept_with_their_cells() {
    let loader = Loader::start().await;
    let schema = "schema: {id: int, day: date}\nstrict_mode: true\n";
    for (name, keys, content) in [
        ("a.dat", "fixed_width: {widths: [3, 10], names: [id, day]}", "1  2026-11-30\n2  30.11.2026\n"),
        (
            "a.xml",
            "xml: {records: /o/r}",
            "<o><r id='1'><day>2026-11-30</day></r><r id='3'><day>30.11.2026</day></r></o>",
        ),
    ] {
        loader.only(name, content);
        let yaml = with(&loader, keys) + schema;
        let report = loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
        assert_eq!(report.rows_quarantined, 1, "{name}: {report:#?}");
    }
    assert_eq!(
        loader.rows("select cell ->> 'text' from _elt_quarantine, jsonb_array_elements(cells) cell where cell ->> 'name' = 'day' order by id").await,
        ["30.11.2026", "30.11.2026"]
    );
}
