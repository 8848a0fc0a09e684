//! Folders that other accounts of the machine cannot look into.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// Creates the missing folders of a path, for this account alone. When this account is root, other accounts may enter
/// the folders but not list them, because the private PostgreSQL runs as one of those accounts. A folder that exists
/// keeps its mode, because it may belong to somebody else.
///
/// # Errors
/// When a folder cannot be created, or something else has its name.
pub fn create(path: &Path) -> io::Result<()> {
    let mode = if nix::unistd::geteuid().is_root() { 0o711 } else { 0o700 };
    let missing: Vec<&Path> = path
        .ancestors()
        .filter(|folder| !folder.as_os_str().is_empty())
        .take_while(|folder| !folder.exists())
        .collect();
    for folder in missing.into_iter().rev() {
        match DirBuilder::new().mode(mode).create(folder) {
            // The umask may have taken bits away.
            Ok(()) => fs::set_permissions(folder, Permissions::from_mode(mode))?,
            // Another process created it in the meantime.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    match path.is_dir() {
        true => Ok(()),
        false => Err(io::ErrorKind::NotADirectory.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_folders_are_private_and_existing_ones_stay_as_they_are() {
        let root = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
        let inner = root.path().join("data").join("inner");
        create(&inner).unwrap();
        create(&inner).unwrap();
        assert_eq!(mode(root.path()), 0o755);
        for folder in [inner.parent().unwrap(), &inner] {
            assert_eq!(mode(folder) & 0o066, 0, "{}", folder.display());
        }
        fs::write(root.path().join("file"), "").unwrap();
        for taken in ["file", "file/inner"] {
            assert!(create(&root.path().join(taken)).is_err(), "{taken}");
        }
    }
}
