//! stub
use elt_shared::config::SftpSource;

use super::{ExtractContext, Extracted};
use crate::error::Result;

/// stub
pub async fn extract(index: usize, source: &SftpSource, context: &ExtractContext) -> Result<Extracted> {
    let _ = (index, source, context);
    Ok(Extracted::default())
}
