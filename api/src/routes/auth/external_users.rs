//! The user here of a person at the identity provider. Users are known by issuer and subject; their role follows their
//! groups at every login.

use elt_shared::explained::Code;
use elt_shared::invisible::is_invisible;
use elt_shared::store::audit::{self, NewAuditRow};
use elt_shared::store::users::{self, Change, Identity, Role, User};
use elt_shared::store::{api_tokens, sessions};
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::AppState;
use crate::client::{ClientIp, RequestId};
use crate::error::Error;
use crate::oidc::id_token::IdClaims;
use crate::oidc::provider::ProviderError;
use crate::oidc::roles::role_of;
use crate::oidc::settings::Client;

/// Longest name of a user, in characters.
const LONGEST_NAME: usize = 100;

/// Why a login at the provider did not succeed. The login page has a sentence for each code.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The answer belongs to a login of another browser, or to one of more than ten minutes ago.
    #[error("the login was begun in another browser, or too long ago")]
    OtherBrowser,
    /// The answer comes from another provider.
    #[error("the answer comes from another provider")]
    OtherProvider,
    /// The provider did not log the person in.
    #[error("the provider did not log the person in")]
    Cancelled,
    /// The code was refused, or its ID token is not valid.
    #[error("the provider's answer is not valid")]
    Invalid,
    /// The provider does not answer.
    #[error("the provider does not answer")]
    Away,
    /// Too many logins at once.
    #[error("too many logins at once")]
    Busy,
    /// No group of the person has a role.
    #[error("no group of the person has a role")]
    NoRole,
    /// An admin locked the user out.
    #[error("the user is locked out")]
    Disabled,
    /// A fault of this installation.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Refusal {
    /// Code of the refusal in problem documents.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::OtherBrowser => Code::OtherBrowser,
            Self::OtherProvider => Code::OtherProvider,
            Self::Cancelled => Code::Cancelled,
            Self::Invalid => Code::InvalidAnswer,
            Self::Away => Code::ProviderAway,
            Self::Busy => Code::Busy,
            Self::NoRole => Code::NoRole,
            Self::Disabled => Code::Disabled,
            Self::Failed(_) => Code::Failed,
        }
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        let error = Error::from(error);
        tracing::error!(error = %error, "could not look for the user of a login at the identity provider");
        Self::Failed(error)
    }
}

impl From<ProviderError> for Refusal {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Away { .. } => Self::Away,
            ProviderError::CodeRefused | ProviderError::IdToken(_) => Self::Invalid,
        }
    }
}

/// The user of a person, added at the first login. A new user, another role and a refused login leave a row in the audit.
pub(super) async fn user_of(
    state: &AppState,
    client: &Client,
    claims: &IdClaims,
    (ip, request_id): (ClientIp, &RequestId),
) -> Result<User, Refusal> {
    let identity = Identity { issuer: &client.issuer, subject: &claims.sub };
    let role = role_of(claims.groups.as_ref(), client);
    let mut tx = state.db.begin().await?;
    let known = users::lock_external(&mut *tx, identity).await?;
    let name = known.as_ref().map_or_else(|| wished_name(claims), |user| user.username.clone());
    let role_before = known.as_ref().map(|user| user.role);
    let admitted = admit(&mut tx, identity, known, &name, role).await;
    let news = match &admitted {
        Ok(user) if role_before == Some(user.role) => None,
        Ok(user) => {
            let detail = json!({ "created": role_before.is_none(), "role": user.role.as_str() });
            Some(("done", user.username.as_str(), Some(format!("user {}", user.id)), detail))
        }
        Err(refusal @ (Refusal::NoRole | Refusal::Disabled)) => {
            Some(("denied", name.as_str(), None, json!({ "code": refusal.code().as_str() })))
        }
        Err(_) => None,
    };
    if let Some((outcome, actor, object, detail)) = news {
        let (ip, request_id) = (ip.to_string(), request_id.to_string());
        let action = "GET /auth/oidc/callback";
        let (ip, object, request_id) = (Some(ip.as_str()), object.as_deref(), Some(request_id.as_str()));
        let row = NewAuditRow { actor, ip, action, object, outcome, detail, request_id };
        audit::append(&mut tx, &state.keys, row).await?;
    }
    // A refused login changes the user, too: lost groups take the role at once.
    tx.commit().await?;
    admitted
}

async fn admit(
    db: &mut PgConnection,
    identity: Identity<'_>,
    known: Option<User>,
    name: &str,
    role: Option<Role>,
) -> Result<User, Refusal> {
    match (known, role) {
        (None, None) => Err(Refusal::NoRole),
        (None, Some(role)) => add(db, identity, name, role).await,
        (Some(user), None) => {
            if user.role == Role::Admin {
                set_role(db, &user, Role::User).await?;
            }
            sessions::end_all(&mut *db, user.id, None).await?;
            api_tokens::revoke_all(&mut *db, user.id).await?;
            Err(Refusal::NoRole)
        }
        (Some(user), Some(role)) => {
            let user = if user.role == role { user } else { set_role(db, &user, role).await? };
            if user.disabled { Err(Refusal::Disabled) } else { Ok(user) }
        }
    }
}

async fn set_role(db: &mut PgConnection, user: &User, role: Role) -> Result<User, Refusal> {
    let change = Change { role: Some(role), ..Change::default() };
    Ok(users::change(db, user.id, &change).await?.unwrap_or_else(|| user.clone()))
}

async fn add(db: &mut PgConnection, identity: Identity<'_>, name: &str, role: Role) -> Result<User, Refusal> {
    // A name that another user has is never shared: that user would be taken for this person.
    let name = match users::is_taken(&mut *db, name).await? {
        true => distinct_name(name, identity),
        false => name.to_owned(),
    };
    Ok(users::create_external(db, identity, &name, role).await?)
}

/// The name a person wishes for, as far as it can be a name here.
fn wished_name(claims: &IdClaims) -> String {
    let wished = [claims.preferred_username.as_deref(), claims.email.as_deref(), Some(claims.sub.as_str())];
    let usable = |name: &&str| !name.is_empty() && !name.contains(is_invisible) && !users::is_reserved(name);
    let name = wished.into_iter().flatten().map(str::trim).find(usable).unwrap_or("user");
    name.chars().take(LONGEST_NAME).collect()
}

/// A name with the beginning of a hash of the identity: the same one at every attempt.
fn distinct_name(name: &str, identity: Identity<'_>) -> String {
    let hash = Sha256::digest(format!("{}\n{}", identity.issuer, identity.subject));
    let short: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let name: String = name.chars().take(LONGEST_NAME - short.len() - 1).collect();
    format!("{name}-{short}")
}
