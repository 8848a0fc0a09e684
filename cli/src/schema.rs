//! `elt schema`: the JSON Schema of a config.

use clap::Args;
use elt_shared::config::json_schema;

use crate::exit::Exit;
use crate::out;

/// Prints the JSON Schema of a config
///
/// Editors complete and check YAML with it. Write it to a file once and name that in the first line of a config:
/// `# yaml-language-server: $schema=elt.schema.json`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  elt schema > elt.schema.json")]
pub struct Schema {}

impl Schema {
    pub fn execute(&self) -> anyhow::Result<Exit> {
        out::print(&serde_json::to_string_pretty(&json_schema())?);
        Ok(Exit::Done)
    }
}
