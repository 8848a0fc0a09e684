//! What is done with an object after its rows are loaded: it is deleted, moved or tagged.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use elt_shared::backoff::doubled;
use elt_shared::config::BucketService;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH};
use sha2::{Digest, Sha256};

use super::refusal::Doing;
use super::xml::{escaped, tags};
use super::{Bucket, address, ask, header};
use crate::extract::places::FileStore;
use crate::extract::places::error::{Result, StoreError};
use crate::input::Version;

/// Longest answer about tags or a copy.
const LONGEST_ANSWER: usize = 1 << 20;
/// First pause before a copy is looked at again. Each further one is twice as long.
const FIRST_LOOK: Duration = Duration::from_millis(200);
/// Longest pause between two looks at a copy.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Bucket<'_> {
    pub(super) async fn remove(&self, key: &str, version: &Version) -> Result<()> {
        let name = self.shown(key);
        let mut ask = ask(Doing::Delete, Method::DELETE, self.requests.object(key, &name)?, &name);
        // Of the other services not all know the condition, and refuse a request with it.
        if let (BucketService::Azure, Some(tag)) = (self.source.url.service, &version.tag) {
            ask.headers.insert(IF_MATCH, header(&format!("\"{tag}\""), &name)?);
        }
        self.requests.text(&ask, LONGEST_ANSWER).await.map(drop)
    }

    /// Copies an object within its bucket, checks the copy, and deletes the object.
    pub(super) async fn move_object(&self, key: &str, to: &str, version: &Version) -> Result<()> {
        let name = self.shown(key);
        let service = self.source.url.service;
        let [from_header, condition] = match service {
            BucketService::S3 => ["x-amz-copy-source", "x-amz-copy-source-if-match"],
            BucketService::Gcs => ["x-goog-copy-source", "x-goog-copy-source-if-match"],
            BucketService::Azure => ["x-ms-copy-source", "x-ms-source-if-match"],
        };
        let from = match service {
            BucketService::Azure => self.requests.readable(key, &name)?,
            _ => format!("/{}/{}", self.source.url.bucket, address::encoded(key)),
        };
        let mut ask = ask(Doing::Copy, Method::PUT, self.requests.object(to, &self.shown(to))?, &name);
        let mut from = header(&from, &name)?;
        // It may have a signature in it.
        from.set_sensitive(true);
        ask.headers.insert(HeaderName::from_static(from_header), from);
        if let Some(tag) = &version.tag {
            ask.headers.insert(HeaderName::from_static(condition), header(&format!("\"{tag}\""), &name)?);
        }
        self.requests.text(&ask, LONGEST_ANSWER).await?;
        if service == BucketService::Azure {
            self.copied(to).await?;
        }
        // The object is deleted only when its copy is seen to be complete.
        if self.look_at(to).await?.size != version.size {
            return Err(StoreError::Changed { name });
        }
        self.remove(key, version).await
    }

    /// Waits until Azure has made a copy, which it may do after its answer. The time for all actions ends the wait.
    async fn copied(&self, to: &str) -> Result<()> {
        let name = self.shown(to);
        for look in 0_u32.. {
            let ask = ask(Doing::Read, Method::HEAD, self.requests.object(to, &name)?, &name);
            let answer = self.requests.answer(&ask).await?;
            match answer.headers().get("x-ms-copy-status").map(HeaderValue::as_bytes) {
                Some(b"pending") => tokio::time::sleep(doubled(FIRST_LOOK, LONGEST_PAUSE, look + 1)).await,
                None | Some(b"success") => break,
                Some(_) => {
                    let reason = "it did not finish the copy of a blob".to_owned();
                    return Err(StoreError::Failing { place: self.requests.place.clone(), reason });
                }
            }
        }
        Ok(())
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
        // The tags are written anew altogether, so that one that is not known would be lost.
        let found = tags(&now).ok_or_else(|| StoreError::Unreadable {
            name: name.clone(),
            reason: "the server does not say which tags it has".to_owned(),
        })?;
        let pairs = found.iter().map(|(key, value)| (key.as_str(), value.as_str()));
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
