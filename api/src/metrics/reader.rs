//! Who may read which metrics at the API's own address.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use elt_shared::metrics::Audience;
use elt_shared::settings::ProbeSettings;

use crate::error::{Error, Result};

/// What the sender of a request may read.
///
/// Without a setting everyone may read what names no pipeline. With `ELT_METRICS_TOKEN` only those who send it read
/// anything. With `ELT_METRICS_LISTEN` and no token, metrics are read at that listener only.
///
/// # Errors
/// The token is missing or wrong, or the metrics are elsewhere.
pub fn reader(settings: &ProbeSettings, headers: &HeaderMap) -> Result<Audience> {
    let sent = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    match (&settings.metrics_token, settings.metrics_listen) {
        (None, None) => Ok(Audience::Anyone),
        (None, Some(_)) => {
            Err(Error::NotFound("page of metrics here: it is at the address of ELT_METRICS_LISTEN".into()))
        }
        (Some(_), _) if settings.admits(sent) => Ok(Audience::Operators),
        (Some(_), _) => Err(Error::Unauthorized("send the token of ELT_METRICS_TOKEN as `Authorization: Bearer …`")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use elt_shared::secret::Secret;

    use super::*;

    fn read(listen: bool, token: Option<&str>, sent: Option<&str>) -> std::result::Result<Audience, u16> {
        let settings = ProbeSettings {
            metrics_listen: listen.then(|| SocketAddr::from(([127, 0, 0, 1], 9464))),
            metrics_token: token.map(Secret::new),
            ..ProbeSettings::default()
        };
        let mut headers = HeaderMap::new();
        if let Some(sent) = sent {
            headers.insert(AUTHORIZATION, sent.parse().expect("a header"));
        }
        reader(&settings, &headers).map_err(|error| error.status().as_u16())
    }

    #[test]
    fn who_reads_what_depends_on_the_settings() {
        assert_eq!(read(false, None, None), Ok(Audience::Anyone));
        assert_eq!(read(false, None, Some("Bearer guessed")), Ok(Audience::Anyone));
        assert_eq!(read(true, None, None), Err(404));
        for listen in [false, true] {
            assert_eq!(read(listen, Some("t0ken"), Some("Bearer t0ken")), Ok(Audience::Operators));
            assert_eq!(read(listen, Some("t0ken"), Some("bearer t0ken")), Ok(Audience::Operators));
            for wrong in
                [None, Some("Bearer t0ke"), Some("Bearer t0kenn"), Some("t0ken"), Some("Basic t0ken"), Some("")]
            {
                assert_eq!(read(listen, Some("t0ken"), wrong), Err(401), "{wrong:?}");
            }
        }
    }
}
