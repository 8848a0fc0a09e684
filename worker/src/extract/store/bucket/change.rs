//! What is done with an object after its rows are loaded: it is deleted, moved or tagged.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use elt_shared::config::BucketService;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use super::refusal::Doing;
use super::xml::{escaped, texts};
use super::{Bucket, address, ask, header};
use crate::extract::store::FileStore;
use crate::extract::store::error::{Result, StoreError};
use crate::input::Version;

/// Longest answer about tags or a copy.
const LONGEST_ANSWER: usize = 1 << 20;

impl Bucket<'_> {
    pub(super) async fn remove(&self, key: &str) -> Result<()> {
        let name = self.shown(key);
        let ask = ask(Doing::Delete, Method::DELETE, self.requests.object(key, &name)?, &name);
        self.requests.text(&ask, LONGEST_ANSWER).await.map(drop)
    }

    /// Copies an object within its bucket, checks the copy, and deletes the object.
    pub(super) async fn move_object(&self, key: &str, to: &str, version: &Version) -> Result<()> {
        let name = self.shown(key);
        let names = match self.source.url.service {
            BucketService::S3 => ("x-amz-copy-source", "x-amz-copy-source-if-match"),
            BucketService::Gcs => ("x-goog-copy-source", "x-goog-copy-source-if-match"),
            BucketService::Azure => return Err(StoreError::unsupported(name, "moved")),
        };
        let mut ask = ask(Doing::Copy, Method::PUT, self.requests.object(to, &self.shown(to))?, &name);
        let from = format!("/{}/{}", self.source.url.bucket, address::encoded(key));
        ask.headers.insert(HeaderName::from_static(names.0), header(&from, &name)?);
        if let Some(tag) = &version.tag {
            ask.headers.insert(HeaderName::from_static(names.1), header(&format!("\"{tag}\""), &name)?);
        }
        self.requests.text(&ask, LONGEST_ANSWER).await?;
        // The object is deleted only when its copy is seen to be complete.
        if self.look_at(to).await?.size != version.size {
            return Err(StoreError::Changed { name });
        }
        self.remove(key).await
    }

    /// Adds a tag to those that an object has.
    pub(super) async fn add_tag(&self, key: &str, tag: &str, value: &str) -> Result<()> {
        let name = self.shown(key);
        let (query, root) = match self.source.url.service {
            BucketService::S3 => ("tagging", "Tagging"),
            BucketService::Azure => ("comp=tags", "Tags"),
            BucketService::Gcs => return Err(StoreError::unsupported(name, "tagged")),
        };
        let mut url = self.requests.object(key, &name)?;
        url.set_query(Some(query));
        let now = self.requests.text(&ask(Doing::Tag, Method::GET, url.clone(), &name), LONGEST_ANSWER).await?;
        let found = texts(&now, &["Key", "Value"]);
        let pairs = found.chunks_exact(2).map(|pair| (pair[0].1.as_str(), pair[1].1.as_str()));
        let pairs = pairs.filter(|(known, _)| *known != tag).chain([(tag, value)]);
        let tags: String = pairs
            .map(|(key, value)| format!("<Tag><Key>{}</Key><Value>{}</Value></Tag>", escaped(key), escaped(value)))
            .collect();
        let mut ask = ask(Doing::Tag, Method::PUT, url, &name);
        ask.body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><{root}><TagSet>{tags}</TagSet></{root}>");
        ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        if self.source.url.service == BucketService::S3 {
            let checksum = BASE64.encode(Sha256::digest(ask.body.as_bytes()));
            ask.headers.insert(HeaderName::from_static("x-amz-checksum-sha256"), header(&checksum, &name)?);
        }
        self.requests.text(&ask, LONGEST_ANSWER).await.map(drop)
    }
}
