//! `type: s3`: objects in a bucket: Amazon S3 and servers that speak its protocol, Google Cloud Storage, Azure Blob Storage.

use std::fmt;

use super::after_load::{self, AfterLoad};
use super::files;
use super::place_keys::PlaceOptions;
use crate::config::certificates;
use crate::config::field::{Field, Reading};
use crate::config::keys::{Choice, Key, joined};
use crate::config::section::Section;
use crate::secret::Secret;

/// `type: s3`.
#[derive(Debug, Clone, PartialEq)]
pub struct S3Source {
    /// The bucket and the objects in it.
    pub url: BucketUrl,
    /// Region of the bucket, as its owner names it. `None`: the default of the service.
    pub region: Option<String>,
    /// Address of a server that is not the service's own. `None`: the service's own.
    pub endpoint: Option<String>,
    /// How elt logs in to the bucket's service.
    pub login: BucketLogin,
    /// The only authorities that may have signed the server's certificate, in PEM form.
    pub authorities: Option<Secret>,
    /// Whether an `endpoint` without encryption may be used.
    pub allow_http: bool,
    /// Whether the bucket is named in the path of a request (`true`), or in its host (`false`). `None`: in the path when there
    /// is an `endpoint`.
    pub path_style: Option<bool>,
    /// How the files are read, and what happens to them.
    pub place: PlaceOptions,
}

impl S3Source {
    /// Where the objects are.
    pub fn address(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => format!("{endpoint} {}", self.url),
            None => self.url.to_string(),
        }
    }
}

/// The address of objects: `s3://bucket/prefix/*.csv`.
#[derive(Clone, PartialEq, Eq)]
pub struct BucketUrl {
    /// Service whose protocol the bucket's server speaks.
    pub service: BucketService,
    /// Name of the bucket or container.
    pub bucket: String,
    /// The key of an object, the beginning of keys up to a `/`, or a glob. Empty: the whole bucket.
    pub path: String,
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}", self.service.scheme(), self.bucket, self.path)
    }
}

impl fmt::Debug for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A protocol of object stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketService {
    /// Amazon S3, MinIO, R2 and others.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

impl BucketService {
    /// `s3`, `gs` or `az`.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gs",
            Self::Azure => "az",
        }
    }
}

/// How elt logs in to the service of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketLogin {
    /// Not at all: the bucket is public.
    Public {
        /// Name of the storage account, for Azure.
        account: Option<String>,
    },
    /// By the keys of an account of S3.
    Keys {
        /// Name of the access key.
        access_key_id: Secret,
        /// The access key.
        secret_access_key: Secret,
        /// Token of a session with temporary keys.
        session_token: Option<Secret>,
    },
    /// By the key of a service account of Google, in JSON.
    ServiceAccount(Secret),
    /// By the key of an account of Azure, in base64.
    AccountKey {
        /// Name of the storage account.
        account: String,
        /// The key.
        key: Secret,
    },
    /// By a shared access signature of Azure.
    Sas {
        /// Name of the storage account.
        account: String,
        /// The signature: the query of a URL.
        sas: Secret,
    },
    /// By what the environment of the worker holds.
    Environment,
    /// By the role of the machine that the worker runs on.
    Instance,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Credentials {
    Keys,
    Environment,
    Instance,
    Anonymous,
}

impl Choice for Credentials {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("keys", Self::Keys),
        ("environment", Self::Environment),
        ("instance", Self::Instance),
        ("anonymous", Self::Anonymous),
    ];
}

pub(super) const KEYS: &[Key] = &joined::<{ OWN_KEYS.len() + files::KEYS.len() }>(OWN_KEYS, files::KEYS);

const OWN_KEYS: &[Key] = &[
    Key::text(
        "url",
        "`s3://bucket/key`, `gs://bucket/key` or `az://container/key`: one object, the beginning of keys up to a `/`, or a glob \
         such as `s3://bucket/sales/**/*.csv`.",
    )
    .required(),
    Key::text("region", "Region of the bucket. Default `us-east-1`."),
    Key::text("endpoint", "Address of a server that speaks the protocol, such as MinIO or R2. Default: the service's own."),
    Key::choice::<Credentials>(
        "credentials",
        "How elt identifies itself: by `keys` (default), by the `environment` of the worker or the role of the `instance` it \
         runs on, where its operator allows that, or not at all (`anonymous`).",
    ),
    Key::secret("access_key_id", "Name of the access key (S3)."),
    Key::secret("secret_access_key", "The access key (S3)."),
    Key::secret("session_token", "Token of a session with temporary keys (S3)."),
    Key::secret("service_account_key", "The key of a service account, in JSON (Google)."),
    Key::text("account", "Name of the storage account (Azure)."),
    Key::secret("account_key", "The key of the storage account (Azure)."),
    Key::secret("sas", "A shared access signature (Azure)."),
    Key::secret(
        "ca_certificate",
        "`${secret:NAME}`: the only authorities that may have signed the certificate of the server, in PEM form.",
    ),
    Key::flag("allow_http", "Use an `endpoint` that is not encrypted."),
    Key::flag(
        "path_style",
        "Name the bucket in the path of a request and not in its host. Default: true with an `endpoint`.",
    ),
    after_load::BUCKET_KEY,
];

pub(super) fn read(section: &Section<'_>) -> Option<S3Source> {
    let url = section.required("url").and_then(url);
    let login = url.as_ref().and_then(|url| login(section, url.service));
    let endpoint = endpoint(section);
    let files = files::read(section);
    let after_load = after_load::read_of_bucket(section);
    if let (Some(url), Some(after_load)) = (&url, &after_load) {
        check_after_load(section, url.service, after_load);
    }
    let authorities = certificates::authorities(section);
    Some(S3Source {
        authorities: authorities?,
        region: section.filled_text("region").map(|region| region.trim().to_owned()),
        allow_http: section.flag("allow_http").unwrap_or(false),
        path_style: section.flag("path_style"),
        url: url?,
        login: login?,
        endpoint: endpoint?,
        // An object appears when it has arrived completely.
        place: PlaceOptions { files: files?, settle_seconds: 0, after_load: after_load? },
    })
}

fn url(field: &Field<'_>) -> Option<BucketUrl> {
    let is_open = matches!(field.reading()?, Reading::Open(_));
    let text = field.without_secrets()?.text()?;
    let parsed = parse(text.trim());
    if parsed.is_none() && !is_open {
        field.problem(format!(
            "expected s3://bucket/key, gs://bucket/key or az://container/key, found {}",
            field.shown()
        ));
    }
    // What a worker will find in place of an open reference is checked there.
    parsed.or_else(|| {
        is_open.then(|| BucketUrl { service: BucketService::S3, bucket: "bucket".to_owned(), path: String::new() })
    })
}

fn parse(text: &str) -> Option<BucketUrl> {
    let (scheme, rest) = text.split_once("://")?;
    let service = [BucketService::S3, BucketService::Gcs, BucketService::Azure]
        .into_iter()
        .find(|service| service.scheme().eq_ignore_ascii_case(scheme))?;
    let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '$');
    let is_bucket = !bucket.is_empty() && bucket.len() <= 255 && bucket.chars().all(is_name);
    is_bucket.then(|| BucketUrl { service, bucket: bucket.to_owned(), path: path.to_owned() })
}

/// Notes an action that the service does not have.
fn check_after_load(section: &Section<'_>, service: BucketService, after_load: &AfterLoad) {
    if service != BucketService::Gcs || !matches!(after_load, AfterLoad::Tag { .. }) {
        return;
    }
    if let Some(field) = section.field("after_load") {
        field.problem(
            "objects of Google Cloud Storage have no tags, and a change of their metadata would count as a change of the object: \
             write another action",
        );
    }
}

/// The outer `None`: there was a problem.
fn endpoint(section: &Section<'_>) -> Option<Option<String>> {
    let Some(field) = section.field("endpoint") else { return Some(None) };
    let text = match field.reading()? {
        Reading::Open(text) => return Some(Some(text)),
        Reading::Known(text) => text.trim().trim_end_matches('/').to_owned(),
    };
    let url = reqwest::Url::parse(&text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
    });
    let Some(url) = url else {
        field.problem(format!("expected an address such as https://minio.example.com:9000, found {}", field.shown()));
        return None;
    };
    if url.scheme() == "http" && section.flag("allow_http") != Some(true) {
        field.problem("is not encrypted: write https://, or `allow_http: true` beside it");
        return None;
    }
    Some(Some(text))
}

/// The keys of each login, which cannot stand beside those of another.
const LOGIN_KEYS: [&str; 7] =
    ["access_key_id", "secret_access_key", "session_token", "service_account_key", "account", "account_key", "sas"];

fn login(section: &Section<'_>, service: BucketService) -> Option<BucketLogin> {
    let written = section.choice("credentials");
    if let Some(other) = written.filter(|written| *written != Credentials::Keys) {
        let beside = LOGIN_KEYS.iter().filter(|key| **key != "account").find_map(|key| section.field(key));
        if let Some(beside) = beside {
            beside.problem("is a key, and `credentials` says that none is used: remove one of them");
            return None;
        }
        return Some(match other {
            Credentials::Environment => BucketLogin::Environment,
            Credentials::Instance => BucketLogin::Instance,
            Credentials::Anonymous | Credentials::Keys if service == BucketService::Azure => {
                BucketLogin::Public { account: Some(section.required_text("account")?) }
            }
            Credentials::Anonymous | Credentials::Keys => BucketLogin::Public { account: None },
        });
    }
    let keys: &[&str] = match service {
        BucketService::S3 => &LOGIN_KEYS[..3],
        BucketService::Gcs => &LOGIN_KEYS[3..4],
        BucketService::Azure => &LOGIN_KEYS[4..],
    };
    if let Some(stray) = LOGIN_KEYS.iter().filter(|key| !keys.contains(key)).find_map(|key| section.field(key)) {
        stray.problem(format!("is not for {}://, which has {}", service.scheme(), keys.join(", ")));
        return None;
    }
    match service {
        BucketService::S3 => {
            let (id, key) = (needed(section, "access_key_id"), needed(section, "secret_access_key"));
            let session_token = section.secret("session_token");
            Some(BucketLogin::Keys { access_key_id: id?, secret_access_key: key?, session_token })
        }
        BucketService::Gcs => needed(section, "service_account_key").map(BucketLogin::ServiceAccount),
        BucketService::Azure => {
            let account = section.required_text("account");
            match (section.secret("account_key"), section.secret("sas")) {
                (Some(key), None) => Some(BucketLogin::AccountKey { account: account?, key }),
                (None, Some(sas)) => Some(BucketLogin::Sas { account: account?, sas }),
                (Some(_), Some(_)) => {
                    section.problem("has both `account_key` and `sas`: remove one of them");
                    None
                }
                (None, None) => needed(section, "account_key").and(None),
            }
        }
    }
}

/// A key that a login needs. Public buckets are read with `credentials: anonymous`, which must be said.
fn needed(section: &Section<'_>, name: &str) -> Option<Secret> {
    if !section.wrote(name) {
        section.problem(format!("missing key {name:?}; a public bucket is read with `credentials: anonymous`"));
    }
    section.secret(name)
}
