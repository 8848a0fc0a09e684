//! The requests to one bucket: signed, sent, and their answers in words.

use elt_shared::config::{BucketService, S3Source};
use elt_shared::explained::Code;
use object_store::client::{HttpRequest, HttpRequestBody};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, Url};

use super::address;
use super::refusal::{Doing, Refusal};
use super::sign::Signer;
use crate::extract::ExtractContext;
use crate::extract::places::error::{Result, StoreError};
use crate::extract::places::limits::StoreLimits;
use crate::extract::places::web::Web;

/// Longest body of an error that is read.
const LONGEST_ERROR: usize = 64 << 10;
/// Longest page of a listing. One of 1,000 keys with the longest names has less than 4 MiB.
pub(super) const LONGEST_PAGE: usize = 32 << 20;
/// The version of the protocol of Azure that requests without a signature are made in.
const AZURE_VERSION: &str = "2023-11-03";

/// The requests to one bucket.
pub(super) struct Requests<'a> {
    pub(super) web: Web,
    source: &'a S3Source,
    signer: Signer,
    /// The address of the bucket.
    bucket: String,
    /// The bucket as people see it.
    pub(super) place: String,
}

/// A request, before it is signed.
pub(super) struct Ask<'n> {
    pub(super) doing: Doing,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    /// The object or prefix as people see it.
    pub(super) name: &'n str,
}

impl<'a> Requests<'a> {
    pub(super) fn new(source: &'a S3Source, context: &ExtractContext, limits: &StoreLimits) -> Result<Self> {
        let place = format!("{}://{}", source.url.service.scheme(), source.url.bucket);
        let web = Web::new(place.clone(), &context.network, limits, source.authorities.as_ref())?;
        let signer = Signer::of(source, &context.cloud)?;
        let bucket = address::bucket(source).ok_or_else(|| StoreError::Other {
            message: format!("the `endpoint` of {place} is not an address of a server that can have it"),
            code: Code::SourceConfig,
            next_step: "Correct `endpoint`, or write `path_style: true`.".into(),
        })?;
        Ok(Self { web, source, signer, bucket, place })
    }

    /// The address of an object.
    ///
    /// # Errors
    /// When no URL can carry its key.
    pub(super) fn object(&self, key: &str, name: &str) -> Result<Url> {
        address::object(&self.bucket, key).ok_or_else(|| StoreError::Unreadable {
            name: name.to_owned(),
            reason: "a part of its key is `.` or `..`, which no URL can carry".to_owned(),
        })
    }

    /// The address at which the service itself can read an object of the same account, with the signature that it needs.
    ///
    /// # Errors
    /// As [`object`](Self::object).
    pub(super) fn readable(&self, key: &str, name: &str) -> Result<String> {
        let mut url = self.object(key, name)?;
        if let Some(signature) = self.signer.of_addresses() {
            url.query_pairs_mut().extend_pairs(signature);
        }
        Ok(url.into())
    }

    /// The address of the bucket with a query.
    pub(super) fn bucket(&self, query: &[(&str, &str)]) -> Result<Url> {
        let refuse = |_| StoreError::Other {
            message: format!("the address of {} is not a URL", self.place),
            code: Code::SourceConfig,
            next_step: "Correct `endpoint`.".into(),
        };
        let mut url = Url::parse(&self.bucket).map_err(refuse)?;
        url.query_pairs_mut().extend_pairs(query);
        Ok(url)
    }

    /// Signs and sends a request, and returns the answer whatever its status is.
    pub(super) async fn send(&self, ask: &Ask<'_>) -> Result<Response> {
        let unsendable =
            |_| StoreError::Unreadable { name: ask.name.to_owned(), reason: "its address cannot be sent".to_owned() };
        let mut request = HttpRequest::new(HttpRequestBody::from(ask.body.clone()));
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = ask.url.as_str().parse().map_err(|_| unsendable(()))?;
        *request.headers_mut() = ask.headers.clone();
        let headers = request.headers_mut();
        match self.source.url.service {
            BucketService::S3 => {}
            BucketService::Gcs => {
                // Without it, Google unpacks objects that are stored packed, and their sizes are others.
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
            }
            BucketService::Azure => {
                headers.insert(HeaderName::from_static("x-ms-version"), HeaderValue::from_static(AZURE_VERSION));
                if !ask.body.is_empty() {
                    headers.insert(CONTENT_LENGTH, HeaderValue::from(ask.body.len()));
                }
            }
        }
        self.signer.sign(&mut request, &self.place).await?;
        let (parts, _) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string()).map_err(|_| unsendable(()))?;
        let request = self.web.client().request(parts.method, url).headers(parts.headers);
        let request = if ask.body.is_empty() && matches!(ask.method, Method::GET | Method::HEAD) {
            request
        } else {
            request.body(ask.body.clone())
        };
        self.web.send(request.build().map_err(|_| unsendable(()))?).await
    }

    /// The answer when it is a success.
    ///
    /// # Errors
    /// What the server says otherwise.
    pub(super) async fn answer(&self, ask: &Ask<'_>) -> Result<Response> {
        let response = self.send(ask).await?;
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(ask, response).await?) }
    }

    /// The body of an answer that is a success.
    pub(super) async fn text(&self, ask: &Ask<'_>, limit: usize) -> Result<String> {
        let mut response = self.answer(ask).await?;
        let body = self.web.body(&mut response, limit).await?;
        let text = String::from_utf8_lossy(&body).into_owned();
        // A copy may fail after the head of its answer was sent as a success.
        if matches!(ask.doing, Doing::Copy) && text.contains("<Error>") {
            return Err(self.explained(ask, &response, &text));
        }
        Ok(text)
    }

    /// The error that an answer is.
    pub(super) async fn refusal(&self, ask: &Ask<'_>, mut response: Response) -> Result<StoreError> {
        // The answer to HEAD has no body.
        let body = self.web.body(&mut response, LONGEST_ERROR).await.unwrap_or_default();
        Ok(self.explained(ask, &response, &String::from_utf8_lossy(&body)))
    }

    fn explained(&self, ask: &Ask<'_>, response: &Response, body: &str) -> StoreError {
        Refusal {
            service: self.source.url.service,
            place: &self.place,
            name: ask.name,
            doing: ask.doing,
            region: address::region(self.source),
            status: response.status(),
            headers: response.headers(),
            body,
        }
        .into_error()
    }
}
