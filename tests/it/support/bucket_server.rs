//! A server that speaks the protocol of S3, of Google Cloud Storage or of Azure: it computes every signature by itself, lists in
//! pages, and answers for parts, versions, copies and tags.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::Jwk;
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

mod signatures;

use signatures::{check_aws, check_azure, check_google};

/// The account that is let in.
pub const KEY_ID: &str = "AKIAEXAMPLECANARY";
/// Its key.
pub const SECRET_KEY: &str = "canary/secret+key/of/the/account=";
/// Keys of a page.
const PAGE: usize = 1_000;

/// Whose protocol is spoken.
#[derive(Debug, Clone)]
pub enum Speaks {
    S3 {
        region: &'static str,
    },
    /// The public key of the service account that is let in.
    Gcs {
        key: Box<Jwk>,
    },
    /// The account, whose key is [`SECRET_KEY`] as bytes.
    Azure {
        account: &'static str,
    },
}

/// An object.
#[derive(Debug, Clone)]
pub struct Object {
    pub body: Bytes,
    pub tag: String,
    pub modified: DateTime<Utc>,
    pub encoding: Option<&'static str>,
    pub tags: Vec<(String, String)>,
    /// Whether it must be restored before it can be read.
    pub archived: bool,
    /// How often a copy of it by Azure is looked at before it is complete.
    pub copied_after: u32,
}

impl Object {
    pub fn new(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let tag = hex(&Sha256::digest(&body))[..32].to_owned();
        let modified = Utc::now() - TimeDelta::hours(1);
        Self { body, tag, modified, encoding: None, tags: Vec::new(), archived: false, copied_after: 0 }
    }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: Method,
    /// The decoded key; empty for the bucket.
    pub key: String,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

pub type Objects = BTreeMap<String, Object>;
type Script = Box<dyn Fn(&Asked, &mut Objects) -> Option<Response> + Send + Sync>;

struct Shared {
    speaks: Speaks,
    bucket: &'static str,
    objects: Mutex<Objects>,
    asked: Mutex<Vec<Asked>>,
    script: Mutex<Option<Script>>,
    clock_ahead: Mutex<TimeDelta>,
}

/// See the module. Ends with this value.
pub struct BucketServer {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl BucketServer {
    pub async fn start(speaks: Speaks, bucket: &'static str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            speaks,
            bucket,
            objects: Mutex::default(),
            asked: Mutex::default(),
            script: Mutex::default(),
            clock_ahead: Mutex::new(TimeDelta::zero()),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
        Self { address, shared, serving }
    }

    pub fn put(&self, key: &str, body: impl Into<Bytes>) {
        self.put_object(key, Object::new(body));
    }

    pub fn put_object(&self, key: &str, object: Object) {
        self.shared.objects.lock().expect("objects").insert(key.to_owned(), object);
    }

    pub fn keys(&self) -> Vec<String> {
        self.shared.objects.lock().expect("objects").keys().cloned().collect()
    }

    pub fn object(&self, key: &str) -> Option<Object> {
        self.shared.objects.lock().expect("objects").get(key).cloned()
    }

    /// Every request so far, oldest first.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("requests").clone()
    }

    /// Called before each request whose signature is good, with the objects as they are. It may answer in the server's place.
    pub fn script(&self, script: impl Fn(&Asked, &mut Objects) -> Option<Response> + Send + Sync + 'static) {
        *self.shared.script.lock().expect("script") = Some(Box::new(script));
    }

    /// Sets the server's clock.
    pub fn set_clock_ahead(&self, ahead: TimeDelta) {
        *self.shared.clock_ahead.lock().expect("clock") = ahead;
    }
}

impl Drop for BucketServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 64 << 20).await.expect("a body");
    let now = Utc::now() + *shared.clock_ahead.lock().expect("clock");
    let is_head = parts.method == Method::HEAD;
    let path = decoded(parts.uri.path());
    let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let query = pairs(parts.uri.query().unwrap_or_default());
    let asked = Asked { method: parts.method.clone(), key: key.to_owned(), query, headers: parts.headers.clone() };
    shared.asked.lock().expect("requests").push(asked.clone());
    let signed = match &shared.speaks {
        Speaks::S3 { region } => check_aws(&asked, &parts.uri, &body, region, now),
        Speaks::Gcs { key } => check_google(&asked, key),
        Speaks::Azure { account } => check_azure(&asked, &parts.uri, account),
    };
    let mut response = match signed {
        Err(refusal) => *refusal,
        Ok(()) if bucket != shared.bucket => error(StatusCode::NOT_FOUND, "NoSuchBucket", ""),
        Ok(()) => {
            let mut objects = shared.objects.lock().expect("objects");
            let scripted =
                shared.script.lock().expect("script").as_ref().and_then(|script| script(&asked, &mut objects));
            scripted.unwrap_or_else(|| carry_out(&shared, &asked, &body, &mut objects))
        }
    };
    response.headers_mut().insert("date", http_date(now).parse().expect("a date"));
    if is_head {
        // Without a body, and with it the length that it would have.
        let (mut parts, body) = response.into_parts();
        if !parts.status.is_success() {
            parts.headers.remove("content-length");
        }
        drop(body);
        return Response::from_parts(parts, Body::empty());
    }
    response
}

fn carry_out(shared: &Shared, asked: &Asked, body: &Bytes, objects: &mut Objects) -> Response {
    let is_tags = asked.param("tagging").is_some() || asked.param("comp") == Some("tags");
    match (asked.method.clone(), asked.key.is_empty()) {
        (Method::GET, true) => list(shared, asked, objects),
        (Method::GET, false) if is_tags => match objects.get(&asked.key) {
            Some(object) => {
                let tag =
                    |(key, value): &(String, String)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
                let tags: String = object.tags.iter().map(tag).collect();
                xml(StatusCode::OK, format!("<Tagging><TagSet>{tags}</TagSet></Tagging>"))
            }
            None => error(StatusCode::NOT_FOUND, "NoSuchKey", ""),
        },
        (Method::PUT, false) if is_tags => put_tags(asked, body, objects),
        (Method::GET | Method::HEAD, false) => get(asked, objects),
        (Method::PUT, false) => copy(shared, asked, objects),
        (Method::DELETE, false) => {
            let is_other =
                |object: &Object| asked.header("if-match").is_some_and(|tag| tag.trim_matches('"') != object.tag);
            if objects.get(&asked.key).is_some_and(is_other) {
                return error(StatusCode::PRECONDITION_FAILED, "ConditionNotMet", "");
            }
            objects.remove(&asked.key);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", ""),
    }
}

fn list(shared: &Shared, asked: &Asked, objects: &Objects) -> Response {
    let is_azure = matches!(shared.speaks, Speaks::Azure { .. });
    let prefix = asked.param("prefix").unwrap_or_default();
    let after = asked.param(if is_azure { "marker" } else { "continuation-token" });
    // The token is the last key of the page before, as no client could guess it.
    let after = after.map(|token| String::from_utf8(BASE64.decode(token).expect("a token")).expect("a key"));
    let is_in = |key: &str| {
        key.starts_with(prefix)
            && after.as_deref().is_none_or(|after| key > after)
            && (asked.param("delimiter").is_none() || !key[prefix.len()..].trim_end_matches('/').contains('/'))
    };
    let mut found = objects.iter().filter(|(key, _)| is_in(key));
    let page: Vec<_> = found.by_ref().take(PAGE).collect();
    let next = found.next().and(page.last()).map(|(key, _)| BASE64.encode(key)).unwrap_or_default();
    let mut text = String::new();
    for (key, Object { body, tag, modified, .. }) in page {
        let (key, size) = (escaped(key), body.len());
        let written = if is_azure {
            write!(
                text,
                "<Blob><Name>{key}</Name><Properties><Last-Modified>{}</Last-Modified><Etag>{tag}</Etag>\
                 <Content-Length>{size}</Content-Length></Properties></Blob>",
                http_date(*modified)
            )
        } else {
            write!(
                text,
                "<Contents><Key>{key}</Key><LastModified>{}</LastModified><ETag>&quot;{tag}&quot;</ETag><Size>{size}</Size>\
                 </Contents>",
                modified.format("%Y-%m-%dT%H:%M:%S%.3fZ")
            )
        };
        written.expect("written");
    }
    xml(
        StatusCode::OK,
        match is_azure {
            true => {
                format!("<EnumerationResults><Blobs>{text}</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>")
            }
            false => format!(
                "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>{text}\
                 <NextContinuationToken>{next}</NextContinuationToken></ListBucketResult>"
            ),
        },
    )
}

fn get(asked: &Asked, objects: &mut Objects) -> Response {
    let Some(object) = objects.get_mut(&asked.key) else { return error(StatusCode::NOT_FOUND, "NoSuchKey", "") };
    if asked.header("if-match").is_some_and(|tag| tag.trim_matches('"') != object.tag) {
        return error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", "");
    }
    if object.archived && asked.method == Method::GET {
        return error(StatusCode::FORBIDDEN, "InvalidObjectState", "");
    }
    let size = object.body.len();
    let range = asked.header("range").map(|range| {
        let (from, to) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).expect("a range");
        (from.parse::<usize>().expect("a start"), to.parse().map_or(size, |to: usize| (to + 1).min(size)))
    });
    let mut answer = Response::builder()
        .header("etag", format!("\"{}\"", object.tag))
        .header("last-modified", http_date(object.modified));
    if object.copied_after > 0 && asked.method == Method::HEAD {
        object.copied_after -= 1;
        answer = answer.header("x-ms-copy-status", "pending");
    }
    if let Some(encoding) = object.encoding {
        answer = answer.header("content-encoding", encoding);
    }
    let body = match range {
        Some((from, _)) if from >= size => return error(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", ""),
        Some((from, to)) => {
            answer = answer
                .status(StatusCode::PARTIAL_CONTENT)
                .header("content-range", format!("bytes {from}-{}/{size}", to - 1));
            object.body.slice(from..to)
        }
        None => object.body.clone(),
    };
    let answer = answer.header("content-length", body.len());
    answer.body(Body::from(body)).expect("an answer")
}

fn copy(shared: &Shared, asked: &Asked, objects: &mut Objects) -> Response {
    let names = match shared.speaks {
        Speaks::Gcs { .. } => ["x-goog-copy-source", "x-goog-copy-source-if-match"],
        Speaks::Azure { .. } => ["x-ms-copy-source", "x-ms-source-if-match"],
        Speaks::S3 { .. } => ["x-amz-copy-source", "x-amz-copy-source-if-match"],
    };
    let [from, tag] = names.map(|name| asked.header(name));
    let Some(mut from) = from else { return error(StatusCode::NOT_IMPLEMENTED, "NotImplemented", "") };
    let is_azure = matches!(shared.speaks, Speaks::Azure { .. });
    if is_azure {
        // An address, which needs the signature that the request has.
        let (address, query) = from.split_once('?').unwrap_or((from, ""));
        if asked.param("sig").is_some()
            && !pairs(query).iter().any(|(name, value)| name == "sig" && Some(value.as_str()) == asked.param("sig"))
        {
            return error(StatusCode::NOT_FOUND, "CannotVerifyCopySource", "");
        }
        from = address.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
    }
    let from = decoded(from);
    let key = from.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
    match objects.get(key).cloned() {
        Some(object) if tag.is_none_or(|tag| tag.trim_matches('"') == object.tag) => {
            let copy = Object { modified: Utc::now(), ..object };
            objects.insert(asked.key.clone(), copy);
            if is_azure {
                return StatusCode::ACCEPTED.into_response();
            }
            xml(StatusCode::OK, "<CopyObjectResult/>".to_owned())
        }
        Some(_) => error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", ""),
        None => error(StatusCode::NOT_FOUND, "NoSuchKey", ""),
    }
}

fn put_tags(asked: &Asked, body: &Bytes, objects: &mut Objects) -> Response {
    let Some(object) = objects.get_mut(&asked.key) else { return error(StatusCode::NOT_FOUND, "NoSuchKey", "") };
    let checksum = BASE64.encode(Sha256::digest(body));
    if asked.header("x-amz-checksum-sha256").is_some_and(|sent| sent != checksum) {
        return error(StatusCode::BAD_REQUEST, "BadDigest", "");
    }
    let text = String::from_utf8(body.to_vec()).expect("XML");
    let between = |text: &str, name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
    };
    let tag = |text: &str| Some((between(text, "Key")?, between(text, "Value")?));
    object.tags = text.split("<Tag>").skip(1).map(|text| tag(text).expect("a tag")).collect();
    StatusCode::OK.into_response()
}

/// An answer that is an error, with more elements.
pub fn error(status: StatusCode, code: &str, more: &str) -> Response {
    let text = "canary: what the server says at length";
    xml(status, format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{text}</Message>{more}</Error>"))
}

fn xml(status: StatusCode, text: String) -> Response {
    (status, [("content-type", "application/xml")], text).into_response()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn http_date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.chars().map(|c| if c.is_control() { format!("&#{};", u32::from(c)) } else { c.to_string() }).collect()
}

fn decoded(path: &str) -> String {
    // A query would read `+` as a space.
    pairs(&format!("x={}", path.replace('+', "%2B").replace('&', "%26"))).remove(0).1
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://h/?{query}")).expect("a query");
    url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
}
