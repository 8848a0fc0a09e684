//! The run's work folder, removed when the run ends, and where its combined CSV goes.

use std::path::{Path, PathBuf};

use elt_shared::config::PipelineConfig;
use elt_shared::private_folder;

use super::RunContext;
use crate::error::{PipelineError, Result};
use crate::roots::Roots;

/// Bytes of a pipeline's name in the name of a file.
const NAME_BYTES: usize = 160;

/// A folder for spooled files. Dropped, it takes them along.
#[derive(Debug)]
pub struct WorkFolder(PathBuf);

impl WorkFolder {
    /// Makes the folder of an attempt.
    pub fn create(context: &RunContext) -> Result<Self> {
        let path = context.data_dir.join("spool").join(format!("{}-{}", context.run.id, context.run.epoch));
        private_folder::create(&path).map_err(|source| PipelineError::Io {
            doing: format!("make the work folder {}", path.display()),
            source,
        })?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where the combined CSV of a run goes.
pub fn combined_path(context: &RunContext) -> PathBuf {
    combined_path_of(&context.config, context.run.config_id, &context.base, &context.data_dir, &context.roots)
}

/// Where the combined CSV of a config version goes.
pub fn combined_path_of(
    config: &PipelineConfig,
    config_id: i64,
    base: &Path,
    data_dir: &Path,
    roots: &Roots,
) -> PathBuf {
    match &config.output_csv_path {
        // Without the `.` parts that a config may write.
        Some(path) => roots.output_base(base).join(path).components().collect(),
        None => data_dir.join("output").join(format!("{}-{config_id}.csv", file_name(&config.name))),
    }
}

/// A pipeline's name as part of a file name.
fn file_name(name: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let mut name: String = name.chars().map(safe).take(80).collect();
    // Names of files are limited in bytes, and the unfinished file's is longer than this one.
    name.truncate(name.floor_char_boundary(NAME_BYTES));
    if name.starts_with('.') { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_name_cannot_leave_the_folder() {
        assert_eq!(file_name("../../etc/passwd"), "_.._.._etc_passwd");
        assert_eq!(file_name("täglich 1.5"), "täglich_1.5");
        assert_eq!(file_name("a\0b\nc\u{202e}/d"), "a_b_c__d");
        assert_eq!(file_name(".."), "_..");
        let longest = "\u{20000}".repeat(300);
        assert!(file_name(&longest).len() <= NAME_BYTES && !file_name(&longest).is_empty());
    }
}
