//! The account that root drops to: PostgreSQL refuses to run as root, and so do `up`, `serve` and `worker`, because the
//! configs of others say what they read and write.

use std::ffi::CString;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use elt_shared::private_folder;
use nix::unistd::{Gid, Uid, User, geteuid, initgroups, setresgid, setresuid, setuid};

use crate::error::LocalError;
use crate::ownership;

/// Accounts that are tried in this order when no setting names one.
const USUAL: [&str; 3] = ["elt", "postgres", "nobody"];

/// An account of this machine that is not root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Login name of the account.
    pub name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// The account of this name.
    ///
    /// # Errors
    /// When it is missing, or root.
    pub fn named(name: &str) -> Result<Self, LocalError> {
        match User::from_name(name) {
            Ok(Some(user)) if user.uid.is_root() => Err(LocalError::RootAccount(name.to_owned())),
            Ok(Some(user)) => Ok(user.into()),
            Ok(None) | Err(_) => Err(LocalError::UnknownAccount(name.to_owned())),
        }
    }

    /// The account that a data folder belongs to: the one of its private cluster, else its owner unless that is root, else
    /// `elt`, `postgres` or `nobody`, the first that this machine has.
    ///
    /// # Errors
    /// When this machine has none of them.
    pub fn of_folder(data_dir: &Path) -> Result<Self, LocalError> {
        let owner = |path: &Path| {
            let owner = path.metadata().ok()?.uid();
            User::from_uid(Uid::from_raw(owner)).ok()?.filter(|user| !user.uid.is_root())
        };
        let usual = || USUAL.iter().find_map(|name| User::from_name(name).ok().flatten());
        let found = owner(&data_dir.join("postgres/data")).or_else(|| owner(data_dir)).or_else(usual);
        found.map(Self::from).ok_or(LocalError::NoAccount)
    }

    /// The account the server of a data folder runs as. `None`: we are not root, and the server runs as ourselves.
    pub(super) fn of_the_server(data_dir: &Path) -> Result<Option<Self>, LocalError> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        Self::of_folder(data_dir).map(Some)
    }

    /// Makes a data folder this account's own, with everything in it that root has made.
    ///
    /// # Errors
    /// When the folder is of another account or holds files that elt does not know, or the account may not enter it.
    pub fn take_over(&self, data_dir: &Path) -> Result<(), LocalError> {
        let failed = |doing| crate::folder::failed(doing, data_dir);
        private_folder::create(data_dir).map_err(failed("create"))?;
        let cluster = data_dir.join("postgres/data").metadata().map_or(self.uid, |data| data.uid());
        let owner = data_dir.metadata().map_err(failed("find"))?.uid();
        if cluster != self.uid || (owner != self.uid && owner != 0) {
            let owner = if cluster == self.uid { owner } else { cluster };
            let owner = User::from_uid(Uid::from_raw(owner)).ok().flatten().map_or(owner.to_string(), |user| user.name);
            return Err(LocalError::OthersFolder { account: self.name.clone(), owner, folder: data_dir.into() });
        }
        if owner == 0 && !ownership::is_data_folder(data_dir).map_err(failed("list"))? {
            return Err(LocalError::NoDataFolder { account: self.name.clone(), folder: data_dir.into() });
        }
        ownership::give_what_root_made(data_dir, self.uid, self.gid).map_err(failed("change the owner of files in"))?;
        self.can_enter(data_dir)
    }

    /// Makes this process run as the account, for good: its groups are the account's, and root cannot be regained.
    ///
    /// # Errors
    /// When the system refuses, or when root could be regained.
    pub fn become_it(&self) -> Result<(), LocalError> {
        let become_it = || {
            let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
            // The groups first, because only root may change them.
            initgroups(&CString::new(self.name.as_str())?, gid)?;
            setresgid(gid, gid, gid)?;
            setresuid(uid, uid, uid)?;
            match setuid(Uid::from_raw(0)).is_ok() || geteuid() != uid {
                true => Err(io::Error::other("root could be regained")),
                false => Ok(()),
            }
        };
        become_it().map_err(|source| LocalError::NotDropped { account: self.name.clone(), source })
    }

    /// Gives a file or folder that root has made to the account.
    pub(super) fn give(&self, path: &Path) -> Result<(), LocalError> {
        ownership::give_one(path, self.uid, self.gid).map_err(|source| LocalError::Folder {
            doing: "change the owner of",
            path: path.into(),
            source,
        })
    }

    /// Checks that the account may enter `folder` and every folder above it.
    ///
    /// # Errors
    /// When it may not: the folder in the way.
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

impl From<User> for Account {
    fn from(user: User) -> Self {
        Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() }
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
            format!("elt would run as `somebody`, and that account may not enter {}", outer.display())
        );
        std::fs::set_permissions(&outer, std::fs::Permissions::from_mode(0o711)).unwrap();
        somebody.can_enter(&inner).unwrap();
        std::fs::remove_dir_all(&outer).unwrap();
    }
}
