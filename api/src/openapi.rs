//! The API's own description: OpenAPI 3.1 at `/openapi.json`, to try out at `/docs`.

use axum::Router;
use axum::http::{HeaderValue, header};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response};
use utoipa::{Modify, OpenApi as _};
use utoipa_swagger_ui::SwaggerUi;

use crate::AppState;
use crate::error::{PROBLEM, Problem};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "elt",
        description = "Files, HTTP APIs and SFTP servers in; clean, deduplicated PostgreSQL tables out.\n\n\
                       Log in with `POST /auth/login`, or create an API token for a program, and send it as `Authorization: \
                       Bearer …`. Every error is an RFC 9457 problem document. Lists are paged: send `next` back as `cursor`."
    ),
    components(schemas(Problem)),
    modifiers(&SecuritySchemes)
)]
struct Description;

struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, openapi: &mut OpenApi) {
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", bearer("JWT", SESSION));
        components.add_security_scheme("api_token", bearer("elt_…", API_TOKEN));
    }
}

const SESSION: &str = "The token of a login, from `POST /auth/login`.";
const API_TOKEN: &str = "An API token, from `POST /tokens` or `elt token create`: `elt_` and 36 letters and digits. The \
                         scope that an operation needs is listed with it. A token can do no more than its owner: the role `user` shares only the scopes `upload` and `data`. A token that \
                         is bound to pipelines gets 403 for others, and sees only its own in lists.";

fn bearer(format: &str, description: &str) -> SecurityScheme {
    let http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format(format).description(Some(description));
    SecurityScheme::Http(http.build())
}

/// The description handlers add themselves to.
pub fn description() -> OpenApi {
    Description::openapi()
}

/// Serves the finished description and the page to try it out.
pub fn docs(mut openapi: OpenApi) -> Router<AppState> {
    for (is_get, operation) in openapi.paths.paths.values_mut().flat_map(operations) {
        name_after_resource(operation);
        describe_problems(is_get, operation);
    }
    Router::from(SwaggerUi::new("/docs").url("/openapi.json", openapi))
        .layer(SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
}

/// Content security policy of `/docs`: scripts and data from this server only, and no embedding in other pages. Inline
/// styles are allowed, because Swagger UI writes style elements.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// What each operation may also answer, besides what its handler lists: `(status, description)`.
const FOR_ANY_INPUT: [(&str, &str); 1] = [("400", "The path, the query or the body cannot be read")];
const FOR_A_BODY: [(&str, &str); 2] = [("413", "The body is too large"), ("415", "The body has the wrong media type")];
const FOR_JSON: [(&str, &str); 1] = [("422", "The JSON does not match the schema")];
const FOR_CALLERS: [(&str, &str); 2] = [
    ("401", "No valid token was sent"),
    ("403", "The role, the scopes of the API token or its pipelines do not allow it"),
];
const FOR_API_TOKENS: [(&str, &str); 1] = [("429", "The API token has sent too many requests")];
const ALWAYS: [(&str, &str); 1] = [("default", "Any other problem")];

/// Gives every error its real media type, and lists the errors that extractors and layers return.
fn describe_problems(is_get: bool, operation: &mut Operation) {
    let body = operation.request_body.as_ref().and_then(|body| match body {
        RefOr::T(body) => Some(body),
        RefOr::Ref(_) => None,
    });
    let has_input = body.is_some() || operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty());
    let mut also: Vec<(&str, &str)> = ALWAYS.to_vec();
    let security = operation.security.as_deref().unwrap_or_default();
    also.extend(FOR_CALLERS.iter().filter(|_| !security.is_empty()));
    // The first of them is for the tokens of logins.
    also.extend(FOR_API_TOKENS.iter().filter(|_| security.len() > 1));
    // Every `GET` that needs a login or token refuses parameters that it does not know, also when it has none itself.
    also.extend(FOR_ANY_INPUT.iter().filter(|_| has_input || (is_get && !security.is_empty())));
    also.extend(FOR_A_BODY.iter().filter(|_| body.is_some()));
    also.extend(FOR_JSON.iter().filter(|_| body.is_some_and(|body| body.content.contains_key("application/json"))));
    let responses = &mut operation.responses.responses;
    for (status, description) in also {
        responses.entry(status.to_owned()).or_insert_with(|| Response::new(description).into());
    }
    let is_problem = |status: &str| status == "default" || status.starts_with(['4', '5']);
    for (_, response) in responses.iter_mut().filter(|(status, _)| is_problem(status)) {
        if let RefOr::T(response) = response {
            let schema = Ref::from_schema_name("Problem");
            response.content = [(PROBLEM.to_owned(), Content::new(Some(schema)).into())].into_iter().collect();
        }
    }
}

/// The operations of a path, and whether each is its `GET`.
fn operations(path: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let others = [&mut path.post, &mut path.put, &mut path.patch, &mut path.delete].into_iter().flatten();
    path.get.as_mut().map(|get| (true, get)).into_iter().chain(others.map(|other| (false, other)))
}

/// Handlers are short names within their resource; clients need one name an operation: `runs_start`.
fn name_after_resource(operation: &mut Operation) {
    let tag = operation.tags.iter().flatten().next();
    if let (Some(tag), Some(handler)) = (tag, &operation.operation_id) {
        operation.operation_id = Some(format!("{}_{handler}", tag.replace(' ', "_")));
    }
}
