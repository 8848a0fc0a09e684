//! A whole config: what to extract, what it must look like, and where it goes.

use std::path::Path;
use std::sync::Arc;

use super::checks::{self, Check};
use super::field::Field;
use super::keys::{Key, Shape};
use super::load::{self, Dedupe, LoadConfig, LoadMode};
use super::notify;
use super::output::{self, OutputConfig};
use super::partition;
use super::provenance::{self, Provenance};
use super::retry::{self, RetryConfig};
use super::schedule::{self, MonitorConfig, ScheduleConfig, StartRules, Window};
use super::schema::{self, OnBadRow, SchemaContract};
use super::section::Section;
use super::shaping;
use super::source::{self, SourceConfig};
use super::table_pattern;
use super::target::{self, TargetConfig};
use super::transform::{self, Transform};
use crate::invisible::is_invisible;
use crate::notifications::NotifyConfig;
use crate::runs::Priority;

/// A checked pipeline: what to extract, what it must look like, and where it goes.
#[derive(Debug, Clone)]
pub struct PipelineConfig {
    /// The pipeline's name; the target table's name when none was given.
    pub name: String,
    /// The sources, in the order of the text. There is at least one.
    pub sources: Vec<SourceConfig>,
    /// The table to load into, or the pattern of the tables.
    pub target: TargetConfig,
    /// The contract, when one was written.
    pub schema: Option<SchemaContract>,
    /// Keep only the schema's columns. Without a schema it has no effect.
    pub strict: bool,
    /// What happens to a row that breaks the contract. `None` when not written: a value that does not convert then
    /// widens its column unless the config is strict, and other rows go to quarantine.
    pub on_bad_row: Option<OnBadRow>,
    /// How rows meet the rows already there.
    pub load: LoadConfig,
    /// Columns of the table that say where a row came from.
    pub provenance: Vec<Provenance>,
    /// `start_time`, `end_time`.
    pub window: Window,
    /// The cron schedule. `None`: the config has no `schedule:`.
    pub schedule: Option<ScheduleConfig>,
    /// How a running schedule looks for changes of the sources.
    pub monitor: MonitorConfig,
    /// `concurrency`, `priority`.
    pub start_rules: StartRules,
    /// Attempts for database and worker losses.
    pub retry: RetryConfig,
    /// The file with all rows of a run.
    pub output: OutputConfig,
    /// What must be true before a load commits.
    pub checks: Vec<Check>,
    /// SQL models run in the target after a load, in this order.
    pub transform: Vec<Transform>,
    /// Receivers of messages and their events, without the addresses, and what counts as stale and as too few rows.
    pub notify: NotifyConfig,
}

impl PipelineConfig {
    /// Lets its inbox sources read this folder, the pipeline's own inbox.
    pub fn read_inbox_at(&mut self, folder: &Path) {
        for source in &mut self.sources {
            if let SourceConfig::Inbox(inbox) = source {
                inbox.local.path = folder.to_string_lossy().into_owned();
            }
        }
    }
}

pub(super) const KEYS: &[Key] = &[
    Key::text("name", "The pipeline's name. Default: the target table's."),
    Key::of("sources", Shape::Variants(source::VARIANTS), "Where rows come from; all sources are put together.")
        .required(),
    Key::of("target", Shape::Section(target::KEYS), "The table rows go to.").required(),
    shaping::KEY,
    Key::of("schema", Shape::Schema(schema::KEYS), "The columns the table must have."),
    Key::flag("strict_mode", "Keep only the schema's columns. Default false."),
    Key::choice::<OnBadRow>(
        "on_bad_row",
        "What happens to a row that breaks the schema: kept aside, or fails the run.",
    ),
    Key::of("load", Shape::Section(load::KEYS), "How rows meet the rows already there."),
    Key::of(
        "provenance",
        Shape::Texts,
        "Columns that say where a row came from: `file`, `row`, `modified`. They are not part of the row's hash.",
    ),
    Key::of("start_time", Shape::Moment, "Runs wait for it."),
    Key::of("end_time", Shape::Moment, "Monitoring ends with it."),
    Key::text("timezone", "IANA zone of local times. Default: the server's."),
    Key::of("schedule", Shape::Section(schedule::SCHEDULE_KEYS), "Runs at fixed times."),
    Key::of("monitor", Shape::Section(schedule::MONITOR_KEYS), "Runs when the sources change."),
    Key::of("retry", Shape::Section(retry::RETRY_KEYS), "Attempts after the loss of a database or a worker."),
    Key::whole(
        "concurrency",
        1,
        1_000,
        "Runs of this pipeline that may be at work at the same time. Default: any number.",
    ),
    Key::choice::<Priority>("priority", "How early its runs start among those that wait. Default `normal`."),
    Key::text("output_csv_path", "Where the combined CSV goes."),
    Key::of("output", Shape::Section(output::KEYS), "The file with all rows of a run, in any format."),
    Key::of("checks", Shape::Sections(checks::KEYS), "What must be true before a load commits."),
    Key::of("transform", Shape::Sections(transform::KEYS), "SQL models run in the target after a load, in this order."),
    Key::of("notify", Shape::Sections(notify::KEYS), "Who gets messages about the pipeline, and about which events."),
    Key::duration(
        "freshness",
        notify::LONGEST_FRESHNESS,
        "Time without a run that loaded after which the pipeline is `stale`: `26h`.",
    ),
    Key::of("volume", Shape::Section(notify::VOLUME_KEYS), "What counts as too few rows of a run."),
];

/// Longest name of a pipeline, in characters.
pub(super) const MAX_NAME: usize = 200;

/// Reads the document.
pub(super) fn read(document: &Field<'_>) -> Option<PipelineConfig> {
    let root = &document.section(KEYS)?;
    let shape = optional(root.field("shape"), shaping::read);
    let sources = sources(root);
    let target_section = root.required("target").and_then(|field| field.section(target::KEYS));
    let target = target_section.as_ref().and_then(target::read);
    let schema = optional(root.field("schema"), schema::read);
    let load = load::read(root.field("load"), target_section.as_ref());
    if let Some(load) = &load {
        refuse_incremental(root, load);
    }
    if let (Some(target), Some(section), Some(load)) = (&target, &target_section, &load) {
        check_partition(section, target, load);
    }
    let read_schema = schema.as_ref().and_then(Option::as_ref);
    let on_bad_row = on_bad_row(root, read_schema.and_then(|schema| schema.on_mismatch));
    let contract = read_schema.and_then(|schema| schema.contract.as_ref());
    let around = checks::Around { schema: contract, load: load.as_ref(), on_bad_row };
    let checks = optional(root.field("checks"), |field| checks::read(field, &around));
    if let (Some(target), Some(sources), Some(section)) = (&target, &sources, &target_section)
        && let Some(pattern) = &target.pattern
    {
        table_pattern::check(root, section.field("table"), pattern, sources);
    }
    let provenance = provenance::read(root.field("provenance"));
    let timezone = schedule::timezone(root.field("timezone"));
    let schedule = optional(root.field("schedule"), |field| schedule::schedule(field, timezone));
    let transform = optional(root.field("transform"), transform::read);
    let monitor = schedule::monitor(root.field("monitor"));
    let retry = retry::read(root.field("retry"));
    let start_rules = schedule::start_rules(root);
    let window = schedule::window(root, timezone);
    let strict = root.flag("strict_mode").unwrap_or(false);
    let output = output::read(root);
    let name = name(root);
    let notify = notify::read(root);
    let (schema, target) = (schema?, target?);
    let mut sources = sources?;
    if let Some(shape) = shape? {
        let shape = Arc::new(shape);
        sources.iter_mut().for_each(|source| source.shape_by(&shape));
    }
    Some(PipelineConfig {
        name: name.unwrap_or_else(|| target.table.to_string().replace(is_invisible, "")),
        sources,
        on_bad_row,
        schema: schema.and_then(|schema| schema.contract),
        target,
        strict,
        load: load?,
        provenance: provenance?,
        window,
        schedule: schedule?,
        monitor: monitor?,
        start_rules,
        retry: retry?,
        output,
        checks: checks?.unwrap_or_default(),
        transform: transform?.unwrap_or_default(),
        notify: notify?,
    })
}

fn check_partition(section: &Section<'_>, target: &TargetConfig, load: &LoadConfig) {
    if let (Some(partition), Some(field)) = (&target.partition, section.field("partition")) {
        partition::check(field, partition, load);
    }
}

/// Reads the target alone, for looking at a table.
pub(super) fn read_target(document: &Field<'_>) -> Option<TargetConfig> {
    let root = document.section(KEYS)?;
    target::read(&root.required("target")?.section(target::KEYS)?)
}

/// `Some(None)`: not written; `None`: written, and wrong.
fn optional<'a, T>(field: Option<&Field<'a>>, read: impl FnOnce(&Field<'a>) -> Option<T>) -> Option<Option<T>> {
    match field {
        Some(field) => read(field).map(Some),
        None => Some(None),
    }
}

fn sources(root: &Section<'_>) -> Option<Vec<SourceConfig>> {
    let field = root.required("sources")?;
    let items = field.items()?;
    if items.is_empty() {
        field.problem("expected at least one source");
        return None;
    }
    // Every source is read before the first wrong one ends it, so that all problems are reported at once.
    let read: Vec<Option<SourceConfig>> = items.iter().map(source::read).collect();
    source::check_together(&items, &read);
    read.into_iter().collect()
}

/// Refuses `incremental` with ways to load that would lose or double rows.
fn refuse_incremental(root: &Section<'_>, load: &LoadConfig) {
    let problem = match (load.mode, load.dedupe) {
        (LoadMode::Replace, _) => {
            "a run that reads only what is new must not replace the table, because the rows read before would be lost: write \
             load.mode append or merge, or leave incremental out"
        }
        (LoadMode::Append, Dedupe::None) => {
            "the rows at the boundary between two runs are read twice, so load.dedupe none would double them: write \
             load.dedupe row_hash, or load.mode merge"
        }
        _ => return,
    };
    let items = root.field("sources").and_then(Field::items).unwrap_or_default();
    for incremental in items.iter().filter_map(|source| source.child("incremental")) {
        incremental.problem(problem);
    }
}

fn name(root: &Section<'_>) -> Option<String> {
    let field = root.field("name")?;
    let name = field.without_secrets()?.text()?.trim().to_owned();
    if name.is_empty() {
        return None;
    }
    // With an invisible character a config of one author would look like a version of another pipeline.
    if name.chars().count() > MAX_NAME || name.contains(is_invisible) {
        field.problem(format!("expected at most {MAX_NAME} characters on one line, none of them invisible"));
    }
    if is_dot_segment(&name) {
        field.problem("expected a name other than `.` and `..`, which browsers take out of addresses");
    }
    Some(name)
}

/// Whether a name is one that browsers and proxies resolve in an address, also when its dots are encoded:
/// `/pipelines/../pause` is `/pause`, which pauses every pipeline.
pub(super) fn is_dot_segment(name: &str) -> bool {
    matches!(name, "." | "..")
}

fn on_bad_row(root: &Section<'_>, on_mismatch: Option<OnBadRow>) -> Option<OnBadRow> {
    let on_bad_row = root.choice("on_bad_row");
    if let (Some(one), Some(other), Some(field)) = (on_bad_row, on_mismatch, root.field("on_bad_row"))
        && one != other
    {
        field.problem("schema.on_mismatch says something else");
    }
    on_bad_row.or(on_mismatch)
}
