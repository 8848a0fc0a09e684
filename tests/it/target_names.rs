//! Names of tables and columns reach the target exactly as they are written, or are refused.

use elt_shared::config::{Document, NoReferences};

use crate::support::loader::Loader;

/// Names without a dot, because a dot separates the schema from the table.
const NAMES: [&str; 44] = [
    "it's",
    "a b",
    "a;b--",
    "Ünicode",
    "表",
    "😀",
    "\\",
    "a\\b",
    "%s",
    "$1",
    "select",
    "SELECT",
    "Select",
    "a/b",
    "a,b",
    "(x)",
    "[x]",
    "{x}",
    "#x",
    "&x",
    "*x",
    "!x",
    "@x",
    "`x`",
    "a:b",
    "a=b",
    "a\u{200b}b",
    "x\u{202e}",
    "a\u{2028}b",
    "null",
    "~",
    "true",
    "123",
    "1e3",
    "a\"b",
    "\"",
    " a",
    "a ",
    "a\tb",
    "a\nb",
    "\u{a0}a",
    "\u{85}",
    "",
    "name_of_sixty_four_bytes_name_of_sixty_four_bytes_name_of_sixty_",
];

#[tokio::test]
async fn a_table_gets_exactly_the_written_name_or_is_refused() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n");
    let mut made = Vec::new();
    for name in NAMES {
        let yaml = loader.yaml(&serde_json::Value::from(name).to_string(), "");
        let Ok(document) = Document::parse(&yaml) else { continue };
        if document.pipeline(&NoReferences).is_err() {
            continue;
        }
        loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{name:?}: {error}"));
        let rows: i64 = sqlx::query_scalar("select count(*) from pg_class where relname = $1 and relkind = 'r'")
            .bind(name)
            .fetch_one(&loader.target)
            .await
            .expect("counted");
        assert_eq!(rows, 1, "{name:?}");
        made.push(name);
    }
    let mut tables: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
                            and relname !~ '^_elt_'",
    )
    .fetch_all(&loader.target)
    .await
    .expect("listed");
    tables.sort();
    made.sort_unstable();
    assert_eq!(tables, made, "no other table was made");
    assert!(made.len() > 30, "{made:?}");
    assert!(!made.contains(&" a") && !made.contains(&"a\"b"));
}

#[tokio::test]
async fn a_schema_column_gets_exactly_the_written_name_or_is_refused() {
    let loader = Loader::start().await;
    // Longer names are shortened, as those of a file's header are, and the report says so.
    for (place, name) in NAMES.into_iter().filter(|name| name.len() <= 63).enumerate() {
        let quoted = serde_json::Value::from(name).to_string();
        loader.only("a.json", format!("[{{{quoted}: 7}}]"));
        let yaml =
            loader.yaml(&format!("t{place}"), &format!("schema: {{columns: {{{quoted}: int}}}}\nstrict_mode: true\n"));
        let Ok(document) = Document::parse(&yaml) else { continue };
        if document.pipeline(&NoReferences).is_err() {
            continue;
        }
        loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{name:?}: {error}"));
        let columns: Vec<String> = sqlx::query_scalar(
            "select attname::text from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and attname !~ '^_elt_'",
        )
        .bind(format!("t{place}"))
        .fetch_all(&loader.target)
        .await
        .expect("listed");
        assert_eq!(columns, [name], "{name:?}");
    }
}
