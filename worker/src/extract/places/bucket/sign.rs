//! How a request to a bucket says who sends it.

use std::sync::Arc;

use elt_shared::config::{BucketLogin, S3Source};
use elt_shared::explained::Code;
use elt_shared::secret::Secret;
use object_store::CredentialProvider;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential, split_sas};
use object_store::client::{HttpRequest, StaticCredentialProvider};
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use reqwest::header::{AUTHORIZATION, HeaderValue};

use super::transport::NoTransport;
use super::{address, own_credentials};
use crate::extract::cloud::CloudCredentials;
use crate::extract::places::error::{Result, StoreError};

/// Where the keys of a source are, for the end of a sentence.
const IN_CONFIG: &str = "the config, or the secret that it names";

/// Identifies the requests to one bucket.
pub(super) enum Signer {
    /// Requests are sent as they are.
    Anonymous,
    /// By a signature of version 4 of AWS.
    Aws {
        credentials: Arc<dyn CredentialProvider<Credential = AwsCredential>>,
        region: String,
        /// Whether they are got from the metadata service of the machine.
        are_of_the_machine: bool,
    },
    /// By a token of Google.
    Google(Arc<dyn CredentialProvider<Credential = GcpCredential>>),
    /// By a signature of Azure over the request, or over its address.
    Azure { credential: AzureCredential, account: String },
}

/// The keys of an account of AWS.
pub(super) struct AwsKeys<'a> {
    pub(super) id: &'a Secret,
    pub(super) key: &'a Secret,
    /// Token of a session with temporary keys.
    pub(super) token: Option<&'a Secret>,
    /// Where they are, for the end of a sentence.
    pub(super) are_in: &'static str,
}

impl Signer {
    pub(super) fn of(source: &S3Source, cloud: &CloudCredentials) -> Result<Self> {
        Ok(match &source.login {
            BucketLogin::Public { .. } => Self::Anonymous,
            BucketLogin::Keys { access_key_id, secret_access_key, session_token } => {
                let (id, key, token) = (access_key_id, secret_access_key, session_token.as_ref());
                Self::aws(source, &AwsKeys { id, key, token, are_in: IN_CONFIG })?
            }
            BucketLogin::ServiceAccount(key) => Self::google(source, key, IN_CONFIG)?,
            BucketLogin::AccountKey { account, key } => {
                let key = AzureAccessKey::try_new(key.expose().trim())
                    .map_err(|_| unusable(source, "account_key", "it is not base64", IN_CONFIG))?;
                Self::Azure { credential: AzureCredential::AccessKey(key), account: account.clone() }
            }
            BucketLogin::Sas { account, sas } => {
                let pairs = split_sas(sas.expose().trim()).map_err(|_| {
                    unusable(source, "sas", "it is not the query of a URL, such as `sv=…&sig=…`", IN_CONFIG)
                })?;
                Self::Azure { credential: AzureCredential::SASToken(pairs), account: account.clone() }
            }
            BucketLogin::Environment | BucketLogin::Instance => own_credentials::signer(source, cloud)?,
        })
    }

    /// Signs with the keys of an account of AWS.
    pub(super) fn aws(source: &S3Source, keys: &AwsKeys<'_>) -> Result<Self> {
        let text = |secret: &Secret| secret.expose().trim().to_owned();
        let AwsKeys { id, key, token, are_in } = keys;
        let credential = AwsCredential { key_id: text(id), secret_key: text(key), token: token.map(text) };
        let is_header = |text: &str| HeaderValue::from_str(text).is_ok();
        if !is_header(&credential.key_id) || credential.key_id.contains(['/', ',', ' ']) {
            return Err(unusable(source, "access_key_id", "it has a character that such a key cannot have", are_in));
        }
        if !credential.token.as_deref().is_none_or(is_header) {
            return Err(unusable(source, "session_token", "it has a character that such a token cannot have", are_in));
        }
        Ok(Self::Aws {
            credentials: Arc::new(StaticCredentialProvider::new(credential)),
            region: address::region(source).to_owned(),
            are_of_the_machine: false,
        })
    }

    /// Signs with the key of a service account of Google, in JSON. `are_in`: the place of the key, for errors.
    pub(super) fn google(source: &S3Source, key: &Secret, are_in: &str) -> Result<Self> {
        let what = "it is not the JSON of a service account's key with a private key in PEM form";
        let store = GoogleCloudStorageBuilder::new()
            .with_bucket_name(&source.url.bucket)
            .with_service_account_key(key.expose())
            .with_http_connector(NoTransport)
            .build()
            .map_err(|_| unusable(source, "service_account_key", what, are_in))?;
        Ok(Self::Google(Arc::clone(store.credentials())))
    }

    /// The query by which every address is signed. `None`: requests are signed one by one.
    pub(super) fn of_addresses(&self) -> Option<&[(String, String)]> {
        match self {
            Self::Azure { credential: AzureCredential::SASToken(pairs), .. } => Some(pairs),
            _ => None,
        }
    }

    /// Signs a request. Its headers must not change afterwards.
    pub(super) async fn sign(&self, request: &mut HttpRequest, place: &str) -> Result<()> {
        // The reasons may hold addresses and parts of keys, so they are not repeated.
        let failed = |_: object_store::Error| unsignable(place);
        match self {
            Self::Anonymous => Ok(()),
            Self::Aws { credentials, region, are_of_the_machine } => {
                let missing = |error| if *are_of_the_machine { no_role(place) } else { failed(error) };
                let credential = credentials.get_credential().await.map_err(missing)?;
                AwsAuthorizer::new(&credential, "s3", region).try_authorize(request, None).map_err(failed)
            }
            Self::Google(credentials) => {
                let credential = credentials.get_credential().await.map_err(failed)?;
                let bearer = format!("Bearer {}", credential.bearer);
                let mut value = HeaderValue::from_str(&bearer).map_err(|_| unsignable(place))?;
                value.set_sensitive(true);
                request.headers_mut().insert(AUTHORIZATION, value);
                Ok(())
            }
            Self::Azure { credential, account } => {
                AzureAuthorizer::new(credential, account).try_authorize(request).map_err(failed)
            }
        }
    }
}

/// A key that cannot be used. `are_in`: where the keys are.
fn unusable(source: &S3Source, key: &str, what: &str, are_in: &str) -> StoreError {
    let place = format!("{}://{}", source.url.service.scheme(), source.url.bucket);
    StoreError::Other {
        message: format!("the `{key}` for {place} cannot be used: {what}"),
        code: Code::SourceConfig,
        next_step: format!("Correct the key in {are_in}.").into(),
    }
}

fn no_role(place: &str) -> StoreError {
    StoreError::Login {
        place: place.to_owned(),
        reason: "the metadata service of the worker's machine has no credentials for it".to_owned(),
        next_step:
            "Give the machine a role, and let containers reach version 2 of the service (a hop limit of 2); or correct \
                    ELT_CLOUD_METADATA of the workers."
                .into(),
    }
}

fn unsignable(place: &str) -> StoreError {
    StoreError::Other {
        message: format!("a request to {place} could not be signed"),
        code: Code::SourceConfig,
        next_step: "Check the keys of the source.".into(),
    }
}
