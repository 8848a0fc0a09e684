//! Writes the bytes of the second pass to the server, through a bounded channel.

use sqlx::PgConnection;
use tokio::sync::mpsc;

use super::{SecondPass, SecondPassError, SecondPassResult};
use crate::error::PipelineError;
use crate::load::Halt;

/// Most chunks, of a megabyte each, that the encoding thread may be ahead of the server.
const CHUNKS_AHEAD: usize = 3;

/// Runs the second pass and a COPY that takes its bytes, both at the same time. Returns the number of copied rows.
///
/// # Errors
/// The reason of whichever of the two ended first.
pub async fn run(
    connection: &mut PgConnection,
    copy: &str,
    second_pass: SecondPass,
) -> Result<(u64, SecondPassResult), Halt> {
    let (send, mut receive) = mpsc::channel::<Vec<u8>>(CHUNKS_AHEAD);
    let span = tracing::Span::current();
    let passing = tokio::task::spawn_blocking(move || span.in_scope(|| second_pass.run(&send)));
    let copied = async {
        let mut copy = connection.copy_in_raw(copy).await?;
        while let Some(chunk) = receive.recv().await {
            copy.send(chunk).await?;
        }
        Ok::<_, sqlx::Error>(copy)
    }
    .await;
    // The second pass may be waiting for room in the channel; without a receiver it ends with `Closed`.
    drop(receive);
    let passed = passing.await.unwrap_or_else(|_| Err(died()));
    match (copied, passed) {
        (Ok(copy), Ok(passed)) => Ok((copy.finish().await?, passed)),
        (Ok(copy), Err(error)) => {
            copy.abort("the run ends early").await?;
            Err(error.into())
        }
        (Err(error), Ok(_) | Err(SecondPassError::Closed)) => Err(error.into()),
        (Err(_), Err(error)) => Err(error.into()),
    }
}

/// Runs the second pass over files without rows. What it would send is thrown away, and the records that it rejects are
/// kept.
pub async fn run_without_rows(second_pass: SecondPass) -> Result<SecondPassResult, Halt> {
    let (send, mut receive) = mpsc::channel::<Vec<u8>>(CHUNKS_AHEAD);
    let span = tracing::Span::current();
    let passing = tokio::task::spawn_blocking(move || span.in_scope(|| second_pass.run(&send)));
    while receive.recv().await.is_some() {}
    let passed = passing.await.unwrap_or_else(|_| Err(died()));
    Ok(passed?)
}

fn died() -> SecondPassError {
    PipelineError::Internal("the converting thread died".into()).into()
}
