//! The answers of a bucket whose status is not a success, in words. Keys and signatures, which such answers repeat, are not.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use elt_shared::config::BucketService;
use elt_shared::explained::Code;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::xml::texts;
use crate::extract::http::{http_date, retry_after};
use crate::extract::places::error::StoreError;

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    List,
    Read,
    Delete,
    Copy,
    Tag,
}

/// An answer whose status is not a success.
pub(super) struct Refusal<'a> {
    pub(super) service: BucketService,
    /// The bucket as people see it.
    pub(super) place: &'a str,
    /// The object, or the prefix that is listed, as people see it.
    pub(super) name: &'a str,
    pub(super) doing: Doing,
    pub(super) region: &'a str,
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a str,
}

impl Refusal<'_> {
    pub(super) fn into_error(self) -> StoreError {
        let found = texts(self.body, &["Code", "Region"]);
        let text =
            |wanted: &str| found.iter().find(|(name, _)| *name == wanted).map(|(_, text)| text.trim().to_owned());
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let code = text("Code").or_else(|| header("x-ms-error-code")).filter(|code| is_word(code));
        let other_region = text("Region").or_else(|| header("x-amz-bucket-region")).filter(|region| is_word(region));
        let other_region = other_region.filter(|region| region != self.region);
        match (code.as_deref(), self.status.as_u16()) {
            (Some("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException"), _)
            | (_, 301 | 302 | 307 | 308) => self.elsewhere(other_region),
            (Some("NoSuchBucket" | "ContainerNotFound"), _) => self.other(
                Code::SourceMissing,
                format!("there is no bucket {}", self.place),
                "Check the name of the bucket in `url`, and `endpoint` or `account`.",
            ),
            (Some("NoSuchKey" | "BlobNotFound"), _) => StoreError::Missing { name: self.name.to_owned() },
            (Some("RequestTimeTooSkewed"), _) => self.login(
                self.skew(),
                "Set the clock of the worker, for example by NTP; signatures hold for some minutes only.",
            ),
            (Some("SignatureDoesNotMatch"), _) => self.login(
                "it does not accept the signature, so the secret key is not the one of this access key".to_owned(),
                "Check `secret_access_key`: it must be complete, and belong to `access_key_id`.",
            ),
            (Some("InvalidAccessKeyId"), _) => self.login(
                "it does not know the access key".to_owned(),
                "Check `access_key_id`, and that the key was not deleted; temporary keys need their `session_token`.",
            ),
            (Some("ExpiredToken" | "TokenRefreshRequired"), _) => self.login(
                "the session of the temporary keys has ended".to_owned(),
                "Write keys that do not end, or renew the secrets of the keys and `session_token` together.",
            ),
            (Some("InvalidToken"), _) => self.login(
                "it does not accept the session token".to_owned(),
                "Check `session_token`: it belongs to exactly one pair of keys.",
            ),
            (Some("AuthenticationFailed" | "AuthorizationFailure" | "NoAuthenticationInformation"), _) => self.login(
                "it does not accept the account's key or signature".to_owned(),
                "Check `account`, and `account_key` or `sas`: it must be complete and not have ended.",
            ),
            (_, 401) => self.login(
                "it wants a login, or does not accept this one".to_owned(),
                "Check the keys of the source, and that the account exists.",
            ),
            (Some("InvalidObjectState" | "BlobArchived"), _) => StoreError::Unreadable {
                name: self.name.to_owned(),
                reason: "it is archived, and must be restored before it can be read".to_owned(),
            },
            (Some("InvalidRange" | "PreconditionFailed" | "ConditionNotMet"), _) | (_, 412 | 416) => {
                StoreError::Changed { name: self.name.to_owned() }
            }
            (_, 403) => self.forbidden(),
            (_, 404) => StoreError::Missing { name: self.name.to_owned() },
            (Some("SlowDown" | "ServerBusy" | "InternalError" | "OperationTimedOut" | "RequestTimeout"), _)
            | (_, 408 | 429 | 500 | 502..=504) => StoreError::Busy {
                place: self.place.to_owned(),
                reason: format!("it answered {}", self.said(code.as_deref())),
                retry_after: retry_after(self.headers, Utc::now()),
            },
            (code, _) => self.other(
                Code::HttpStatus,
                format!("{} answered {}", self.place, self.said(code)),
                "Look up what the server means by it; check `url`, `endpoint`, `region` and `path_style`.",
            ),
        }
    }

    fn said(&self, code: Option<&str>) -> String {
        match code {
            Some(code) => format!("{} ({code})", self.status),
            None => self.status.to_string(),
        }
    }

    fn other(&self, code: Code, message: String, next_step: impl Into<Cow<'static, str>>) -> StoreError {
        StoreError::Other { message, code, next_step: next_step.into() }
    }

    fn login(&self, reason: String, next_step: &'static str) -> StoreError {
        StoreError::Login { place: self.place.to_owned(), reason, next_step: next_step.into() }
    }

    fn elsewhere(&self, region: Option<String>) -> StoreError {
        match region {
            Some(found) => self.other(
                Code::SourceConfig,
                format!("{} is in the region {found}, and was asked for in {}", self.place, self.region),
                format!("Write `region: {found}` into the source."),
            ),
            None => self.other(
                Code::HttpRedirect,
                format!("{} is somewhere else: the server answered {}", self.place, self.status),
                "Write the `region` of the bucket, or the `endpoint` that its owner names, into the source.",
            ),
        }
    }

    fn skew(&self) -> String {
        let now = Utc::now();
        let theirs = self.headers.get("date").and_then(|date| http_date(date.to_str().ok()?));
        let minutes = theirs.map(|theirs: DateTime<Utc>| (now - theirs).num_minutes());
        match minutes {
            Some(minutes) if minutes > 0 => format!("the worker's clock is {minutes} min ahead of its own"),
            Some(minutes) if minutes < 0 => format!("the worker's clock is {} min behind its own", -minutes),
            _ => "the worker's clock differs too much from its own".to_owned(),
        }
    }

    fn forbidden(&self) -> StoreError {
        let (may, right) = match (self.doing, self.service) {
            (Doing::List, BucketService::S3) => ("list the bucket", "s3:ListBucket for the bucket"),
            (Doing::List, BucketService::Gcs) => ("list the bucket", "storage.objects.list for the bucket"),
            (Doing::List, BucketService::Azure) => ("list the container", "the right to list the container"),
            (Doing::Read, BucketService::S3) => ("read it", "s3:GetObject for the objects"),
            (Doing::Read, BucketService::Gcs) => ("read it", "storage.objects.get for the objects"),
            (Doing::Read, BucketService::Azure) => ("read it", "the right to read the blobs"),
            (Doing::Delete, BucketService::S3) => ("delete it", "s3:DeleteObject for the objects"),
            (Doing::Delete, _) => ("delete it", "the right to delete the objects"),
            (Doing::Copy, BucketService::S3) => ("write its copy", "s3:PutObject where objects are moved to"),
            (Doing::Copy, _) => ("write its copy", "the right to write where objects are moved to"),
            (Doing::Tag, BucketService::S3) => {
                ("tag it", "s3:GetObjectTagging and s3:PutObjectTagging for the objects")
            }
            (Doing::Tag, _) => ("tag it", "the right to write the tags of blobs"),
        };
        StoreError::Forbidden {
            name: self.name.to_owned(),
            reason: format!("the account may not {may}"),
            next_step: format!(
                "Ask the owner of the bucket for {right}. Buckets whose requests the requester pays cannot be read."
            )
            .into(),
        }
    }
}

/// Whether a text of a server is a plain word that can be shown.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 60 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;
    use crate::error::PipelineError;

    fn refused(status: u16, body: &str, headers: &[(&'static str, &str)]) -> (String, String, String) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).expect("a value"));
        }
        let refusal = Refusal {
            service: BucketService::S3,
            place: "s3://sales",
            name: "s3://sales/a.csv",
            doing: Doing::Read,
            region: "us-east-1",
            status: StatusCode::from_u16(status).expect("a status"),
            headers: &map,
            body,
        };
        let explained = PipelineError::from(refusal.into_error()).explained();
        (explained.code.as_str().to_owned(), explained.message, explained.next_step)
    }

    fn xml(code: &str) -> String {
        format!(
            "<Error><Code>{code}</Code><Message>canary</Message><AWSAccessKeyId>AKIACANARY</AWSAccessKeyId>\
             <StringToSign>canary</StringToSign><SignatureProvided>canary</SignatureProvided></Error>"
        )
    }

    #[test]
    fn each_refusal_says_what_to_do_and_repeats_no_key() {
        for (status, code, shown_code, message, step) in [
            (403, "SignatureDoesNotMatch", "source_login", "the secret key is not the one", "`secret_access_key`"),
            (403, "InvalidAccessKeyId", "source_login", "does not know the access key", "`access_key_id`"),
            (400, "ExpiredToken", "source_login", "has ended", "session_token"),
            (403, "AccessDenied", "source_unreadable", "the account may not read it", "s3:GetObject"),
            (404, "NoSuchBucket", "source_missing", "there is no bucket s3://sales", "`url`"),
            (404, "NoSuchKey", "source_missing", "there is no s3://sales/a.csv", "path"),
            (403, "InvalidObjectState", "source_unreadable", "archived", ""),
            (503, "SlowDown", "source_unreachable", "503 Service Unavailable (SlowDown)", "Wait"),
            (400, "KeyTooLongError", "http_status", "400 Bad Request (KeyTooLongError)", "`endpoint`"),
            (412, "PreconditionFailed", "source_changed", "changed while it was read", ""),
        ] {
            let (found, told, next) = refused(status, &xml(code), &[]);
            assert_eq!(found, shown_code, "{code}");
            assert!(told.contains(message) && next.contains(step), "{code}: {told} {next}");
            assert!(!format!("{told}{next}").to_lowercase().contains("canary"), "{told} {next}");
        }
    }

    #[test]
    fn a_bucket_in_another_region_names_the_region_to_write() {
        let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-central-1</Region></Error>";
        let (code, told, next) = refused(400, body, &[]);
        assert_eq!((code.as_str(), next.as_str()), ("source_config", "Write `region: eu-central-1` into the source."));
        assert_eq!(told, "s3://sales is in the region eu-central-1, and was asked for in us-east-1");
        let (_, _, next) = refused(301, "", &[("x-amz-bucket-region", "ap-south-1")]);
        assert_eq!(next, "Write `region: ap-south-1` into the source.");
        let (code, told, _) = refused(301, "<html>canary</html>", &[]);
        assert_eq!(code, "http_redirect");
        assert!(!told.contains("canary"), "{told}");
    }

    #[test]
    fn a_wrong_clock_is_named_with_its_distance() {
        let theirs = (Utc::now() + chrono::TimeDelta::minutes(21)).to_rfc2822();
        let (code, told, _) = refused(403, &xml("RequestTimeTooSkewed"), &[("date", &theirs)]);
        assert_eq!(code, "source_login");
        assert!(told.contains("clock is 20 min behind") || told.contains("clock is 21 min behind"), "{told}");
    }

    #[test]
    fn what_is_no_word_is_not_repeated() {
        let (_, told, _) = refused(418, "<Error><Code>a canary with spaces</Code></Error>", &[]);
        assert_eq!(told, "s3://sales answered 418 I'm a teapot");
    }
}
