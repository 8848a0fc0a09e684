//! What a backup says about itself: its first entry, `manifest.json`.

use elt_shared::store::Schema;
use elt_shared::store::schema::OldestProgram;
use serde::{Deserialize, Serialize};

/// Name of the entry.
pub const NAME: &str = "manifest.json";
/// Version of the format. A program refuses a newer one.
pub const FORMAT: u32 = 1;
/// Entry with the control database.
pub const CONTROL: &str = "control.dump";
/// Entry with the default target of a private cluster.
pub const TARGET: &str = "target.dump";

/// What the first entry of a backup says about the others.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// Version of the elt that made the backup.
    pub elt_version: String,
    /// When the backup was begun, in RFC 3339.
    pub made_at: String,
    /// Major version of the PostgreSQL server.
    pub postgres: u32,
    /// Entries with databases.
    pub databases: Vec<String>,
    /// Migrations of the control database.
    pub migrations: Vec<i64>,
    /// The oldest program that may use the control database. `None`: it does not say.
    pub oldest: Option<OldestProgram>,
    /// Ids of the keys that seal something in the control database. The keys themselves are not in a backup.
    pub secret_keys: Vec<String>,
}

impl Manifest {
    /// How the control database in the backup stands to this program.
    pub fn schema(&self) -> Schema {
        Schema::compare(&self.migrations, self.oldest.clone())
    }
}
