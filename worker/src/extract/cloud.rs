//! The worker's own credentials, as far as a config may use them for its buckets.

use std::fmt;
use std::sync::Arc;

use reqwest::Url;

use crate::settings::CloudVariables;

/// What a config may use of the worker's own credentials. The author of such a config reads with the worker's identity, so
/// that both the operator and an admin have to allow it.
#[derive(Debug, Clone, Default)]
pub enum CloudCredentials {
    /// Nothing: the operator lends no credentials.
    #[default]
    Kept,
    /// Nothing: the config is by a user, and only those by admins may use what the operator lends.
    KeptFromUsers,
    /// Credentials of the worker, which the operator lends to configs.
    Lent(Arc<LentCredentials>),
}

/// The credentials that the operator of the worker lends to configs by admins.
#[derive(Clone)]
pub struct LentCredentials {
    /// Credentials in the worker's environment. `None`: they are not lent.
    pub environment: Option<CloudVariables>,
    /// Address of the metadata service, which has credentials for the role of the machine. `None`: they are not lent.
    pub metadata: Option<Url>,
}

/// Without the values.
impl fmt::Debug for LentCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let environment = self.environment.is_some();
        f.debug_struct("LentCredentials").field("environment", &environment).field("metadata", &self.metadata).finish()
    }
}
