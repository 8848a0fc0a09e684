//! Logins at an identity provider: OpenID Connect, authorization code flow with PKCE.
//!
//! - [`settings`]: the provider, and which groups have which role
//! - [`provider`]: calls to the provider: discovery, keys, and codes for ID tokens
//! - [`id_token`]: what makes an ID token valid
//! - [`attempt`]: one login on its way, kept in the browser's cookie
//! - [`roles`]: groups at the provider, and roles here

pub mod attempt;
pub mod id_token;
pub mod provider;
pub mod roles;
pub mod settings;
