//! The API's own description: OpenAPI 3.1 at `/openapi.json`, to try out at `/docs`.

use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi as _};
use utoipa_swagger_ui::SwaggerUi;

use crate::AppState;
use crate::error::Problem;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "elt",
        description = "Files, HTTP APIs and SFTP servers in; clean, deduplicated PostgreSQL tables out.\n\n\
                       Log in with `POST /auth/login` and send the token as `Authorization: Bearer …`. Every error is an \
                       RFC 9457 problem document. Lists are paged: send `next` back as `cursor`."
    ),
    components(schemas(Problem)),
    modifiers(&BearerToken)
)]
struct Description;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, openapi: &mut OpenApi) {
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// The description handlers add themselves to.
pub fn description() -> OpenApi {
    Description::openapi()
}

/// Serves the finished description and the page to try it out.
pub fn docs(mut openapi: OpenApi) -> Router<AppState> {
    openapi.paths.paths.values_mut().flat_map(operations).for_each(name_after_resource);
    SwaggerUi::new("/docs").url("/openapi.json", openapi).into()
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete].into_iter().flatten()
}

/// Handlers are short names within their resource; clients need one name an operation: `runs_start`.
fn name_after_resource(operation: &mut Operation) {
    let tag = operation.tags.iter().flatten().next();
    if let (Some(tag), Some(handler)) = (tag, &operation.operation_id) {
        operation.operation_id = Some(format!("{}_{handler}", tag.replace(' ', "_")));
    }
}
