//! Shared tables as Parquet: every value arrives as it is, in the type of its column.

use serde_json::json;

use crate::support::TestApp;

/// Loads an empty `orders`, shares it with the user, and puts another table in its place.
async fn shared(sql: &str) -> TestApp {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n");
    app.load(&app.yaml("orders", "name: orders\n")).await;
    assert_eq!(app.request("PUT", "/pipelines/orders/shares/user").await.status, 201);
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("drop table orders; {sql}")))
        .execute(&app.target)
        .await
        .expect("made it");
    app
}

/// Loads the exported file into the table `again`.
async fn load_export(app: &TestApp, query: &str) {
    let answer = app.get(&format!("/shared-tables/orders/export?format=parquet{query}")).as_user().open().await;
    assert_eq!(answer.headers()["content-type"], "application/vnd.apache.parquet");
    let file = app.folder().write("again/orders.parquet", answer.bytes().await.expect("a whole file"));
    let yaml = format!(
        "name: again\nsources: [{{type: local, path: {}, settle_seconds: 0}}]\ntarget: {{table: again}}\nmonitor: {{enabled: \
         false}}\nload: {{dedupe: none}}\n",
        file.display()
    );
    let run = app.load(&yaml).await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
}

const COLUMNS: &str = "id, small, exact::text, plain::text, odd::text, flag, day::text, far::text, at::text, local::text, clock::text, \
                       midnight::text, ratio::text, doc::text, uid::text, words::text, name";

#[tokio::test]
async fn every_value_arrives_in_the_type_of_its_column() {
    let app = shared(
        "create table orders (id bigint, small smallint, exact numeric(38,4), plain numeric, odd numeric(10,2), flag boolean,
             day date, far date, at timestamptz, local timestamp(3), clock time, midnight time, ratio double precision,
             doc jsonb, uid uuid, words text[], name text);
         insert into orders values
             (9007199254740993, 1, 1234567890123456789012345678901234.5678, 0.10, 'NaN', true, '0001-01-01', 'infinity',
              '2026-01-31 10:00:00.000001+02', '1582-10-10 23:59:59.999', '23:59:59.000001', '24:00', 1e-300,
              '{\"b\": [1.50, null]}', '0198a1f0-0000-7000-8000-000000000001', '{a,\"b c\"}', E'=1+1\\n\"x\" \\t'),
             (-1, -32768, -0.0001, 123456789, 1.50, false, '9999-12-31', '2026-01-31', '9999-12-31 23:59:59.999999+00',
              '0001-01-01', '00:00', '12:00', 0.1, '[]', null, '{}', ''),
             (null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null)",
    )
    .await;
    load_export(&app, "").await;
    let types = app
        .rows(
            "select column_name || ' ' || data_type as \"column\" from information_schema.columns
             where table_schema = 'public' and table_name = 'again' and column_name !~ '^_elt_' order by ordinal_position",
        )
        .await;
    let types: Vec<_> = types.iter().map(|row| row["column"].as_str().expect("a text")).collect();
    assert_eq!(
        types,
        [
            "id bigint",
            "small bigint",
            "exact numeric",
            "plain numeric",
            "odd text",
            "flag boolean",
            "day date",
            "far text",
            "at timestamp with time zone",
            "local timestamp without time zone",
            "clock time without time zone",
            "midnight text",
            "ratio double precision",
            "doc jsonb",
            "uid text",
            "words text",
            "name text",
        ]
    );
    let sql = |table: &str| format!("select {COLUMNS} from {table} order by id nulls last");
    let (sent, mut expected) = (app.rows(&sql("again")).await, app.rows(&sql("orders")).await);
    // A decimal without limits has as many digits after the point as the longest of its column. They are the same number.
    assert_eq!(expected[1]["plain"], "0.10");
    expected[0]["plain"] = json!("123456789.00");
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn many_rows_become_several_row_groups_with_the_filters_and_columns_of_the_request() {
    let app = shared(
        "create table orders as
         select n as id, n * 0.25 as amount, 'name ' || n % 7 as name, 'hidden' as hidden from generate_series(1, 40000) n",
    )
    .await;
    load_export(&app, "&columns=id,amount,name&filter=id:gt:100").await;
    let difference = "select count(*) as rows from (select id, amount, name from orders where id > 100
                      except select id, amount, name from again) x";
    assert_eq!(app.rows(difference).await[0]["rows"], 0);
    assert_eq!(app.rows("select count(*) as rows from again").await[0]["rows"], 39_900);
    let hidden =
        "select count(*) as rows from information_schema.columns where table_name = 'again' and column_name = 'hidden'";
    assert_eq!(app.rows(hidden).await[0]["rows"], 0);
}

#[tokio::test]
async fn a_table_without_rows_is_a_file_with_its_columns() {
    let app = shared("create table orders (id bigint, amount numeric, day date)").await;
    let answer = app.get("/shared-tables/orders/export?format=parquet").as_user().open().await;
    let file = answer.bytes().await.expect("a whole file");
    assert_eq!((&file[..4], &file[file.len() - 4..]), (b"PAR1".as_slice(), b"PAR1".as_slice()));
    let names = String::from_utf8_lossy(&file);
    assert!(["id", "amount", "day"].iter().all(|name| names.contains(name)));
}
