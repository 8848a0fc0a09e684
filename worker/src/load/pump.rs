//! The bounded channel between the converting threads and the server.

use sqlx::PgConnection;
use tokio::sync::mpsc;

use super::Halt;
use super::feed::{Fed, Feed, FeedError};
use crate::error::PipelineError;

/// Megabytes the converting side may be ahead of the server.
const CHUNKS_AHEAD: usize = 3;

/// Runs a COPY with what the second pass over the files makes, both at the same time. Answers the rows copied.
pub async fn run(connection: &mut PgConnection, copy: &str, feed: Feed) -> Result<(u64, Fed), Halt> {
    let (send, mut receive) = mpsc::channel::<Vec<u8>>(CHUNKS_AHEAD);
    let span = tracing::Span::current();
    let feeding = tokio::task::spawn_blocking(move || span.in_scope(|| feed.run(&send)));
    let copied = async {
        let mut copy = connection.copy_in_raw(copy).await?;
        while let Some(chunk) = receive.recv().await {
            copy.send(chunk).await?;
        }
        Ok::<_, sqlx::Error>(copy)
    }
    .await;
    drop(receive);
    let fed = feeding.await.unwrap_or_else(|_| Err(died()));
    match (copied, fed) {
        (Ok(copy), Ok(fed)) => Ok((copy.finish().await?, fed)),
        (Ok(copy), Err(error)) => {
            copy.abort("the run ends early").await?;
            Err(error.into())
        }
        (Err(error), Ok(_) | Err(FeedError::Closed)) => Err(error.into()),
        (Err(_), Err(error)) => Err(error.into()),
    }
}

/// The second pass over files without rows: what it would send is thrown away, the records it rejects are kept.
pub async fn without_rows(feed: Feed) -> Result<Fed, Halt> {
    let (send, mut receive) = mpsc::channel::<Vec<u8>>(CHUNKS_AHEAD);
    let span = tracing::Span::current();
    let feeding = tokio::task::spawn_blocking(move || span.in_scope(|| feed.run(&send)));
    while receive.recv().await.is_some() {}
    let fed = feeding.await.unwrap_or_else(|_| Err(died()));
    Ok(fed?)
}

fn died() -> FeedError {
    PipelineError::Internal("the converting thread died".into()).into()
}
