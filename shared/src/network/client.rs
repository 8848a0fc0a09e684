//! HTTP clients that call only hosts that may be called.

use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Proxy, Url};

use super::{NetworkError, check_for_proxy, check_literal, keepalive, resolve};
use crate::settings::NetworkSettings;

/// A client that follows no redirect and looks names up under the rules for hosts. Hosts that are addresses, or that a proxy
/// will connect to, must be checked with [`check`] before each request.
///
/// # Errors
/// When the address of the proxy cannot be used.
pub fn builder(network: &Arc<NetworkSettings>, connect: Duration) -> reqwest::Result<ClientBuilder> {
    let builder = Client::builder()
        .user_agent(concat!("elt/", env!("CARGO_PKG_VERSION")))
        // Proxies that the environment names for other programs are not used.
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(connect);
    let builder = keepalive::of_client(builder, keepalive::ACKNOWLEDGED_WITHIN);
    Ok(match &network.http_proxy {
        // The only name that is looked up then is the proxy's own, which the operator has chosen.
        Some(proxy) => builder.proxy(Proxy::all(proxy.expose())?),
        None => builder.dns_resolver(CheckedResolver::of(network)),
    })
}

/// Checks the host of a request by the rules for hosts, as far as the connection will not do it: an address, and whatever a
/// proxy will connect to.
///
/// # Errors
/// When the host may not be called.
pub async fn check(network: &NetworkSettings, url: &Url) -> Result<(), NetworkError> {
    let host = url.host_str().unwrap_or_default();
    match network.http_proxy {
        Some(_) => check_for_proxy(network, host).await,
        None => check_literal(network, host),
    }
}

/// Resolves names under the rules for hosts. The connection then goes to the address that was checked, so that a second answer
/// of the name server cannot lead elsewhere.
pub struct CheckedResolver(Arc<NetworkSettings>);

impl CheckedResolver {
    /// A resolver by these rules.
    pub fn of(network: &Arc<NetworkSettings>) -> Arc<Self> {
        Arc::new(Self(Arc::clone(network)))
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let settings = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses = resolve(&settings, name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
