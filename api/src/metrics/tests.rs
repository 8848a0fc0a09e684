use elt_shared::runs::{RunKind, RunState};
use elt_shared::store::gauges::Gauge;
use elt_shared::store::run_totals::RunTotal;

use super::*;

/// The lines of a text that contain `name`.
fn lines_with<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    text.lines().filter(|line| line.contains(name)).collect()
}

fn gauge(name: &str, label: Option<&str>, value: f64) -> Gauge {
    Gauge { name: name.into(), label: label.map(Into::into), value }
}

#[test]
fn answers_are_counted_in_cumulative_buckets() {
    let metrics = Metrics::new(ProcessMetrics::default());
    for milliseconds in [3, 240, 2_500, 40_000] {
        metrics.answered(&Method::GET, "/runs/{id}", 200, Duration::from_millis(milliseconds));
    }
    let text = metrics.text(Installation::without_numbers(), Audience::Anyone).unwrap();
    assert_eq!(
        lines_with(&text, "elt_http_request_duration_seconds"),
        [
            "# HELP elt_http_request_duration_seconds Time to answer requests.",
            "# TYPE elt_http_request_duration_seconds histogram",
            r#"elt_http_request_duration_seconds_bucket{method="GET",route="/runs/{id}",status="200",le="0.005"} 1"#,
            r#"elt_http_request_duration_seconds_bucket{method="GET",route="/runs/{id}",status="200",le="0.02"} 1"#,
            r#"elt_http_request_duration_seconds_bucket{method="GET",route="/runs/{id}",status="200",le="0.1"} 1"#,
            r#"elt_http_request_duration_seconds_bucket{method="GET",route="/runs/{id}",status="200",le="0.25"} 2"#,
            r#"elt_http_request_duration_seconds_bucket{method="GET",route="/runs/{id}",status="200",le="1"} 2"#,
            r#"elt_http_request_duration_seconds_bucket{method="GET",route="/runs/{id}",status="200",le="2.5"} 3"#,
            r#"elt_http_request_duration_seconds_bucket{method="GET",route="/runs/{id}",status="200",le="10"} 3"#,
            r#"elt_http_request_duration_seconds_bucket{method="GET",route="/runs/{id}",status="200",le="30"} 3"#,
            r#"elt_http_request_duration_seconds_bucket{method="GET",route="/runs/{id}",status="200",le="+Inf"} 4"#,
            r#"elt_http_request_duration_seconds_sum{method="GET",route="/runs/{id}",status="200"} 42.743"#,
            r#"elt_http_request_duration_seconds_count{method="GET",route="/runs/{id}",status="200"} 4"#,
        ]
    );
}

#[test]
fn a_method_that_a_caller_invents_becomes_no_label() {
    let metrics = Metrics::new(ProcessMetrics::default());
    let invented = Method::from_bytes(b"BREW").unwrap();
    metrics.answered(&invented, "/", 405, Duration::ZERO);
    let text = metrics.text(Installation::without_numbers(), Audience::Anyone).unwrap();
    assert!(!text.contains("BREW"), "{text}");
    assert_eq!(lines_with(&text, r#"_count{method="OTHER",route="/",status="405"} 1"#).len(), 1, "{text}");
}

#[test]
fn every_reason_to_refuse_a_token_is_counted_from_the_start() {
    let metrics = Metrics::new(ProcessMetrics::default());
    metrics.refused_token(RefusedToken::Revoked);
    let text = metrics.text(Installation::without_numbers(), Audience::Anyone).unwrap();
    let mut lines = lines_with(&text, "elt_api_tokens_refused_total");
    lines[2..].sort_unstable();
    assert_eq!(
        lines,
        [
            "# HELP elt_api_tokens_refused_total Requests refused because of their API token.",
            "# TYPE elt_api_tokens_refused_total counter",
            r#"elt_api_tokens_refused_total{reason="expired"} 0"#,
            r#"elt_api_tokens_refused_total{reason="limited"} 0"#,
            r#"elt_api_tokens_refused_total{reason="no_second_factor"} 0"#,
            r#"elt_api_tokens_refused_total{reason="owner_disabled"} 0"#,
            r#"elt_api_tokens_refused_total{reason="revoked"} 1"#,
            r#"elt_api_tokens_refused_total{reason="unknown"} 0"#,
        ]
    );
}

#[test]
fn the_installations_numbers_have_one_head_a_name_and_counts_have_no_fraction() {
    let gauges = vec![
        gauge("elt_oldest_queued_seconds", None, 1.25),
        gauge("elt_runs", Some("queued"), 0.0),
        gauge("elt_runs", Some("running"), 2.0),
    ];
    let total = |kind, state, runs, rows_inserted| RunTotal { kind, state, outcome: None, runs, rows_inserted };
    let totals = vec![
        total(RunKind::Run, RunState::Failed, 3, 0),
        total(RunKind::Check, RunState::Failed, 1, 0),
        total(RunKind::Replay, RunState::Stopped, 1, 7),
    ];
    let text =
        Metrics::new(ProcessMetrics::default()).text(Installation::of(gauges, totals), Audience::Anyone).unwrap();
    assert_eq!(
        lines_with(&text, "elt_runs").into_iter().filter(|line| !line.contains("_total")).collect::<Vec<_>>(),
        [
            "# HELP elt_runs Unfinished runs of all kinds and all queues, by state.",
            "# TYPE elt_runs gauge",
            r#"elt_runs{state="queued"} 0"#,
            r#"elt_runs{state="running"} 2"#,
        ]
    );
    for line in [
        "elt_database_up 1",
        "elt_numbers_age_seconds 1.5",
        "elt_oldest_queued_seconds 1.25",
        "# TYPE elt_runs_finished_total counter",
        r#"elt_runs_finished_total{kind="run",state="failed",outcome=""} 3"#,
        r#"elt_runs_finished_total{kind="check",state="failed",outcome=""} 1"#,
        r#"elt_runs_finished_total{kind="run",state="stopped",outcome=""} 0"#,
        "# HELP elt_rows_inserted_total Rows that runs and replays inserted.",
        "elt_rows_inserted_total 7",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
}

#[test]
fn without_the_database_only_the_counters_of_the_process_are_written() {
    let text = Metrics::new(ProcessMetrics::default())
        .text(Installation { is_up: false, numbers: None }, Audience::Anyone)
        .unwrap();
    assert!(text.contains("\nelt_database_up 0\n") && !text.contains("elt_runs"), "{text}");
}

#[test]
fn names_of_pipelines_are_for_operators_only() {
    let process = ProcessMetrics::default();
    let rows = Family::<[(&str, &str); 1], Counter>::default();
    rows.get_or_create(&[("pipeline", "salaries")]).inc_by(7);
    process.register_naming_pipelines(|registry| registry.register("elt_rows", "Rows", rows.clone()));
    let metrics = Metrics::new(process);
    let text = |audience| metrics.text(Installation::without_numbers(), audience).unwrap();
    assert!(!text(Audience::Anyone).contains("salaries"));
    assert!(text(Audience::Operators).contains(r#"elt_rows_total{pipeline="salaries"} 7"#));
    assert!(text(Audience::Operators).contains("elt_api_tokens_refused_total"));
}
