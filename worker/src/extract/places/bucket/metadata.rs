//! The way to the metadata service of the machine, which has credentials for its role. Nothing else goes this way, and sources
//! cannot take it: the rules for hosts refuse the address in a config.

use std::io;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};

/// Longest time for an answer. The service is on the machine itself, or next to it.
const ANSWER: Duration = Duration::from_secs(5);
/// Most bytes of an answer.
const LONGEST_ANSWER: usize = 64 << 10;

/// Sends the requests of the library for credentials to one address, whatever address they have.
#[derive(Debug, Clone)]
pub(super) struct MetadataTransport {
    client: Client,
    address: Url,
}

impl MetadataTransport {
    pub(super) fn new(address: &Url) -> reqwest::Result<Self> {
        // A proxy or a redirect would get the credentials to see.
        let client = Client::builder().no_proxy().redirect(Policy::none()).connect_timeout(ANSWER).timeout(ANSWER);
        Ok(Self { client: client.build()?, address: address.clone() })
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, _) = request.into_parts();
        let mut url = self.address.clone();
        url.set_path(parts.uri.path());
        let sent = self.client.request(parts.method, url).headers(parts.headers).body("").send().await;
        let mut response = sent.map_err(|error| failed(&error))?;
        let body = body(&mut response).await?;
        let mut answer = HttpResponse::new(HttpResponseBody::from(body));
        *answer.status_mut() = response.status();
        *answer.headers_mut() = response.headers().clone();
        Ok(answer)
    }
}

async fn body(response: &mut Response) -> Result<Vec<u8>, HttpError> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| failed(&error))? {
        if body.len() + piece.len() > LONGEST_ANSWER {
            return Err(HttpError::new(HttpErrorKind::Decode, io::Error::from(io::ErrorKind::FileTooLarge)));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// A request without an answer. What the library says about it is not shown, because it may repeat an address.
fn failed(error: &reqwest::Error) -> HttpError {
    let kind = if error.is_timeout() { HttpErrorKind::Timeout } else { HttpErrorKind::Connect };
    HttpError::new(kind, io::Error::from(io::ErrorKind::ConnectionRefused))
}

impl HttpConnector for MetadataTransport {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl HttpService for MetadataTransport {
    fn call<'life0, 'async_trait>(
        &'life0 self,
        request: HttpRequest,
    ) -> futures::future::BoxFuture<'async_trait, Result<HttpResponse, HttpError>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.send(request))
    }
}
