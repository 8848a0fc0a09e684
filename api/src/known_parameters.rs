//! Refuses parameters of the query string that an endpoint does not know, because a filter that is ignored returns
//! everything. The API's own description says which parameters there are, so none can be forgotten here.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::{OpenApi, RefOr};

use crate::error::{Error, Result};

/// The parameters of each `GET` that needs a login, by its path. Endpoints for everyone take any parameter, because
/// browsers, identity providers and probes may add their own.
#[derive(Debug, Clone, Default)]
pub struct KnownParameters(Arc<HashMap<String, Vec<String>>>);

impl KnownParameters {
    /// The parameters that the description lists.
    pub fn of(description: &OpenApi) -> Self {
        let paths = description.paths.paths.iter();
        let gets = paths.filter_map(|(path, item)| Some((path, item.get.as_ref()?)));
        let for_users = gets.filter(|(_, get)| get.security.as_ref().is_some_and(|security| !security.is_empty()));
        let parameters = for_users.map(|(path, get)| {
            let parameters = get.parameters.iter().flatten().filter_map(|parameter| match parameter {
                RefOr::T(parameter) => Some(parameter),
                RefOr::Ref(_) => None,
            });
            let in_query = parameters.filter(|parameter| parameter.parameter_in == ParameterIn::Query);
            (path.clone(), in_query.map(|parameter| parameter.name.clone()).collect())
        });
        Self(Arc::new(parameters.collect()))
    }

    fn refuse_unknown(&self, path: &str, sent: &[(String, String)]) -> Result<()> {
        let Some(known) = self.0.get(path) else { return Ok(()) };
        let Some((unknown, _)) = sent.iter().find(|(name, _)| !known.contains(name)) else { return Ok(()) };
        let takes = if known.is_empty() { "no parameter".to_owned() } else { known.join(", ") };
        Err(Error::invalid_query(format!("unknown parameter {unknown:?}: GET {path} takes {takes}")))
    }
}

/// Refuses a request with an unknown parameter before its handler sees it.
pub async fn layer(
    State(known): State<KnownParameters>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Result<Response> {
    if request.method() == Method::GET
        && let Some(path) = path
        && let Ok(Query(sent)) = Query::<Vec<(String, String)>>::try_from_uri(request.uri())
    {
        known.refuse_unknown(path.as_str(), &sent)?;
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;

    #[test]
    fn a_misspelled_filter_is_refused_with_those_that_there_are() {
        let known = KnownParameters::of(&routes::router().into_openapi());
        let refused = |path: &str, name: &str| {
            let sent = [("limit".to_owned(), "1".to_owned()), (name.to_owned(), "x".to_owned())];
            known.refuse_unknown(path, &sent).err().map(|error| error.to_string())
        };
        assert_eq!(refused("/runs", "state"), None);
        assert_eq!(refused("/runs/{id}/logs", "level"), None);
        assert_eq!(refused("/metrics", "anything"), None, "it is for everyone");
        let said = refused("/runs", "sate").expect("it is refused");
        assert!(said.starts_with("unknown parameter \"sate\": GET /runs takes cursor, limit, state"), "{said}");
        let said = refused("/overview", "limit").expect("it is refused");
        assert_eq!(said, "unknown parameter \"limit\": GET /overview takes no parameter");
    }
}
