//! The person or program that sent a request, and what they may do.

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use elt_shared::api_token::Scope;
use elt_shared::explained::Code;
use elt_shared::store::api_tokens::ApiToken;
use elt_shared::store::configs::ConfigAuthor;
use elt_shared::store::users::{Role, User};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::session_tokens::Claims;

/// The user who is logged in, or in whose name an API token acts.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The user as the control database has them now, not as they were when the token was signed.
    pub user: User,
    /// What they sent to prove it.
    pub credential: Credential,
    name: String,
}

/// What a caller sent to prove who they are.
#[derive(Debug, Clone)]
pub enum Credential {
    /// The token of a login.
    Session(Claims),
    /// An API token.
    ApiToken(ApiToken),
}

impl Caller {
    pub(super) fn new(user: User, credential: Credential) -> Self {
        let name = match &credential {
            Credential::Session(_) => user.username.clone(),
            Credential::ApiToken(token) => format!("token:{}", token.name),
        };
        Self { user, credential, name }
    }

    /// Who did it, for people: the username, or `token:` and the name of the API token.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A key that only this caller has, for state that callers must not share. Unlike the name of a token, it is never
    /// used again.
    pub fn key(&self) -> String {
        match &self.credential {
            Credential::Session(_) => self.user.username.clone(),
            Credential::ApiToken(token) => format!("token:{}", token.id),
        }
    }

    /// What the audit keeps of an API token besides its name, which another token may have later.
    pub fn audit_detail(&self) -> Map<String, Value> {
        match &self.credential {
            Credential::Session(_) => Map::new(),
            Credential::ApiToken(token) => {
                Map::from_iter([("owner".into(), json!(token.owner)), ("token_id".into(), json!(token.id))])
            }
        }
    }

    /// The login, for what only people may do.
    ///
    /// # Errors
    /// 403 for an API token.
    pub fn session(&self) -> Result<&Claims> {
        match &self.credential {
            Credential::Session(claims) => Ok(claims),
            Credential::ApiToken(_) => Err(Error::refused(
                StatusCode::FORBIDDEN,
                Code::SessionOnly,
                "an API token may not do this, whatever its scopes",
                "Log in as a person and do it there.",
            )),
        }
    }

    /// When the session or the API token ends by itself.
    pub fn expires_at(&self) -> DateTime<Utc> {
        match &self.credential {
            Credential::Session(claims) => claims.expires_at(),
            Credential::ApiToken(token) => token.expires_at,
        }
    }

    /// Whether a notification with this id is about the user, the session or the API token.
    pub fn is_about(&self, id: Uuid) -> bool {
        let credential = match &self.credential {
            Credential::Session(claims) => claims.jti,
            Credential::ApiToken(token) => token.id,
        };
        id == self.user.id || id == credential
    }

    /// Whether they own pipelines.
    pub fn is_admin(&self) -> bool {
        self.user.role == Role::Admin
    }

    /// Whether they may do what this scope stands for: people by their role, API tokens also by their scopes.
    pub fn has(&self, scope: Scope) -> bool {
        let granted = match &self.credential {
            Credential::Session(_) => true,
            Credential::ApiToken(token) => token.scopes.0.contains(&scope),
        };
        granted && scope.is_open_to(self.user.role)
    }

    /// As whose a config counts that they send: an admin's, or that of a user. An API token without the scope `admin`
    /// counts as a user, because a token that leaks should not reach secrets.
    pub fn author(&self) -> ConfigAuthor {
        ConfigAuthor::of(self.has(Scope::Admin))
    }

    /// # Errors
    /// 403 when [`Caller::has`] denies it.
    pub fn require(&self, scope: Scope) -> Result<()> {
        match (self.has(scope), &self.credential) {
            (true, _) => Ok(()),
            (false, Credential::ApiToken(_)) if scope.is_open_to(self.user.role) => Err(Error::refused(
                StatusCode::FORBIDDEN,
                Code::MissingScope,
                format!("this needs an API token with the scope `{scope}`"),
                "Create a token that has it.",
            )),
            (false, _) => Err(Error::Forbidden(Role::Admin.as_str())),
        }
    }

    /// The pipelines that an API token is bound to; `None`: all of them.
    pub fn pipelines(&self) -> Option<&[String]> {
        match &self.credential {
            Credential::Session(_) => None,
            Credential::ApiToken(token) => token.pipelines.as_deref(),
        }
    }

    /// Whether they may touch this pipeline, as far as it depends on its name.
    pub fn reaches(&self, pipeline: &str) -> bool {
        self.pipelines().is_none_or(|bound| bound.iter().any(|name| name == pipeline))
    }

    /// # Errors
    /// 403 for an API token that is bound to other pipelines.
    pub fn reach(&self, pipeline: &str) -> Result<()> {
        match self.reaches(pipeline) {
            true => Ok(()),
            false => Err(other_pipeline("the API token is bound to other pipelines")),
        }
    }
}

pub(super) fn other_pipeline(detail: &str) -> Error {
    Error::refused(
        StatusCode::FORBIDDEN,
        Code::OtherPipeline,
        detail,
        "Use a token that is bound to this pipeline, or one that is not bound.",
    )
}
