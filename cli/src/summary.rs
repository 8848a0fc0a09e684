//! What a run did, for the person at the terminal.

use elt_shared::runs::report::{Drift, FileReceipt, LeftOutKind, RunReport};
use elt_shared::runs::{CheckValue, Outcome, Rejections, RunKind, RunState};
use elt_shared::store::runs::Run;

use crate::connections;
use crate::table::{Table, bytes, count, seconds};

/// Everything about a finished run: its files, columns, stages, and what to look at.
pub fn of(run: &Run) -> String {
    let mut parts = vec![headline(run)];
    match report_of(run) {
        Some(report) if !report.connections.is_empty() => parts.push(connections::of(&report.connections)),
        Some(report) if !report.tables.is_empty() => parts.extend([tables(&report), facts(&report)]),
        Some(report) if run.state == RunState::Succeeded => parts.extend(rows(&report)),
        Some(report) => parts.extend([report.rejected.as_ref().map(rejected), checks(&report)].into_iter().flatten()),
        None => {}
    }
    if let Some(error) = &run.error {
        let code = run.error_code.as_deref().unwrap_or("failed");
        let next_step = run.next_step.as_deref().map(|step| format!("\n  what to do: {step}"));
        parts.push(format!("  {error} [{code}]{}", next_step.unwrap_or_default()));
    }
    parts.join("\n\n")
}

/// The report of a run that has one.
pub fn report_of(run: &Run) -> Option<RunReport> {
    serde_json::from_value(run.report.clone()?).ok()
}

/// What became of each table of a run with several.
fn tables(report: &RunReport) -> String {
    let mut table =
        Table::new(&["table", "came to", ">files", ">read", ">inserted", ">updated", ">quarantined", "run"]);
    for one in &report.tables {
        let came_to = match (&one.error, one.outcome) {
            (Some(_), _) => one.state.map_or("failed", RunState::as_str),
            (None, Some(Outcome::WithWarnings)) => "with warnings",
            (None, Some(Outcome::NothingLoaded)) => "nothing loaded",
            (None, _) => "clean",
        };
        let numbers = [one.files_total, one.rows_read, one.rows_inserted, one.rows_updated, one.rows_quarantined];
        let [files, read, inserted, updated, quarantined] = numbers.map(count);
        let run = one.run_id.map(|id| id.to_string()).unwrap_or_default();
        table.row([one.table.clone(), came_to.to_owned(), files, read, inserted, updated, quarantined, run]);
    }
    let errors = report.tables.iter().filter_map(|one| Some(format!("\n  {}: {}", one.table, one.error.as_ref()?)));
    format!("{}{}", table.render(), errors.collect::<String>())
}

/// Why rows of a run that loaded nothing were rejected, and where the first of them are.
fn rejected(rejections: &Rejections) -> String {
    let listed = rejections.places.len() as u64;
    let mut lines = vec![match rejections.total > listed {
        true => format!("  rejected rows, the first {listed} of {}:", count(rejections.total)),
        false => "  rejected rows:".to_owned(),
    }];
    lines.extend(rejections.places.iter().map(|place| {
        let column = place.column.as_ref().map(|column| format!("{column}: ")).unwrap_or_default();
        format!("    {}:{}  {column}{}", place.file, place.line, place.reason)
    }));
    lines.join("\n")
}

/// What a run did with the rows.
fn rows(report: &RunReport) -> Vec<String> {
    let columns = (!report.columns.is_empty()).then(|| columns(report));
    [Some(files(report)), columns, checks(report), Some(facts(report))].into_iter().flatten().collect()
}

/// The results of the checks, with sample rows of those that do not hold. `None`: the config has none.
fn checks(report: &RunReport) -> Option<String> {
    let mut lines = vec!["  checks:".to_owned()];
    for check in &report.checks {
        let says = if check.says.is_empty() { String::new() } else { format!(": {}", check.says) };
        lines.push(format!("    {:<12} {}{says}", check.state, check.name));
        lines.extend(check.samples.iter().map(|sample| {
            let place = match (&sample.file, sample.line) {
                (Some(file), Some(line)) => format!("{file}:{line}  "),
                _ => String::new(),
            };
            let value = |value: &CheckValue| format!("{}: {}", value.column, value.value.as_deref().unwrap_or("NULL"));
            let values: Vec<_> = sample.values.iter().map(value).collect();
            format!("      {place}{}", values.join(", ")).replace(char::is_control, " ")
        }));
    }
    (!report.checks.is_empty()).then(|| lines.join("\n"))
}

fn headline(run: &Run) -> String {
    let took = match (run.started_at, run.finished_at) {
        (Some(started), Some(finished)) => {
            format!(" in {}", seconds((finished - started).num_milliseconds() as f64 / 1_000.0))
        }
        _ => String::new(),
    };
    let kind = if run.kind == RunKind::Run { "run".to_owned() } else { format!("run ({})", run.kind) };
    format!("{kind} {} of {}: {}{took}", run.id, run.name, ended(run))
}

/// The outcome of a run that succeeded, else its state; with what it did not load.
fn ended(run: &Run) -> String {
    let word = match (run.state, run.outcome, run.kind) {
        (RunState::Succeeded, Some(Outcome::Clean), _) => "clean",
        (RunState::Succeeded, Some(Outcome::WithWarnings), _) => "with warnings",
        (RunState::Succeeded, Some(Outcome::NothingLoaded), RunKind::TestConnection) => "no connection can be used",
        (RunState::Succeeded, Some(Outcome::NothingLoaded), RunKind::Check | RunKind::Plan) => "nothing can be loaded",
        (RunState::Succeeded, Some(Outcome::NothingLoaded), _) => "nothing loaded",
        (state, ..) => state.as_str(),
    };
    let lost = report_of(run).map(|report| lost(&report)).filter(|lost| !lost.is_empty());
    format!("{word}{}", lost.map(|lost| format!(" ({lost})")).unwrap_or_default())
}

/// Counts of the rows and files that were not loaded: `3 rows rejected, 1 file left out`.
fn lost(report: &RunReport) -> String {
    let counts = [
        (report.rows_quarantined, "row rejected", "rows rejected"),
        (report.left_out_total, "file left out", "files left out"),
    ];
    let said = counts.iter().filter(|(number, ..)| *number > 0);
    said.map(|(number, one, many)| format!("{} {}", count(*number), if *number == 1 { one } else { many }))
        .collect::<Vec<_>>()
        .join(", ")
}

fn files(report: &RunReport) -> String {
    let mut table =
        Table::new(&["file", ">read", ">inserted", ">updated", ">duplicate", ">quarantined", ">filtered", ">size"]);
    let mut row = |name: &str, receipt: &FileReceipt| {
        let rows = [
            receipt.rows_read,
            receipt.rows_inserted,
            receipt.rows_updated,
            receipt.rows_duplicate,
            receipt.rows_quarantined,
            receipt.rows_filtered,
        ];
        let [read, inserted, updated, duplicate, quarantined, filtered] = rows.map(count);
        table.row([name.to_owned(), read, inserted, updated, duplicate, quarantined, filtered, bytes(receipt.bytes)]);
    };
    for file in &report.files {
        row(&file.name, file);
    }
    row("all", &total(report));
    table.render()
}

fn total(report: &RunReport) -> FileReceipt {
    FileReceipt {
        bytes: report.bytes,
        rows_read: report.rows_read,
        rows_inserted: report.rows_inserted,
        rows_updated: report.rows_updated,
        rows_duplicate: report.rows_duplicate,
        rows_quarantined: report.rows_quarantined,
        rows_filtered: report.rows_filtered,
        ..FileReceipt::default()
    }
}

fn columns(report: &RunReport) -> String {
    let mut table = Table::new(&["column", "type", ">nulls", "because"]);
    for column in &report.columns {
        table.row([column.name.clone(), column.sql_type.clone(), count(column.nulls), column.because.clone()]);
    }
    table.render()
}

/// One line a fact.
fn facts(report: &RunReport) -> String {
    let stages = &report.stages;
    let mut facts = Vec::new();
    if report.tables.is_empty() {
        facts.push(("table", report.table.clone()));
        let [extract, validate, load] = [stages.extract, stages.validate, stages.load].map(seconds);
        let checked =
            if report.checks.is_empty() { String::new() } else { format!(", check {}", seconds(stages.check)) };
        facts.push(("stages", format!("extract {extract}, validate {validate}, load {load}{checked}")));
    } else {
        facts.push(("tables", format!("by the pattern {}", report.table)));
    }
    facts.extend(report.unchanged_since.iter().map(|run| {
        ("unchanged", format!("since the run {run}: files, table and output are the same, so no row was read"))
    }));
    let combined = |path: &String| if path.ends_with(".csv") { "combined CSV" } else { "combined file" };
    facts.extend(report.combined_csv.iter().map(|path| (combined(path), path.clone())));
    if report.rows_deleted > 0 {
        facts.push(("replaced", format!("{} rows", count(report.rows_deleted))));
    }
    facts.extend(report.incremental.iter().map(|source| ("since", format!("{}: {}", source.source, source.says))));
    facts.extend(report.old_partitions.iter().map(|partition| ("partition", partition.clone())));
    facts.extend(report.drift.iter().map(|drift| ("changed", sentence(drift))));
    facts.extend(report.left_out.iter().map(|file| {
        let kind = match file.kind {
            LeftOutKind::Skipped => "skipped",
            LeftOutKind::Failed => "not read",
        };
        (kind, format!("{}: {}", file.name, file.reason))
    }));
    facts.extend(report.warnings.iter().map(|warning| ("warning", warning.clone())));
    let lines = facts.iter().map(|(name, text)| format!("  {name:<12} {text}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn sentence(drift: &Drift) -> String {
    match drift {
        Drift::Added { column, column_type } => format!("the table got the column {column} ({column_type})"),
        Drift::Widened { column, from, to, decided_by } => {
            let cell =
                decided_by.as_ref().map(|cell| format!(" because {}:{} has {:?}", cell.file, cell.line, cell.value));
            format!("{column} was {from} and is {to} now{}", cell.unwrap_or_default())
        }
        Drift::Missing { column } => format!("no file has the table's column {column}"),
        Drift::LeftOut { column, reason } => format!("the column {column} is not loaded ({reason})"),
    }
}
