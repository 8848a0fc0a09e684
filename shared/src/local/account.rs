//! PostgreSQL refuses to run as root: root drops to another account, which must be able to get to the files.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use nix::unistd::{User, geteuid};

use super::error::LocalError;

/// The account the server runs as when we are root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

impl Account {
    /// `None`: we are not root, and the server runs as ourselves.
    pub fn of_the_server() -> Result<Option<Self>, LocalError> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let found = ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).ok().flatten());
        let user = found.ok_or(LocalError::NoAccount)?;
        Ok(Some(Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() }))
    }

    /// Gives a file or folder to the account.
    pub fn give(&self, path: &Path) -> Result<(), LocalError> {
        chown(path, Some(self.uid), Some(self.gid)).map_err(|source| LocalError::Folder {
            doing: "change the owner of",
            path: path.into(),
            source,
        })
    }

    /// Whether the account may enter `folder` and every folder above it.
    pub fn can_enter(&self, folder: &Path) -> Result<(), LocalError> {
        for above in folder.ancestors().filter(|above| !above.as_os_str().is_empty()) {
            let Ok(metadata) = above.metadata() else { continue };
            let bit = match (metadata.uid() == self.uid, metadata.gid() == self.gid) {
                (true, _) => 0o100,
                (false, true) => 0o010,
                (false, false) => 0o001,
            };
            if metadata.permissions().mode() & bit == 0 {
                return Err(LocalError::Unreachable { account: self.name.clone(), folder: above.into() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_closed_to_others_is_named() {
        let outer = std::env::temp_dir().join(format!("elt-account-{}", std::process::id()));
        let inner = outer.join("inner");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::set_permissions(&outer, std::fs::Permissions::from_mode(0o700)).unwrap();
        let somebody = Account { name: "somebody".into(), uid: 65_533, gid: 65_533 };

        let refused = somebody.can_enter(&inner).unwrap_err();

        assert_eq!(
            refused.to_string(),
            format!("the server would run as `somebody`, and that account may not enter {}", outer.display())
        );
        std::fs::set_permissions(&outer, std::fs::Permissions::from_mode(0o711)).unwrap();
        somebody.can_enter(&inner).unwrap();
        std::fs::remove_dir_all(&outer).unwrap();
    }
}
