//! The requests of an upload, and what their answers mean.

use std::time::Duration;

use elt_shared::explained::sentence;
use elt_shared::network::keepalive;
use elt_shared::secret::Secret;
use futures::TryStreamExt;
use indicatif::ProgressBar;
use reqwest::redirect::Policy;
use reqwest::{Body, Client, RequestBuilder, Response, StatusCode, Url, header};
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::file::LocalFile;
use crate::exit::{Exit, refuse};

/// Longest time for a connection, and for an answer that needs no file.
const CONNECT: Duration = Duration::from_secs(20);
const ANSWER: Duration = Duration::from_secs(60);
/// Longest time until the server acknowledges bytes that were sent. Without a limit the system would wait for a quarter of an
/// hour for a server that is gone.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_mins(2);
/// Longest pause that a server may ask for.
const LONGEST_PAUSE: u64 = 60;

/// The API, for one pipeline.
#[derive(Debug)]
pub struct Server {
    client: Client,
    /// Address of the pipeline's files.
    files: Url,
    token: Secret,
}

/// What the server says of a file.
#[derive(Debug, Deserialize)]
pub struct Answer {
    /// `partial`, `landed`, `replaced` or `unchanged`.
    pub outcome: String,
    /// Bytes that have arrived.
    pub received: u64,
    /// Size of the whole file in bytes.
    pub bytes: u64,
    /// xxh3-128 of a complete file, as the receipt shows it.
    pub hash: Option<String>,
    /// The run that was started.
    pub run_id: Option<String>,
}

/// How files are uploaded.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether to replace a file of the same name.
    pub replace: bool,
    /// Whether to start a run.
    pub run: bool,
}

/// Why an attempt failed.
#[derive(Debug)]
pub struct Problem {
    pub message: String,
    pub next_step: String,
    /// How the command ends with it.
    pub exit: Exit,
    /// Whether another attempt may help.
    pub passes: bool,
    /// The pause that the server asks for.
    pub pause: Option<Duration>,
}

/// A problem document.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    code: String,
    detail: String,
    next_step: Option<String>,
}

impl Server {
    /// # Errors
    /// When the address is not the address of an API.
    pub fn new(server: &Url, token: &Secret, pipeline: &str) -> anyhow::Result<Self> {
        let mut files = server.clone();
        let is_web = matches!(files.scheme(), "http" | "https");
        let Some(mut parts) = files.path_segments_mut().ok().filter(|_| is_web) else {
            let message = format!("{server} is not the address of a server");
            return Err(refuse(Exit::Usage, message, "Write --server https://HOST or http://HOST:PORT."));
        };
        parts.pop_if_empty().extend(["pipelines", pipeline, "files"]);
        drop(parts);
        // A redirect could lead the token and the file to another server.
        let builder = Client::builder().redirect(Policy::none()).connect_timeout(CONNECT);
        let client = keepalive::of_client(builder, ACKNOWLEDGED_WITHIN).build()?;
        Ok(Self { client, files, token: token.clone() })
    }

    /// Announces a file. The server answers how much of it has arrived by an earlier attempt, or that it is complete, or why
    /// it may not be uploaded, before any byte is sent.
    pub async fn announce(&self, file: &LocalFile, options: Options) -> Result<Answer, Problem> {
        let request = self.request(file, options).header(header::CONTENT_RANGE, format!("bytes */{}", file.bytes));
        read(request.body("").timeout(ANSWER).send().await.map_err(unreachable)?).await
    }

    /// Sends the bytes of the file from `first` on.
    pub async fn send(
        &self,
        file: &LocalFile,
        first: u64,
        options: Options,
        bar: &ProgressBar,
    ) -> Result<Answer, Problem> {
        let opened = file.open_at(first).await.map_err(|error| unreadable(&error))?;
        let left = file.bytes.saturating_sub(first);
        bar.set_position(first);
        let moving = bar.clone();
        // A file that grows meanwhile sends no more than was announced; its hash then differs.
        let bytes = ReaderStream::new(opened.take(left)).inspect_ok(move |bytes| moving.inc(bytes.len() as u64));
        let request = self
            .request(file, options)
            .header(header::CONTENT_RANGE, format!("bytes {first}-{}/{}", file.bytes - 1, file.bytes))
            .header(header::CONTENT_LENGTH, left)
            .body(Body::wrap_stream(bytes));
        read(request.send().await.map_err(unreachable)?).await
    }

    fn request(&self, file: &LocalFile, Options { replace, run }: Options) -> RequestBuilder {
        let (replace, run) = (replace.to_string(), run.to_string());
        let query = [("upload", file.hash.as_str()), ("hash", &*file.hash), ("replace", &*replace), ("run", &*run)];
        let request = self.client.put(self.url(file, &query)).bearer_auth(self.token.expose());
        request.header(header::CONTENT_TYPE, "application/octet-stream")
    }

    fn url(&self, file: &LocalFile, query: &[(&str, &str)]) -> Url {
        let mut url = self.files.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.push(&file.name);
        }
        url.query_pairs_mut().extend_pairs(query);
        url
    }
}

/// Reads an answer, or the problem in it.
async fn read<T: serde::de::DeserializeOwned>(answer: Response) -> Result<T, Problem> {
    let status = answer.status();
    if status.is_success() {
        return answer.json().await.map_err(unreachable);
    }
    let pause = answer.headers().get(header::RETRY_AFTER).and_then(|pause| pause.to_str().ok()?.parse().ok());
    let pause = pause.map(|seconds: u64| Duration::from_secs(seconds.min(LONGEST_PAUSE)));
    let document: Document = answer.json().await.unwrap_or_default();
    Err(document.into_problem(status, pause))
}

impl Document {
    fn into_problem(self, status: StatusCode, pause: Option<Duration>) -> Problem {
        let passes = matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504)
            || matches!(self.code.as_str(), "upload_busy" | "upload_offset" | "upload_cut");
        let message = match self.detail.is_empty() {
            true => format!("the server answered {status}"),
            false => self.detail,
        };
        let next_step = self.next_step.unwrap_or_else(|| "Look whether --server is the address of elt.".into());
        Problem { message, next_step, exit: Exit::Failed, passes, pause }
    }
}

fn unreadable(error: &std::io::Error) -> Problem {
    Problem {
        message: format!("it cannot be read: {error}"),
        next_step: "Look at the file.".into(),
        exit: Exit::Failed,
        passes: false,
        pause: None,
    }
}

fn unreachable(error: reqwest::Error) -> Problem {
    Problem {
        message: sentence(&error.without_url()),
        next_step:
            "Look whether the server runs, and whether --server is its address. The same command goes on with what \
                    has arrived."
                .into(),
        exit: Exit::Unavailable,
        passes: true,
        pause: None,
    }
}
