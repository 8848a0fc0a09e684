//! Folders that other accounts of the machine cannot look into.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown};
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
            Ok(()) => {
                fs::set_permissions(folder, Permissions::from_mode(mode))?;
                give_to_the_folders_owner(&File::open(folder)?, folder)?;
            }
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

/// Gives a file or folder that root has made at `path` to the owner of the folder it is in, because other processes of
/// elt run as that account. Does nothing when this account is not root.
///
/// # Errors
/// When the owner cannot be changed.
pub fn give_to_the_folders_owner(made: &File, path: &Path) -> io::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let folder = fs::metadata(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
    let meta = made.metadata()?;
    // A second name could be one that root has elsewhere.
    let is_ours = meta.uid() == 0 && (meta.is_dir() || meta.nlink() == 1);
    if is_ours && folder.uid() != 0 { fchown(made, Some(folder.uid()), Some(folder.gid())) } else { Ok(()) }
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
