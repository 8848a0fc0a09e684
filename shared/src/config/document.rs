//! stub
/// stub
pub struct Document;
