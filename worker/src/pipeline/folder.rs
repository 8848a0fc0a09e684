//! The run's work folder, removed when the run ends, and where its combined CSV goes.

use std::path::{Path, PathBuf};

use elt_shared::config::PipelineConfig;

use super::RunContext;
use crate::error::{PipelineError, Result};
use crate::frame::combined::CombinedCsv;

/// A folder for spooled files. Dropped, it takes them along.
#[derive(Debug)]
pub struct WorkFolder(PathBuf);

impl WorkFolder {
    /// Makes the folder of an attempt.
    pub fn create(context: &RunContext) -> Result<Self> {
        let path = context.data_dir.join("spool").join(format!("{}-{}", context.run.id, context.run.epoch));
        std::fs::create_dir_all(&path).map_err(|source| PipelineError::Io {
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
    combined_path_of(&context.config, context.run.config_id, &context.base, &context.data_dir)
}

/// Where the combined CSV of a config version goes.
pub fn combined_path_of(config: &PipelineConfig, config_id: i64, base: &Path, data_dir: &Path) -> PathBuf {
    match &config.output_csv_path {
        Some(path) => base.join(path),
        None => data_dir.join("output").join(format!("{}-{config_id}.csv", file_name(&config.name))),
    }
}

/// Opens the combined CSV beside its final name: it is sure to be writable before anything is extracted.
pub fn open_combined(context: &RunContext, path: &Path) -> Result<CombinedCsv> {
    refuse_outside(path, &context.roots)?;
    CombinedCsv::create(path)
        .map_err(|source| PipelineError::Io { doing: format!("write the combined CSV {}", path.display()), source })
}

/// A file may be made only in a folder that may be written to; links on the way are followed.
fn refuse_outside(path: &Path, roots: &[PathBuf]) -> Result<()> {
    let climbs = path.components().any(|part| matches!(part, std::path::Component::ParentDir));
    let there = path.ancestors().skip(1).find_map(|folder| std::fs::canonicalize(folder).ok());
    let allowed = |root: &PathBuf| {
        let root = std::fs::canonicalize(root).unwrap_or_else(|_| root.clone());
        there.as_ref().is_some_and(|there| there.starts_with(&root)) || (!climbs && path.starts_with(&root))
    };
    if roots.is_empty() || roots.iter().any(allowed) {
        return Ok(());
    }
    Err(PipelineError::Extract {
        code: "outside_roots",
        message: format!("the output path {} is outside the folders the worker may write to", path.display()),
        next_step: "Name a path in the working or the data folder, or add its folder to ELT_FS_ROOTS.".into(),
    })
}

/// A pipeline's name as part of a file name.
fn file_name(name: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let name: String = name.chars().map(safe).take(80).collect();
    if name.starts_with('.') { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_path_stays_inside_the_roots() {
        let folder = tempfile::tempdir().unwrap();
        let roots = vec![folder.path().join("data")];
        std::fs::create_dir_all(&roots[0]).unwrap();
        std::os::unix::fs::symlink("/tmp", roots[0].join("link")).unwrap();
        assert!(refuse_outside(&roots[0].join("new/out.csv"), &roots).is_ok());
        assert!(refuse_outside(&folder.path().join("out.csv"), &roots).is_err());
        assert!(refuse_outside(&roots[0].join("../out.csv"), &roots).is_err());
        assert!(refuse_outside(Path::new("/anywhere/out.csv"), &[]).is_ok());
    }

    #[test]
    fn a_pipeline_name_cannot_leave_the_folder() {
        assert_eq!(file_name("../../etc/passwd"), "_.._.._etc_passwd");
        assert_eq!(file_name("täglich 1.5"), "täglich_1.5");
    }
}
