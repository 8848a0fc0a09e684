//! The transport of the library that signs requests. It gets none: elt sends its requests by itself, under its own rules for
//! hosts.

use object_store::client::{HttpClient, HttpConnector};
use object_store::{ClientOptions, Error};

/// Refuses every connection.
#[derive(Debug)]
pub(super) struct NoTransport;

/// A service that refuses every request.
#[derive(Debug)]
struct Refusal;

impl HttpConnector for NoTransport {
    fn connect(&self, _: &ClientOptions) -> Result<HttpClient, Error> {
        Ok(HttpClient::new(Refusal))
    }
}

impl object_store::client::HttpService for Refusal {
    fn call<'life0, 'async_trait>(
        &'life0 self,
        _: object_store::client::HttpRequest,
    ) -> futures::future::BoxFuture<
        'async_trait,
        Result<object_store::client::HttpResponse, object_store::client::HttpError>,
    >
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        let kind = object_store::client::HttpErrorKind::Unknown;
        let refused = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        Box::pin(async move { Err(object_store::client::HttpError::new(kind, refused)) })
    }
}
