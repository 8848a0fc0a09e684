//! One walk over a document by its keys: collects the problems and warnings of its values with their places.

use std::cell::{Cell, RefCell};

use super::Checked;
use super::error::{ConfigError, ConfigProblem, Warning};
use super::mask::Mask;
use super::node::Place;
use super::resolve::{Reference, Resolve, SecretRefusal, Unresolved};
use super::time_limit::TimeLimit;
use crate::secret::Secret;

/// More problems, or warnings, than these are not listed.
const MOST_TOLD: usize = 100;

/// One walk over a document.
pub(super) struct Reader<'a> {
    resolve: &'a dyn Resolve,
    mask: &'a Mask,
    time_limit: &'a TimeLimit,
    problems: RefCell<Vec<ConfigProblem>>,
    /// Why the first secret was refused that the config does not get.
    refusal: Cell<Option<SecretRefusal>>,
    warnings: RefCell<Vec<Warning>>,
}

impl<'a> Reader<'a> {
    /// A reader that resolves references with `resolve`, keeps what `mask` hides out of its messages, and stops once
    /// the time is up.
    pub fn new(resolve: &'a dyn Resolve, mask: &'a Mask, time_limit: &'a TimeLimit) -> Self {
        let (problems, refusal, warnings) = Default::default();
        Self { resolve, mask, time_limit, problems, refusal, warnings }
    }

    /// The outcome: the value, unless the walk met a problem.
    pub fn finish<T>(self, value: Option<T>) -> Result<Checked<T>, ConfigError> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.line.is_none(), problem.line, problem.column));
        match value {
            Some(value) if problems.is_empty() => Ok(Checked { value, warnings: self.warnings.into_inner() }),
            _ => Err(match self.refusal.get() {
                Some(refusal) => ConfigError::Secret { refusal, problems },
                None => ConfigError::NotRunnable(problems),
            }),
        }
    }

    /// Takes the warnings out; the problems are dropped.
    pub fn into_warnings(self) -> Vec<Warning> {
        self.warnings.into_inner()
    }

    /// Adds a problem at a place of the document.
    pub fn problem(&self, path: &str, place: Place, message: impl Into<String>) {
        let mut problems = self.problems.borrow_mut();
        let problem = ConfigProblem {
            path: path.to_owned(),
            line: Some(place.line),
            column: Some(place.column),
            message: self.mask.scrub(&message.into()),
        };
        match problems.len() {
            // A place that is read twice, such as an option of a flat schema, is reported once.
            _ if problems.contains(&problem) => {}
            ..MOST_TOLD => problems.push(problem),
            MOST_TOLD => problems.push(ConfigProblem {
                path: String::new(),
                line: None,
                column: None,
                message: "there are more problems than these".into(),
            }),
            _ => {}
        }
    }

    /// Adds a warning about a place of the document. The config can run all the same.
    pub fn warn(&self, path: &str, place: Place, message: impl Into<String>) {
        let mut warnings = self.warnings.borrow_mut();
        if warnings.len() < MOST_TOLD {
            warnings.push(Warning {
                path: path.to_owned(),
                line: Some(place.line),
                column: Some(place.column),
                message: self.mask.scrub(&message.into()),
            });
        }
    }

    /// Whether another warning would be kept, so that callers need not look for warnings that would be dropped.
    pub fn has_room_for_warnings(&self) -> bool {
        self.warnings.borrow().len() < MOST_TOLD
    }

    /// Whether the time for the walk is over.
    pub fn is_out_of_time(&self) -> bool {
        self.time_limit.is_over()
    }

    /// Resolves a reference, and notes why the config does not get a secret.
    pub fn resolve(&self, reference: &Reference) -> Result<Option<Secret>, Unresolved> {
        self.resolve.resolve(reference).inspect_err(|unresolved| {
            self.refusal.set(self.refusal.get().or(unresolved.refusal));
        })
    }
}
