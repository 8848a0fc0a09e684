//! A new cluster that is filled from a backup. Until that is done, nothing else can use it.

use std::fs;
use std::path::Path;

use crate::account::Account;
use crate::error::LocalError;
use crate::folder::{Folder, failed};
use crate::{Cluster, server};

/// A cluster that is being filled.
#[derive(Debug)]
pub struct Restoring {
    /// The cluster, with empty databases at first.
    pub cluster: Cluster,
}

impl Restoring {
    /// Makes an empty cluster in a data folder that has none, or starts over where an earlier restore did not come to its
    /// end.
    ///
    /// # Errors
    /// When the folder has a cluster, or none can be made.
    pub async fn begin(data_dir: &Path, pg_bin: Option<&Path>) -> Result<Self, LocalError> {
        let folder = Folder::open(data_dir, Account::of_the_server(data_dir)?)?;
        let _gate = folder.gate().await?;
        let data = folder.data();
        if folder.restoring().exists() {
            if !folder.nobody_uses_it()? {
                return Err(LocalError::InUse(data_dir.to_owned()));
            }
            server::stop_ours(&folder).await?;
            if data.exists() {
                fs::remove_dir_all(&data).map_err(failed("remove", &data))?;
            }
        } else if data.exists() || Folder::is_exchanging(data_dir) {
            return Err(LocalError::NotEmpty(data_dir.to_owned()));
        }
        folder.write(&folder.restoring(), "")?;
        Ok(Self { cluster: Cluster::start_in(folder, pg_bin).await? })
    }

    /// Opens the cluster for everybody.
    ///
    /// # Errors
    /// When the note that closes it cannot be removed.
    pub fn finish(&self) -> Result<(), LocalError> {
        let note = self.cluster.folder.restoring();
        fs::remove_file(&note).map_err(failed("remove", &note))?;
        let synced = note.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all());
        synced.map_err(failed("remove", &note))
    }
}
