//! The addresses of a bucket and of the objects in it.

use elt_shared::config::{BucketLogin, BucketService, S3Source};
use reqwest::Url;

/// The region whose name S3 accepts where none is configured.
const DEFAULT_REGION: &str = "us-east-1";

/// The region that requests are signed for.
pub(super) fn region(source: &S3Source) -> &str {
    source.region.as_deref().unwrap_or(DEFAULT_REGION)
}

/// The address of the bucket, without a `/` at its end. `None`: the endpoint is not a URL.
pub(super) fn bucket(source: &S3Source) -> Option<String> {
    let bucket = &source.url.bucket;
    let Some(endpoint) = &source.endpoint else { return Some(own_service(source)) };
    if source.path_style.unwrap_or(true) {
        return Some(format!("{endpoint}/{bucket}"));
    }
    let mut url = Url::parse(endpoint).ok()?;
    let host = format!("{bucket}.{}", url.host_str()?);
    url.set_host(Some(&host)).ok()?;
    Some(url.as_str().trim_end_matches('/').to_owned())
}

fn own_service(source: &S3Source) -> String {
    let bucket = &source.url.bucket;
    match source.url.service {
        BucketService::S3 => {
            let region = region(source);
            let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
            // A certificate for *.s3.region.amazonaws.com is not one for a name with more dots.
            if source.path_style.unwrap_or(bucket.contains('.')) {
                format!("https://s3.{region}.{domain}/{bucket}")
            } else {
                format!("https://{bucket}.s3.{region}.{domain}")
            }
        }
        BucketService::Gcs => format!("https://storage.googleapis.com/{bucket}"),
        BucketService::Azure => format!("https://{}.blob.core.windows.net/{bucket}", account(source)),
    }
}

/// Name of the storage account of Azure.
pub(super) fn account(source: &S3Source) -> &str {
    match &source.login {
        BucketLogin::AccountKey { account, .. } | BucketLogin::Sas { account, .. } => account,
        BucketLogin::Public { account } => account.as_deref().unwrap_or_default(),
        _ => "",
    }
}

/// The address of an object. `None`: no URL can carry its key, because a part of the key is `.` or `..`.
pub(super) fn object(bucket: &str, key: &str) -> Option<Url> {
    if key.split('/').any(|part| matches!(part, "." | "..")) {
        return None;
    }
    Url::parse(&format!("{bucket}/{}", encoded(key))).ok()
}

/// A key as the path of a URL, in the one spelling that signatures are computed from.
pub(super) fn encoded(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use elt_shared::config::{BucketUrl, PlaceOptions};

    use super::*;

    fn source(service: BucketService, bucket: &str) -> S3Source {
        let url = BucketUrl { service, bucket: bucket.to_owned(), path: String::new() };
        S3Source {
            url,
            region: None,
            endpoint: None,
            login: BucketLogin::Public { account: Some("acme".into()) },
            authorities: None,
            allow_http: false,
            path_style: None,
            place: PlaceOptions::default(),
        }
    }

    #[test]
    fn each_service_has_its_address() {
        let s3 = source(BucketService::S3, "sales");
        let at = |source: &S3Source| bucket(source).expect("an address");
        assert_eq!(at(&s3), "https://sales.s3.us-east-1.amazonaws.com");
        let frankfurt = S3Source { region: Some("eu-central-1".into()), ..source(BucketService::S3, "acme.sales") };
        assert_eq!(at(&frankfurt), "https://s3.eu-central-1.amazonaws.com/acme.sales");
        let beijing = S3Source { region: Some("cn-north-1".into()), path_style: Some(true), ..s3.clone() };
        assert_eq!(at(&beijing), "https://s3.cn-north-1.amazonaws.com.cn/sales");
        let minio = S3Source { endpoint: Some("http://localhost:9000".into()), ..s3.clone() };
        assert_eq!(at(&minio), "http://localhost:9000/sales");
        assert_eq!(at(&S3Source { path_style: Some(false), ..minio }), "http://sales.localhost:9000");
        assert_eq!(at(&source(BucketService::Gcs, "sales")), "https://storage.googleapis.com/sales");
        assert_eq!(at(&source(BucketService::Azure, "sales")), "https://acme.blob.core.windows.net/sales");
    }

    #[test]
    fn odd_keys_keep_every_character() {
        let at = |key: &str| object("http://h/b", key).map(|url| url.to_string());
        assert_eq!(at("a b+c%20d.csv").as_deref(), Some("http://h/b/a%20b%2Bc%2520d.csv"));
        assert_eq!(at("a//b/ü?#.csv.").as_deref(), Some("http://h/b/a//b/%C3%BC%3F%23.csv."));
        assert_eq!(at("/a.csv").as_deref(), Some("http://h/b//a.csv"));
        assert_eq!(at("a/../b.csv"), None);
        assert_eq!(at("./b.csv"), None);
        assert_eq!(at("a/...csv").as_deref(), Some("http://h/b/a/...csv"));
    }
}
