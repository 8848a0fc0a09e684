//! Who is calling: the extractors that every protected handler names in its arguments.
//!
//! | extractor | people | API tokens |
//! |---|---|---|
//! | [`AnyUser`] | every role | refused |
//! | [`Admin`] | admins | refused |
//! | [`Allowed<A>`](Allowed) | the role of `A` | with the scope of `A`, unless they are bound to pipelines |
//! | [`OnPipelines<A>`](OnPipelines) | the role of `A` | with the scope of `A`; the handler checks each pipeline |
//!
//! A handler that names none of them answers without a login.

mod caller;
mod credentials;
pub(crate) mod ticket;

use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use elt_shared::api_token::Scope;
use elt_shared::store::users::Role;

use self::caller::other_pipeline;
use self::credentials::caller_of;
use crate::AppState;
use crate::error::{Error, Result};

pub use self::caller::{Caller, Credential};
pub use self::credentials::still_may;

/// Any person who is logged in. API tokens get a 403, everyone else a 401.
pub struct AnyUser(pub Caller);

/// An admin who is logged in. Other users and API tokens get a 403, everyone else a 401.
pub struct Admin(pub Caller);

/// What a handler asks of its callers.
pub trait Access {
    /// The role that a person, or the owner of an API token, needs.
    const ROLE: Role;
    /// The scope that an API token needs.
    const SCOPE: Scope;
}

macro_rules! access {
    ($($(#[$doc:meta])* $name:ident: $role:ident, $scope:ident;)+) => {$(
        $(#[$doc])*
        pub struct $name;

        impl Access for $name {
            const ROLE: Role = Role::$role;
            const SCOPE: Scope = Scope::$scope;
        }
    )+};
}

access! {
    /// Starting and stopping: admins, and tokens with the scope `trigger`.
    Trigger: Admin, Trigger;
    /// Looking at runs, schedules, configs and log lines: admins, and tokens with the scope `read`.
    Read: Admin, Read;
    /// Sending configs: every user, and tokens with the scope `upload`.
    Upload: User, Upload;
    /// Rows that every user may see: every user, and tokens with the scope `data`.
    Data: User, Data;
    /// Rows that only admins may see: admins, and tokens of admins with the scope `data`.
    AdminData: Admin, Data;
    /// The installation itself: admins, and tokens with the scope `admin`.
    Manage: Admin, Admin;
}

/// A caller with access `A` to the whole installation. API tokens that are bound to pipelines get a 403.
pub struct Allowed<A> {
    caller: Caller,
    access: PhantomData<A>,
}

/// A caller with access `A` to some pipelines. The handler checks the pipeline of everything it touches with
/// [`Caller::reach`], and shows only [`Caller::pipelines`] in lists.
pub struct OnPipelines<A> {
    caller: Caller,
    access: PhantomData<A>,
}

impl<A> Deref for Allowed<A> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<A> Deref for OnPipelines<A> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<S: Sync> FromRequestParts<S> for AnyUser
where
    AppState: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let caller = caller_of(parts, state).await?;
        caller.session()?;
        Ok(Self(caller))
    }
}

impl<S: Sync> FromRequestParts<S> for Admin
where
    AppState: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let AnyUser(caller) = AnyUser::from_request_parts(parts, state).await?;
        match caller.is_admin() {
            true => Ok(Self(caller)),
            false => Err(Error::Forbidden(Role::Admin.as_str())),
        }
    }
}

impl<S: Sync, A: Access> FromRequestParts<S> for OnPipelines<A>
where
    AppState: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let caller = caller_of(parts, state).await?;
        if A::ROLE == Role::Admin && !caller.is_admin() {
            return Err(Error::Forbidden(Role::Admin.as_str()));
        }
        caller.require(A::SCOPE)?;
        Ok(Self { caller, access: PhantomData })
    }
}

impl<S: Sync, A: Access> FromRequestParts<S> for Allowed<A>
where
    AppState: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let OnPipelines { caller, access } = OnPipelines::<A>::from_request_parts(parts, state).await?;
        match caller.pipelines() {
            None => Ok(Self { caller, access }),
            Some(_) => Err(other_pipeline("this concerns all pipelines, but the API token is bound to some of them")),
        }
    }
}
