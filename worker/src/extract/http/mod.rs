//! stub
use elt_shared::config::ApiSource;

use super::{ExtractContext, Extracted};
use crate::error::Result;

/// stub
pub async fn extract(index: usize, source: &ApiSource, context: &ExtractContext) -> Result<Extracted> {
    let _ = (index, source, context);
    Ok(Extracted::default())
}
