//! One YAML mapping, as its author wrote it.

use std::collections::BTreeSet;
use std::fmt;

use super::error::{ConfigError, Warning};
use super::field::Field;
use super::mask::Mask;
use super::node::{Node, Value};
use super::notify::{self, NotifyAddress};
use super::pipeline::{self, PipelineConfig};
use super::reader::Reader;
use super::resolve::add_secret_names;
use super::target::TargetConfig;
use super::time_limit::TimeLimit;
use super::{Checked, NoReferences, Resolve, tree};
use crate::invisible::is_invisible;

/// Characters of a preview.
const PREVIEW: usize = 100;

/// A text that is one YAML mapping within the limits. Whether it can run is another question.
#[derive(Clone)]
pub struct Document {
    text: String,
    root: Node,
    mask: Mask,
}

impl Document {
    /// Reads a text. The only error is [`ConfigError::Syntax`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::parse_within(text, &TimeLimit::default())
    }

    /// Reads a text, unless the time is up before its end. The only error is [`ConfigError::Syntax`].
    pub fn parse_within(text: &str, time_limit: &TimeLimit) -> Result<Self, ConfigError> {
        let mut root = tree::parse(text, time_limit).map_err(ConfigError::Syntax)?;
        // Before the merges: what a mapping's own key overrides is written all the same.
        let mask = Mask::of(text, &root, time_limit);
        if time_limit.is_over() {
            // The mask may not have found every secret, so no part of the document may be shown.
            return Err(ConfigError::Syntax(tree::stopped()));
        }
        tree::apply_merges(&mut root);
        Ok(Self { text: text.to_owned(), root, mask })
    }

    /// The pipeline it describes. The error is [`ConfigError::NotRunnable`] or [`ConfigError::Secret`].
    pub fn pipeline(&self, resolve: &dyn Resolve) -> Result<Checked<PipelineConfig>, ConfigError> {
        self.pipeline_within(resolve, &TimeLimit::default())
    }

    /// Like [`Self::pipeline`], but returns a problem instead of the pipeline once the time is up.
    pub fn pipeline_within(
        &self,
        resolve: &dyn Resolve,
        time_limit: &TimeLimit,
    ) -> Result<Checked<PipelineConfig>, ConfigError> {
        let reader = Reader::new(resolve, &self.mask, time_limit);
        let pipeline = pipeline::read(&Field::root(&reader, &self.root));
        reader.finish(pipeline)
    }

    /// What the author should know, whether or not the config can run.
    pub fn warnings(&self) -> Vec<Warning> {
        self.warnings_within(&TimeLimit::default())
    }

    /// Like [`Self::warnings`]. Warnings are missing when the time is up before the end.
    pub fn warnings_within(&self, time_limit: &TimeLimit) -> Vec<Warning> {
        let reader = Reader::new(&NoReferences, &self.mask, time_limit);
        pipeline::read(&Field::root(&reader, &self.root));
        reader.into_warnings()
    }

    /// Its target alone: enough for looking at the table. Errors as those of
    /// [`Self::pipeline`].
    pub fn target(&self, resolve: &dyn Resolve) -> Result<Checked<TargetConfig>, ConfigError> {
        let time_limit = TimeLimit::default();
        let reader = Reader::new(resolve, &self.mask, &time_limit);
        let target = pipeline::read_target(&Field::root(&reader, &self.root));
        reader.finish(target)
    }

    /// Where one item of `notify:`, counted from 0, sends its messages. Errors as those of [`Self::pipeline`].
    pub fn notify_address(&self, entry: usize, resolve: &dyn Resolve) -> Result<Checked<NotifyAddress>, ConfigError> {
        let time_limit = TimeLimit::default();
        let reader = Reader::new(resolve, &self.mask, &time_limit);
        let address = notify::read_address(&Field::root(&reader, &self.root), entry);
        reader.finish(address)
    }

    /// The pipeline's name: `name`, else the target table's, fit for one line and for an address.
    pub fn name(&self) -> String {
        let text = |node: Option<&Node>| {
            node.and_then(Node::scalar).map(|scalar| scalar.text.replace(is_invisible, "").trim().to_owned())
        };
        let is_name = |name: &String| !name.is_empty() && !pipeline::is_dot_segment(name);
        let name = text(self.root.get("name")).filter(is_name);
        let table = || text(self.root.get("target").and_then(|target| target.get("table")));
        let name = name.or_else(table).filter(is_name).unwrap_or_else(|| "raw_data".to_owned());
        name.chars().take(pipeline::MAX_NAME).collect()
    }

    /// The names of the secrets that its values refer to, also values that no run reads.
    pub fn secret_names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        add_secret_names_of(&self.root, &mut names);
        names
    }

    /// The text with `***` in place of every secret. Layout, comments and line numbers stay.
    pub fn masked(&self) -> String {
        self.mask.apply(&self.text, self.text.len())
    }

    /// The first 100 characters of the original, masked. A secret cut in two does not show either.
    pub fn preview(&self) -> String {
        let end = self.text.char_indices().nth(PREVIEW).map_or(self.text.len(), |(offset, _)| offset);
        self.mask.apply(&self.text, end)
    }
}

fn add_secret_names_of(node: &Node, names: &mut BTreeSet<String>) {
    match &node.value {
        Value::Scalar(scalar) => add_secret_names(&scalar.text, names),
        Value::List(items) => items.iter().for_each(|item| add_secret_names_of(item, names)),
        Value::Map(entries) => entries.iter().for_each(|entry| add_secret_names_of(&entry.value, names)),
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Document").field(&self.masked()).finish()
    }
}
