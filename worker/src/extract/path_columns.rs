//! Columns whose values stand in the paths of files.

use std::collections::HashSet;

use elt_shared::config::FileOptions;
use elt_shared::explained::{Code, Explained};

use super::{Extracted, LeftOut, LeftOutKind};
use crate::error::{PipelineError, Result};
use crate::input::{Format, InputFile, format_of};

/// Gives each file of a source the columns of its path. A file whose path does not match the source's pattern is left out as
/// failed, because its rows would lack the columns. The archive on a server that it lies in then stays there as it is.
///
/// # Errors
/// When the file that the config names does not match.
pub(super) fn add(index: usize, mut extracted: Extracted) -> Result<Extracted> {
    let mut files = Vec::with_capacity(extracted.files.len());
    let mut incomplete = HashSet::new();
    for mut file in std::mem::take(&mut extracted.files) {
        let options = file.options.clone();
        let Some(columns) = &options.path_columns else {
            files.push(file);
            continue;
        };
        match columns.values(&in_folders(&file.name, &options)) {
            Some(values) => {
                file.constants.extend(columns.names().iter().cloned().zip(values));
                files.push(file);
            }
            None if file.required => return Err(no_match(index, &file, columns.as_str())),
            None => {
                incomplete.extend(file.after_load.map(|task| task.path));
                extracted.left_out.push(LeftOut {
                    reason: format!("its path does not end as path_columns says, {:?}", columns.as_str()),
                    name: file.name,
                    kind: LeftOutKind::Failed,
                });
            }
        }
    }
    for file in &mut files {
        file.after_load.take_if(|task| incomplete.contains(&task.path));
    }
    extracted.files = files;
    Ok(extracted)
}

/// The path of a file, in which an archive is a folder: `box.zip/a.csv` for `box.zip!a.csv`. Other files may have a `!` in their
/// own names.
pub(super) fn in_folders(name: &str, options: &FileOptions) -> String {
    let mut path = name.to_owned();
    for (at, _) in name.match_indices('!') {
        if matches!(format_of(&path[..at], options), Some((Format::Container(_), _))) {
            path.replace_range(at..=at, "/");
        }
    }
    path
}

fn no_match(index: usize, file: &InputFile, pattern: &str) -> PipelineError {
    PipelineError::Extract(Explained {
        code: Code::SourceUnreadable,
        message: format!("source {}: the path {} does not end as path_columns says, {pattern:?}", index + 1, file.name),
        next_step: "Correct `path_columns`: its pattern must match the end of the path, and `*` is any part of a name."
            .into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_archive_is_a_folder() {
        for (name, expected) in [
            ("in/box.zip!x/y.csv", "in/box.zip/x/y.csv"),
            ("box.tar.gz!inner.zip!y!z.csv", "box.tar.gz/inner.zip/y!z.csv"),
            ("in/region=north!/a!b.csv", "in/region=north!/a!b.csv"),
            ("wow!.zip!a.csv", "wow!.zip/a.csv"),
        ] {
            assert_eq!(in_folders(name, &FileOptions::default()), expected, "{name}");
        }
    }
}
