//! The run's work folder, removed when the run ends, and where its combined CSV goes.

use std::path::{Component, Path, PathBuf};

use elt_shared::config::{PipelineConfig, SourceConfig};
use elt_shared::private_folder;
use elt_shared::store::runs;

use super::RunContext;
use crate::error::{PipelineError, Result};
use crate::extract::local::walk::same_file;
use crate::extract::{ExtractContext, local};
use crate::frame::combined::{self, CombinedCsv};
use crate::roots::Roots;

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

/// Checks, without writing anything, that [`open_combined`] would accept the path.
pub fn check_combined(context: &RunContext, path: &Path) -> Result<()> {
    refuse_outside(path, &context.roots)?;
    combined::check(path)
        .map_err(|source| PipelineError::Io { doing: format!("write the combined CSV {}", path.display()), source })
}

/// Refuses to write the combined CSV over a file that a source reads, unless an earlier run wrote it.
pub async fn refuse_input(context: &RunContext, path: &Path, extract: &ExtractContext) -> Result<()> {
    let covers = |source: &SourceConfig| match source {
        SourceConfig::Local(source) => local::covers(source, path, extract),
        _ => false,
    };
    if !context.config.sources.iter().any(covers) {
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let written = runs::combined_csvs(&context.control, &name)
        .await
        .map_err(|source| PipelineError::Control { doing: "look for runs that wrote the combined CSV", source })?;
    if written.iter().any(|written| same_file(Path::new(written), path)) {
        return Ok(());
    }
    Err(PipelineError::Extract {
        code: "output_is_input",
        message: format!("the combined CSV would be written over {}, which is a file of a source", path.display()),
        next_step: "Name another file as `output_csv_path`, or move this one away.".into(),
    })
}

/// A file may be made only in a folder that may be written to; links on the way are followed.
fn refuse_outside(path: &Path, roots: &Roots) -> Result<()> {
    let there = path.ancestors().skip(1).find_map(|folder| {
        let rest = path.strip_prefix(folder).ok()?;
        Some((std::fs::canonicalize(folder).ok()?, rest))
    });
    // Folders are made on the way: `missing/..` would lead up from one that is not there yet.
    let climbs = |rest: &Path| rest.components().any(|part| matches!(part, Component::ParentDir));
    let reason = match there {
        Some((folder, rest)) if roots.own(&folder.join(rest)) => "is one of elt's own files",
        Some((folder, rest)) if roots.may_write(&folder.join(rest)) && !climbs(rest) => return Ok(()),
        _ => "is outside the folders the worker may write to",
    };
    Err(PipelineError::Extract {
        code: "outside_roots",
        message: format!("the output path {} {reason}", path.display()),
        next_step:
            "Leave `output_csv_path` out, name a path below a folder of ELT_FS_ROOTS (when that is not set: below the \
                    working or the data folder), or add its folder there."
                .into(),
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
        let data = folder.path().join("data");
        std::fs::create_dir_all(data.join("there")).unwrap();
        std::os::unix::fs::symlink("/tmp", data.join("link")).unwrap();
        let roots = Roots::new(vec![data.clone()], &data);
        let code = |path: &Path, roots: &Roots| refuse_outside(path, roots).err().map(|error| error.code());
        for allowed in ["out.csv", "new/deep/out.csv", "there/../out.csv", "my-keys.json"] {
            assert_eq!(code(&data.join(allowed), &roots), None, "{allowed}");
        }
        for outside in ["../out.csv", "missing/../../out.csv", "missing/../out.csv", "link/out.csv", "link/new/out.csv"]
        {
            assert_eq!(code(&data.join(outside), &roots), Some("outside_roots"), "{outside}");
        }
        assert_eq!(code(Path::new("/anywhere/out.csv"), &Roots::default()), None);
        // elt's own output folder is allowed whatever the roots are, and nothing beside it.
        let elsewhere = Roots::new(vec![folder.path().join("elsewhere")], &data);
        for allowed in ["output/out.csv", "output/deep/out.csv"] {
            assert_eq!(code(&data.join(allowed), &elsewhere), None, "{allowed}");
        }
        for outside in ["out.csv", "outputs/out.csv", "output/../out.csv", "output/missing/../../out.csv"] {
            assert_eq!(code(&data.join(outside), &elsewhere), Some("outside_roots"), "{outside}");
        }
        for own in ["keys.json", "there/../keys.json", "postgres/passwords.json", "postgres/data/new/x.csv"] {
            assert_eq!(code(&data.join(own), &roots), Some("outside_roots"), "{own}");
            assert_eq!(code(&data.join(own), &Roots::new(Vec::new(), &data)), Some("outside_roots"), "{own}");
        }
    }

    #[test]
    fn a_pipeline_name_cannot_leave_the_folder() {
        assert_eq!(file_name("../../etc/passwd"), "_.._.._etc_passwd");
        assert_eq!(file_name("täglich 1.5"), "täglich_1.5");
    }
}
