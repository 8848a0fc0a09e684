//! `elt healthcheck`: whether a process of this machine is well, for Docker, systemd and scripts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};

use crate::exit::{Exit, refuse};
use crate::{out, probes};

/// Asks a running `elt serve`, `elt worker` or `elt up` whether it is ready
///
/// Ends with 0 when it is, and with 1 otherwise. Without --url it asks the process on this machine that has the same
/// settings: at --metrics-listen when that is set, else at --listen. A worker answers only when ELT_METRICS_LISTEN is set.
#[derive(Debug, Args)]
pub struct Healthcheck {
    /// Where to ask, for example http://10.0.0.7:9464; a path is kept, else /readyz is asked for
    #[arg(long)]
    url: Option<String>,
    /// Ask whether the process lives (/livez), which does not depend on the database
    #[arg(long, conflicts_with = "url")]
    live: bool,
    /// Seconds to wait for the answer
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    timeout: u16,
    /// Where the process answers probes
    #[arg(long, env = "ELT_METRICS_LISTEN")]
    metrics_listen: Option<SocketAddr>,
    /// Where the API answers
    #[arg(long, env = "ELT_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The certificate of the API: when it is set, the API is asked by HTTPS
    #[arg(long, env = "ELT_TLS_CERT")]
    tls_cert: Option<PathBuf>,
}

impl Healthcheck {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let question = Question { url: self.url(), is_own: self.url.is_none(), seconds: self.timeout };
        let url = &question.url;
        match question.ask().await {
            Ok(Ok(())) => {
                out::print("ok");
                Ok(Exit::Done)
            }
            Ok(Err(reason)) => {
                Err(refuse(Exit::Failed, format!("{url} answers: {reason}"), "Look at the log of the process."))
            }
            Err(reason) => Err(refuse(
                Exit::Failed,
                format!("{url} does not answer: {reason}"),
                "Look whether the process runs, and at its log. --url names another address.",
            )),
        }
    }

    fn url(&self) -> String {
        let path = if self.live { "/livez" } else { "/readyz" };
        let Some(url) = &self.url else {
            return probes::own_url(self.metrics_listen, self.listen, self.tls_cert.is_some()) + path;
        };
        let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let has_path = rest.split_once('/').is_some_and(|(_, path)| !path.is_empty());
        if has_path { url.clone() } else { format!("{}{path}", url.trim_end_matches('/')) }
    }
}

/// A question to a probe.
#[derive(Debug)]
pub struct Question {
    /// The address with its path.
    pub url: String,
    /// Whether it is a process of this machine, asked by the address it listens at.
    pub is_own: bool,
    /// Longest time to wait for the answer.
    pub seconds: u16,
}

impl Question {
    /// Asks. The inner result is the answer: well, or the reason why not.
    ///
    /// # Errors
    /// The reason why nothing answered.
    pub async fn ask(&self) -> Result<Result<(), String>, String> {
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(Duration::from_secs(self.seconds.into()))
            // The certificate names the API as clients reach it, and not the address that it listens at. Nothing secret
            // is sent or received.
            .tls_danger_accept_invalid_certs(self.is_own)
            .build()
            .map_err(|error| innermost(&error))?;
        let answer = client.get(&self.url).send().await.map_err(|error| innermost(&error))?;
        let code = answer.status();
        if code == StatusCode::OK {
            return Ok(Ok(()));
        }
        let said = reason(&answer.text().await.unwrap_or_default());
        Ok(Err(format!("{} {said}", code.as_u16())))
    }
}

/// The innermost cause of an error, such as `Connection refused (os error 111)`.
fn innermost(error: &dyn std::error::Error) -> String {
    let innermost = std::iter::successors(Some(error), |error| error.source()).last();
    innermost.map(ToString::to_string).unwrap_or_default()
}

/// The sentence of an answer: `status` of a probe, or `detail` of a problem document.
fn reason(body: &str) -> String {
    let answer: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let sentence = ["detail", "status"].iter().find_map(|name| answer[name].as_str());
    sentence.unwrap_or("it is not ready").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_probe_may_be_given_short() {
        let url = |given: &str| {
            Healthcheck {
                url: Some(given.into()),
                live: false,
                timeout: 5,
                metrics_listen: None,
                listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
                tls_cert: None,
            }
            .url()
        };
        assert_eq!(url("http://10.0.0.7:9464"), "http://10.0.0.7:9464/readyz");
        assert_eq!(url("http://10.0.0.7:9464/"), "http://10.0.0.7:9464/readyz");
        assert_eq!(url("https://elt.example.com/livez"), "https://elt.example.com/livez");
    }

    #[test]
    fn the_reason_is_a_sentence() {
        assert_eq!(reason(r#"{"status":"the worker stops"}"#), "the worker stops");
        assert_eq!(reason(r#"{"status":503,"detail":"the database is away"}"#), "the database is away");
        assert_eq!(reason("<html>"), "it is not ready");
    }
}
