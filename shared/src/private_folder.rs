//! Folders that other accounts of the machine cannot look into, and the files in them.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use nix::fcntl::OFlag;

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
            Ok(()) => {
                let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
                let made = OpenOptions::new().read(true).custom_flags(flags.bits()).open(folder)?;
                // The umask may have taken bits away.
                made.set_permissions(Permissions::from_mode(mode))?;
                give_away(&made, folder)?;
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

/// Opens a file in a private folder, which only its owner may use. A file that root makes becomes that of the folder's
/// owner, because other processes of elt run as that account.
///
/// # Errors
/// When it cannot be opened. Root opens no link in another account's folder, and no file that has a second name, because
/// both may be files that root has elsewhere.
pub fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.mode(0o600);
    if !nix::unistd::geteuid().is_root() || folder_of(path)?.uid() == 0 {
        return options.open(path);
    }
    // Without waiting: a pipe without a reader would stop root for good.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = options.custom_flags(flags.bits()).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() || meta.nlink() != 1 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not a file with one name"));
    }
    give_away(&file, path)?;
    Ok(file)
}

/// Gives what root has made at `path` to the owner of the folder it is in. What was opened is given, not the name, because
/// that account can exchange the names in its folder.
fn give_away(made: &File, path: &Path) -> io::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let (folder, meta) = (folder_of(path)?, made.metadata()?);
    let is_ours = meta.uid() == 0 && (meta.is_dir() || meta.nlink() == 1);
    if is_ours && folder.uid() != 0 { fchown(made, Some(folder.uid()), Some(folder.gid())) } else { Ok(()) }
}

fn folder_of(path: &Path) -> io::Result<fs::Metadata> {
    fs::metadata(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
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

    #[test]
    fn root_opens_no_link_in_a_folder_of_another_account() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("data");
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::chown(&folder, Some(65_533), Some(65_533)).unwrap();
        let secret = root.path().join("secret");
        fs::write(&secret, "root's").unwrap();
        std::os::unix::fs::symlink(&secret, folder.join("link")).unwrap();
        fs::hard_link(&secret, folder.join("second name")).unwrap();
        nix::unistd::mkfifo(&folder.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for name in ["link", "second name", "pipe"] {
            assert!(open(&folder.join(name), OpenOptions::new().append(true).create(true)).is_err(), "{name}");
        }
        assert_eq!(fs::metadata(&secret).unwrap().uid(), 0);

        let made = open(&folder.join("new"), OpenOptions::new().append(true).create(true)).unwrap().metadata().unwrap();
        assert_eq!((made.uid(), made.gid(), made.mode() & 0o777), (65_533, 65_533, 0o600));
    }
}
