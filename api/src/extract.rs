//! axum's extractors, with our errors, and the one that reads an uploaded YAML.

use axum::extract::{FromRequest, FromRequestParts, Multipart, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;

use crate::error::{Error, Result};

/// A JSON body.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Error))]
pub struct Json<T>(pub T);

impl<T: serde::Serialize> axum::response::IntoResponse for Json<T> {
    fn into_response(self) -> axum::response::Response {
        axum::Json(self.0).into_response()
    }
}

/// Parts of the path.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Error))]
pub struct Path<T>(pub T);

/// The query string.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Error))]
pub struct Params<T>(pub T);

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

    /// All fields of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl<S: Send + Sync> FromRequest<S> for UploadedFile {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let mut upload = Self { fields: query_of(&request), ..Self::default() };
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "multipart/form-data" => read_form(Multipart::from_request(request, state).await?, &mut upload).await?,
            "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" | "text/plain" => {
                let body = bytes::Bytes::from_request(request, state).await?;
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
    Ok(())
}

fn text_of(bytes: &[u8]) -> Result<String> {
    if bytes.len() > MAX_YAML_BYTES {
        let detail = format!("the YAML has {} bytes; {MAX_YAML_BYTES} are allowed", bytes.len());
        return Err(Error::refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            detail,
            "Split it into several configs.",
        ));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    String::from_utf8(bytes.to_vec()).map_err(|error| {
        let line = bytes[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::bad_request(
            "invalid_yaml",
            format!("Invalid YAML: not UTF-8 at line {line}"),
            "Save the file as UTF-8 and send it again.",
        )
    })
}
