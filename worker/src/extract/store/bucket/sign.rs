//! How a request to a bucket says who sends it.

use std::sync::Arc;

use elt_shared::config::{BucketLogin, S3Source};
use elt_shared::explained::Code;
use object_store::CredentialProvider;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential, split_sas};
use object_store::client::{HttpRequest, StaticCredentialProvider};
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use reqwest::header::{AUTHORIZATION, HeaderValue};

use super::address;
use super::transport::NoTransport;
use crate::extract::store::error::{Result, StoreError};

/// Identifies the requests to one bucket.
pub(super) enum Signer {
    /// Requests are sent as they are.
    Anonymous,
    /// By a signature of version 4 of AWS.
    Aws { credentials: Arc<dyn CredentialProvider<Credential = AwsCredential>>, region: String },
    /// By a token of Google.
    Google(Arc<dyn CredentialProvider<Credential = GcpCredential>>),
    /// By a signature of Azure over the request, or over its address.
    Azure { credential: AzureCredential, account: String },
}

impl Signer {
    pub(super) fn of(source: &S3Source) -> Result<Self> {
        let place = || format!("{}://{}", source.url.service.scheme(), source.url.bucket);
        let unusable = |key: &'static str, what: &'static str| StoreError::Other {
            message: format!("the `{key}` for {} cannot be used: {what}", place()),
            code: Code::SourceConfig,
            next_step: "Correct the key in the config, or the secret that it names.".into(),
        };
        Ok(match &source.login {
            BucketLogin::Public { .. } => Self::Anonymous,
            BucketLogin::Keys { access_key_id, secret_access_key, session_token } => {
                let text = |secret: &elt_shared::secret::Secret| secret.expose().trim().to_owned();
                let credential = AwsCredential {
                    key_id: text(access_key_id),
                    secret_key: text(secret_access_key),
                    token: session_token.as_ref().map(text),
                };
                let is_header = |text: &str| HeaderValue::from_str(text).is_ok();
                if !is_header(&credential.key_id) || credential.key_id.contains(['/', ',', ' ']) {
                    return Err(unusable("access_key_id", "it has a character that such a key cannot have"));
                }
                if !credential.token.as_deref().is_none_or(is_header) {
                    return Err(unusable("session_token", "it has a character that such a token cannot have"));
                }
                Self::Aws {
                    credentials: Arc::new(StaticCredentialProvider::new(credential)),
                    region: address::region(source).to_owned(),
                }
            }
            BucketLogin::ServiceAccount(key) => {
                let what = "it is not the JSON of a service account's key with a private key in PEM form";
                let store = GoogleCloudStorageBuilder::new()
                    .with_bucket_name(&source.url.bucket)
                    .with_service_account_key(key.expose())
                    .with_http_connector(NoTransport)
                    .build()
                    .map_err(|_| unusable("service_account_key", what))?;
                Self::Google(Arc::clone(store.credentials()))
            }
            BucketLogin::AccountKey { account, key } => {
                let key = AzureAccessKey::try_new(key.expose().trim())
                    .map_err(|_| unusable("account_key", "it is not base64"))?;
                Self::Azure { credential: AzureCredential::AccessKey(key), account: account.clone() }
            }
            BucketLogin::Sas { account, sas } => {
                let pairs = split_sas(sas.expose().trim())
                    .map_err(|_| unusable("sas", "it is not the query of a URL, such as `sv=…&sig=…`"))?;
                Self::Azure { credential: AzureCredential::SASToken(pairs), account: account.clone() }
            }
            BucketLogin::Environment | BucketLogin::Instance => {
                return Err(StoreError::Other {
                    message: format!("{} cannot be read with the worker's own credentials", place()),
                    code: Code::SourceConfig,
                    next_step: "Write the keys of an account into the source, as `${secret:NAME}`.".into(),
                });
            }
        })
    }

    /// Signs a request. Its headers must not change afterwards.
    pub(super) async fn sign(&self, request: &mut HttpRequest, place: &str) -> Result<()> {
        // The reasons may hold addresses and parts of keys, so they are not repeated.
        let failed = |_: object_store::Error| unsignable(place);
        match self {
            Self::Anonymous => Ok(()),
            Self::Aws { credentials, region } => {
                let credential = credentials.get_credential().await.map_err(failed)?;
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

fn unsignable(place: &str) -> StoreError {
    StoreError::Other {
        message: format!("a request to {place} could not be signed"),
        code: Code::SourceConfig,
        next_step: "Check the keys of the source.".into(),
    }
}
