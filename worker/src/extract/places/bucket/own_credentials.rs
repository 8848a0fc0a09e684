//! The credentials of the worker itself: those in its environment, and those of the role of its machine. They are used only
//! where the operator lends them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use elt_shared::config::{BucketLogin, BucketService, S3Source};
use elt_shared::explained::Code;
use elt_shared::secret::Secret;
use object_store::aws::AmazonS3Builder;
use object_store::{BackoffConfig, RetryConfig};

use super::address;
use super::metadata::MetadataTransport;
use super::sign::{AwsKeys, Signer};
use crate::extract::cloud::{CloudCredentials, LentCredentials};
use crate::extract::places::error::{Result, StoreError};
use crate::humanize::unreadable;
use crate::settings::CloudVariables;

/// Most bytes of the file with the key of a service account.
const KEY_BYTES: u64 = 64 << 10;

/// A signer with the worker's own credentials, for a source that asks for them.
///
/// # Errors
/// When they are not lent to the config, when there are none, or when the service has no such credentials.
pub(super) fn signer(source: &S3Source, cloud: &CloudCredentials) -> Result<Signer> {
    let word = if source.login == BucketLogin::Instance { "instance" } else { "environment" };
    let lent = match cloud {
        CloudCredentials::Lent(lent) => lent,
        CloudCredentials::Kept => return Err(not_lent(source, word)),
        CloudCredentials::KeptFromUsers => {
            return Err(refused(
                source,
                "a user uploaded the config, and only configs by admins may use them",
                "Let an admin read and upload the config, or write the keys of an account into the source, as \
                 `${secret:NAME}`.",
            ));
        }
    };
    match (source.url.service, &source.login, &**lent) {
        (BucketService::S3, BucketLogin::Instance, LentCredentials { metadata: Some(address), .. }) => {
            of_the_machine(source, address)
        }
        (BucketService::S3, _, LentCredentials { environment: Some(variables), .. }) if word == "environment" => {
            of_aws(source, variables)
        }
        (BucketService::Gcs, _, LentCredentials { environment: Some(variables), .. }) if word == "environment" => {
            of_google(source, variables)
        }
        (BucketService::S3, ..) => Err(not_lent(source, word)),
        (BucketService::Gcs, ..) if word == "environment" => Err(not_lent(source, word)),
        (BucketService::Gcs | BucketService::Azure, ..) => Err(refused(
            source,
            "elt knows them for s3://, and those of the environment for gs://",
            "Write the keys of an account into the source, as `${secret:NAME}`.",
        )),
    }
}

fn of_aws(source: &S3Source, variables: &CloudVariables) -> Result<Signer> {
    let CloudVariables { access_key_id, secret_access_key, session_token, .. } = variables;
    let (Some(id), Some(key)) = (access_key_id, secret_access_key) else {
        return Err(refused(
            source,
            "the worker's environment has no AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            "Start the workers with both variables, and with AWS_SESSION_TOKEN for temporary keys.",
        ));
    };
    Signer::aws(source, &AwsKeys { id, key, token: session_token.as_ref(), are_in: "the worker's environment" })
}

fn of_google(source: &S3Source, variables: &CloudVariables) -> Result<Signer> {
    // A token of Google opens everything that the account may read, wherever it was sent to.
    if source.endpoint.is_some() {
        return Err(refused(
            source,
            "a token of Google is sent to Google only, and the source has an `endpoint`",
            "Remove `endpoint`, or write `service_account_key`.",
        ));
    }
    let Some(path) = &variables.google_key_file else {
        return Err(refused(
            source,
            "the worker's environment has no GOOGLE_APPLICATION_CREDENTIALS",
            "Start the workers with the path of a service account's key in that variable.",
        ));
    };
    let place = "the file that GOOGLE_APPLICATION_CREDENTIALS of the workers names";
    Signer::google(source, &key_file(source, path)?, place)
}

fn key_file(source: &S3Source, path: &Path) -> Result<Secret> {
    let unusable = |why: &str| {
        let why = format!("the file in GOOGLE_APPLICATION_CREDENTIALS cannot be used: {why}");
        refused(source, &why, "Correct the path in the workers' environment, and the permissions of the file.")
    };
    let meta = std::fs::metadata(path).map_err(|error| unusable(&unreadable(&error)))?;
    if !meta.is_file() || meta.len() > KEY_BYTES {
        return Err(unusable("it is not the key of a service account"));
    }
    std::fs::read_to_string(path).map(Secret::new).map_err(|error| unusable(&unreadable(&error)))
}

/// The role of the machine, by version 2 of the metadata service of AWS.
fn of_the_machine(source: &S3Source, address: &reqwest::Url) -> Result<Signer> {
    let unusable = || {
        refused(
            source,
            "the address of the metadata service cannot be used",
            "Correct ELT_CLOUD_METADATA of the workers.",
        )
    };
    let transport = MetadataTransport::new(address).map_err(|_| unusable())?;
    let pauses = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(1),
        ..BackoffConfig::default()
    };
    let retry = RetryConfig { backoff: pauses, max_retries: 2, retry_timeout: Duration::from_secs(10) };
    let store = AmazonS3Builder::new()
        .with_bucket_name(&source.url.bucket)
        .with_http_connector(transport)
        .with_retry(retry)
        .build()
        .map_err(|_| unusable())?;
    Ok(Signer::Aws {
        credentials: Arc::clone(store.credentials()),
        region: address::region(source).to_owned(),
        are_of_the_machine: true,
    })
}

fn not_lent(source: &S3Source, word: &str) -> StoreError {
    let next_step = format!(
        "Write the keys of an account into the source, as `${{secret:NAME}}`; or the operator starts the workers with \
         ELT_CLOUD_CREDENTIALS={word}, which lets every config by an admin use them."
    );
    refused(source, "the operator of the workers does not lend them", next_step)
}

fn refused(source: &S3Source, why: &str, next_step: impl Into<std::borrow::Cow<'static, str>>) -> StoreError {
    let place = format!("{}://{}", source.url.service.scheme(), source.url.bucket);
    StoreError::Other {
        message: format!("{place} cannot be read with the worker's own credentials: {why}"),
        code: Code::SourceConfig,
        next_step: next_step.into(),
    }
}
