//! The HTTP clients of one source: how they connect, which certificates they use, and how often they ask.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use elt_shared::config::{ApiSource, PemCertificates};
use elt_shared::network::client::builder;
pub(in crate::extract) use elt_shared::network::client::check;
use elt_shared::settings::NetworkSettings;
use reqwest::{Certificate, Client, ClientBuilder, Identity, Url};
use tokio::time::Instant;

use super::error::{HttpError, Result};
use super::fetch::{innermost, not_connected};
use super::limits::HttpLimits;
use super::url::shown;

/// The clients of one source.
pub(super) struct Clients {
    /// For the source's own host, with the certificates of the config.
    own: Client,
    /// For hosts that a redirect or a link leads to: they see no certificate of the config, and the config's authorities
    /// do not count for them.
    others: Client,
    network: Arc<NetworkSettings>,
}

impl Clients {
    pub(super) fn new(
        source: &ApiSource,
        url: &Url,
        network: &Arc<NetworkSettings>,
        limits: &HttpLimits,
        bodies: Bodies,
    ) -> Result<Self> {
        let unusable = |error: reqwest::Error| HttpError::Unreachable { url: shown(url), reason: innermost(&error) };
        let builder =
            |network: &Arc<NetworkSettings>| builder(network, limits.connect).map(|builder| packing(builder, bodies));
        let others = builder(network).map_err(unusable)?.build().map_err(unusable)?;
        let network = Arc::clone(network);
        if source.certificates == PemCertificates::default() {
            return Ok(Self { own: others.clone(), others, network });
        }
        let refuse = |error: reqwest::Error| HttpError::BadCertificates { url: shown(url), reason: innermost(&error) };
        let mut own = builder(&network).map_err(unusable)?;
        if let Some(authorities) = &source.certificates.authorities {
            let authorities = Certificate::from_pem_bundle(authorities.expose().as_bytes()).map_err(refuse)?;
            own = own.tls_certs_only(authorities);
        }
        if let Some((certificate, key)) = &source.certificates.own {
            let both = format!("{}\n{}\n", certificate.expose(), key.expose());
            own = own.identity(Identity::from_pem(both.as_bytes()).map_err(refuse)?);
        }
        Ok(Self { own: own.build().map_err(refuse)?, others, network })
    }

    /// [`check`] with the rules of the source.
    pub(super) async fn check(&self, url: &Url) -> Result<()> {
        check(&self.network, url).await.map_err(|error| not_connected(url, &error))
    }

    /// The client for the source's own host, or for any other.
    pub(super) fn of(&self, own: bool) -> &Client {
        if own { &self.own } else { &self.others }
    }
}

/// Whether the bodies of answers are unpacked as their `Content-Encoding` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::extract) enum Bodies {
    /// They are, and the server is asked to pack them.
    Unpacked,
    /// They stay as they were sent, so that a part of one can be asked for.
    AsSent,
}

fn packing(builder: ClientBuilder, bodies: Bodies) -> ClientBuilder {
    match bodies {
        Bodies::Unpacked => builder,
        Bodies::AsSent => builder.no_gzip().no_zstd(),
    }
}

/// A client for the places of files, which leaves bodies as they were sent. `authorities`: the only ones that may have signed
/// the certificate of a server, in PEM form.
pub(in crate::extract) fn of_place(
    network: &Arc<NetworkSettings>,
    connect: Duration,
    authorities: Option<&str>,
) -> reqwest::Result<Client> {
    let builder = packing(builder(network, connect)?, Bodies::AsSent);
    match authorities {
        Some(pem) => builder.tls_certs_only(Certificate::from_pem_bundle(pem.as_bytes())?).build(),
        None => builder.build(),
    }
}

/// The distance that is kept between two requests of a source.
pub(super) struct Pace {
    distance: Duration,
    /// When the next request may be sent.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// `per_second`: most requests a second. `None`: as many as there are.
    pub(super) fn new(per_second: Option<f64>) -> Self {
        let distance = per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate));
        Self { distance, next: Mutex::new(None) }
    }

    /// Waits until a request may be sent. Returns how long that took.
    pub(super) async fn wait(&self) -> Duration {
        if self.distance.is_zero() {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let turn = self.turn(now);
        tokio::time::sleep_until(turn).await;
        turn - now
    }

    /// When a request may be sent that wants to be sent now. Time without requests is not saved up.
    fn turn(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + self.distance);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_keep_their_distance_however_many_want_to_be_sent() {
        let pace = Pace::new(Some(2.0));
        let now = Instant::now();
        let turns = [0, 0, 100, 100, 9_000, 9_000].map(|at| {
            let at = now + Duration::from_millis(at);
            (pace.turn(at) - now).as_millis()
        });
        assert_eq!(turns, [0, 500, 1_000, 1_500, 9_000, 9_500]);
    }
}
