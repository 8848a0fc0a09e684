//! axum's extractors with the errors of this API, and the extractor that reads an uploaded YAML.
//!
//! They refuse NUL characters, because PostgreSQL cannot store them. Everything a client sends passes one of them.

use axum::body::Body;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Multipart, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use bytes::Bytes;
use elt_shared::explained::Code;

use crate::error::{Error, Result};

/// A JSON body.
pub struct Json<T>(pub T);

impl<S: Send + Sync, T> FromRequest<S> for Json<T>
where
    axum::Json<T>: FromRequest<S, Rejection = JsonRejection>,
{
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let body = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await?;
        if escapes_nul(&body) {
            return Err(nul_in("the body"));
        }
        let request = Request::from_parts(parts, Body::from(body));
        Ok(Self(axum::Json::from_request(request, state).await?.0))
    }
}

/// A JSON body, or its default where the body is empty.
pub struct OptionalJson<T>(pub T);

impl<S: Send + Sync, T: Default + serde::de::DeserializeOwned> FromRequest<S> for OptionalJson<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let body = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        let Json(body) = Json::from_request(Request::from_parts(parts, Body::from(body)), state).await?;
        Ok(Self(body))
    }
}

impl<T: serde::Serialize> axum::response::IntoResponse for Json<T> {
    fn into_response(self) -> axum::response::Response {
        axum::Json(self.0).into_response()
    }
}

/// Parts of the path.
pub struct Path<T>(pub T);

impl<S: Send + Sync, T> FromRequestParts<S> for Path<T>
where
    axum::extract::Path<T>: FromRequestParts<S, Rejection = PathRejection>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        if parts.uri.path().contains(NUL_IN_A_URL) {
            return Err(nul_in("the path"));
        }
        Ok(Self(axum::extract::Path::from_request_parts(parts, state).await?.0))
    }
}

/// The query string.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T> FromRequestParts<S> for Params<T>
where
    axum::extract::Query<T>: FromRequestParts<S, Rejection = QueryRejection>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        refuse_nul_in_query(parts.uri.query())?;
        Ok(Self(axum::extract::Query::from_request_parts(parts, state).await?.0))
    }
}

/// A NUL character in a path or a query string.
const NUL_IN_A_URL: &str = "%00";

fn refuse_nul_in_query(query: Option<&str>) -> Result<()> {
    match query.is_some_and(|query| query.contains(NUL_IN_A_URL)) {
        true => Err(nul_in("the query")),
        false => Ok(()),
    }
}

fn nul_in(place: &str) -> Error {
    let detail = format!("{place} contains a NUL character, which cannot be stored");
    Error::bad_request(Code::NulCharacter, detail, "Remove the character and send the request again.")
}

/// Whether a JSON text contains a string with a NUL character, which JSON can only write as an escape.
pub fn escapes_nul(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(escape) = rest.iter().position(|byte| *byte == b'\\') {
        rest = &rest[escape + 1..];
        if rest.starts_with(b"u0000") {
            return true;
        }
        // The escaped character may be another backslash.
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}

/// The largest YAML that is read.
pub const MAX_YAML_BYTES: usize = 256 * 1024;

/// What was uploaded: a multipart form with a `file`, or the YAML itself as the body.
#[derive(Debug, Default)]
pub struct UploadedFile {
    /// Its name, when it has one; empty when the form's file field was left empty.
    pub file_name: Option<String>,
    /// Its text; `None` when there was no `file`.
    pub text: Option<String>,
    /// Other fields of the form, or the query string's parameters.
    pub fields: Vec<(String, String)>,
}

impl UploadedFile {
    /// A field of the form or parameter of the query string.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl<S: Send + Sync> FromRequest<S> for UploadedFile {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        refuse_nul_in_query(request.uri().query())?;
        let mut upload = Self { fields: query_of(&request), ..Self::default() };
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "multipart/form-data" => read_form(Multipart::from_request(request, state).await?, &mut upload).await?,
            "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" | "text/plain" => {
                let body = Bytes::from_request(request, state).await?;
                upload.text = Some(text_of(&body)?);
            }
            _ => {}
        }
        Ok(upload)
    }
}

fn query_of(request: &Request) -> Vec<(String, String)> {
    axum::extract::Query::try_from_uri(request.uri()).map(|query| query.0).unwrap_or_default()
}

async fn read_form(mut form: Multipart, upload: &mut UploadedFile) -> Result<()> {
    while let Some(field) = form.next_field().await? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" && upload.text.is_none() {
            upload.file_name = Some(field.file_name().unwrap_or_default().to_owned());
            upload.text = Some(text_of(&field.bytes().await?)?);
        } else {
            upload.fields.push((name, field.text().await?));
        }
    }
    let file_name = upload.file_name.iter().map(String::as_str);
    let fields = upload.fields.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    if file_name.chain(fields).any(|text| text.contains('\0')) {
        return Err(nul_in("the form"));
    }
    Ok(())
}

fn text_of(bytes: &[u8]) -> Result<String> {
    if bytes.len() > MAX_YAML_BYTES {
        let detail = format!("the YAML has {} bytes; {MAX_YAML_BYTES} are allowed", bytes.len());
        return Err(Error::refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::TooLarge,
            detail,
            "Split it into several configs.",
        ));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    String::from_utf8(bytes.to_vec()).map_err(|error| {
        let line = bytes[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::bad_request(
            Code::InvalidYaml,
            format!("Invalid YAML: not UTF-8 at line {line}"),
            "Save the file as UTF-8 and send it again.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::escapes_nul;

    #[test]
    fn a_nul_character_is_found_among_other_escapes() {
        for json in [r#"{"a":"\u0000"}"#, r#"{"\u0000":1}"#, r#""\\\u0000""#, r#""\n\u0000""#] {
            assert!(escapes_nul(json.as_bytes()), "{json}");
        }
        for json in [r#"{"a":"\\u0000"}"#, r#""u0000""#, r#""\u0001""#, "\\", ""] {
            assert!(!escapes_nul(json.as_bytes()), "{json}");
        }
    }
}
