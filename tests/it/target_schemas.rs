//! A target whose schema is missing: elt makes it only where the config means that; plan and report say so.

use crate::support::loader::Loader;

async fn schemas(loader: &Loader, name: &str) -> String {
    loader.value(&format!("select count(*) from pg_namespace where nspname = '{name}'")).await
}

#[tokio::test]
async fn a_plain_schema_is_made_and_plan_and_report_say_so() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n");
    let yaml = loader.yaml("sales.orders", "");
    let plan = loader.run("plan", &yaml).await.expect("planned");
    assert_eq!(plan.ddl[0], "create schema \"sales\"");
    assert_eq!(schemas(&loader, "sales").await, "0", "a plan makes nothing");
    let tested = loader.run("test_connection", &yaml).await.expect("tested");
    let found = &tested.connections.last().expect("the target").found;
    assert_eq!(found, "no table sales.orders yet: the first run creates it and its schema");

    let run = loader.run("run", &yaml).await.expect("loaded");
    assert_eq!((run.ddl[0].as_str(), &run.ddl), ("create schema \"sales\"", &plan.ddl));
    assert_eq!(loader.count("sales.orders").await, 1);
    let again = loader.run("run", &yaml).await.expect("loaded");
    assert!(again.ddl.is_empty(), "{:?}", again.ddl);
}

#[tokio::test]
async fn a_schema_that_is_odd_or_not_to_be_made_is_refused_before_anything_is_made() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n");
    for (table, schema) in [
        ("-1.00", "-1"),
        ("2026.orders", "2026"),
        ("'my shop.orders'", "my shop"),
        ("'\"a.b\".orders'", "a.b"),
        ("sales.orders, create_schema: false", "sales"),
    ] {
        let yaml = loader.yaml(table, "");
        for kind in ["plan", "check", "run"] {
            let refused = loader.run(kind, &yaml).await.expect_err(table);
            assert_eq!(refused.code().as_str(), "target_no_schema", "{kind} {table}");
            assert!(refused.to_string().contains(&format!("the target has no schema \"{schema}\"")), "{refused}");
            assert!(refused.next_step().contains("create_schema: true"), "{}", refused.next_step());
        }
        let tested = loader.run("test_connection", &yaml).await.expect("tested");
        let target = tested.connections.last().expect("the target");
        let problem = target.problem.as_ref().expect("a problem");
        assert_eq!((problem.code.as_str(), target.reachable, target.usable), ("target_no_schema", true, false));
        assert_eq!(schemas(&loader, schema).await, "0", "{table}");
    }
    let yaml = loader.yaml("-1.00, create_schema: true", "");
    let run = loader.run("run", &yaml).await.expect("loaded");
    assert_eq!(run.ddl[0], "create schema \"-1\"");
    assert_eq!(loader.count("\"-1\".\"00\"").await, 1);
    // A schema that is there needs no permission.
    let yaml = loader.yaml("-1.00", "");
    assert_eq!(loader.run("run", &yaml).await.expect("loaded").rows_duplicate, 1);
}
