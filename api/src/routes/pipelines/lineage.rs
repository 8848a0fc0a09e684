//! What a pipeline is made of, as its config says it: sources, the table, models and other tables. Nothing of it is secret.

use elt_shared::config::{CheckRule, Materialized, PipelineConfig, SourceConfig};
use elt_shared::redaction;
use serde::Serialize;
use utoipa::ToSchema;

/// Where the rows of a pipeline come from, and what is made of its table.
#[derive(Serialize, ToSchema)]
pub(super) struct Lineage {
    /// The sources, in the order of the config.
    sources: Vec<LineageSource>,
    /// The table that the rows go to; for a table for each file, the pattern of their names.
    table: String,
    /// Other tables that columns refer to, as `relationships` of `checks:` says.
    references: Vec<Reference>,
    /// The models of `transform:`, in their order. A model may read the ones before it.
    models: Vec<Model>,
}

/// A source of a pipeline.
#[derive(Serialize, ToSchema)]
struct LineageSource {
    /// Its `type`: `local`, `api`, `sftp`, `s3`, `http`, `ftp` or `inbox`.
    kind: String,
    /// Where it is, without secrets; empty when a reference such as `${env:HOST}` names the place.
    place: String,
}

/// A column whose values another table has to have.
#[derive(Serialize, ToSchema)]
struct Reference {
    /// Column of the pipeline's table.
    column: String,
    /// The other table.
    table: String,
    /// Column of the other table.
    key: String,
}

/// A view or table that is made of the loaded table.
#[derive(Serialize, ToSchema)]
struct Model {
    name: String,
    /// Whether it is a table, which is filled again after each load. Otherwise it is a view.
    is_table: bool,
}

impl Lineage {
    /// What a config says.
    pub(super) fn of(config: &PipelineConfig) -> Self {
        let references = config.checks.iter().filter_map(|check| match &check.rule {
            CheckRule::Relationships { column, to, key } => {
                Some(Reference { column: column.clone(), table: to.to_string(), key: key.clone() })
            }
            _ => None,
        });
        let models = config.transform.iter().map(|model| Model {
            name: model.name.clone(),
            is_table: matches!(model.materialized, Materialized::Table),
        });
        Self {
            sources: config.sources.iter().map(LineageSource::of).collect(),
            table: config.target.table.to_string(),
            references: references.collect(),
            models: models.collect(),
        }
    }
}

impl LineageSource {
    fn of(source: &SourceConfig) -> Self {
        let with_glob = |path: &str, glob: Option<&str>| match glob {
            Some(glob) => format!("{path} {glob}"),
            None => path.to_owned(),
        };
        let place = match source {
            SourceConfig::Local(local) => with_glob(&local.path, local.glob.as_deref()),
            SourceConfig::Inbox(inbox) => inbox.local.glob.clone().unwrap_or_else(|| "*".into()),
            SourceConfig::Sftp(sftp) => format!("{}:{} {}", sftp.server.host, sftp.server.port, sftp.path),
            SourceConfig::Api(api) => api.address(),
            SourceConfig::S3(_) | SourceConfig::Http(_) | SourceConfig::Ftp(_) => source.address().unwrap_or_default(),
        };
        Self { kind: source.kind().to_owned(), place: redaction::hide(&place).into_owned() }
    }
}
