//! Settings of logins at an identity provider.

use clap::Args;
use elt_shared::secret::Secret;
use elt_shared::settings::secret;
use reqwest::Url;

/// Where people log in who have no password here. All of it is set together, or none of it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Login at an identity provider (OpenID Connect)")]
pub struct OidcSettings {
    /// The provider's issuer URL. Its discovery document is at `/.well-known/openid-configuration` below it.
    #[arg(long, env = "ELT_OIDC_ISSUER")]
    pub oidc_issuer: Option<String>,
    /// The client id of this installation at the provider.
    #[arg(long, env = "ELT_OIDC_CLIENT_ID")]
    pub oidc_client_id: Option<String>,
    /// The client secret of this installation at the provider.
    #[arg(long, env = "ELT_OIDC_CLIENT_SECRET", hide_env_values = true, value_parser = secret)]
    pub oidc_client_secret: Option<Secret>,
    /// Groups at the provider whose members are admins, separated by commas.
    #[arg(long, env = "ELT_OIDC_ADMIN_GROUPS", value_delimiter = ',')]
    pub oidc_admin_groups: Vec<String>,
    /// Groups at the provider whose members have the role user, separated by commas. Other people may not log in.
    #[arg(long, env = "ELT_OIDC_USER_GROUPS", value_delimiter = ',')]
    pub oidc_user_groups: Vec<String>,
    /// Address of this installation. Filled in from the process's network settings.
    #[arg(skip)]
    pub public_url: Option<String>,
}

/// Why the settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidcSettingsError {
    /// Only some of them are set.
    #[error("a login at an identity provider also needs {0}")]
    Missing(&'static str),
    /// An address that cannot be used.
    #[error("{0} must be an https URL without user, query and fragment; http is for this machine's own addresses only")]
    Address(&'static str),
}

/// The settings, checked.
#[derive(Debug, Clone)]
pub struct Client {
    /// The issuer, exactly as the provider writes it.
    pub issuer: String,
    /// The client id.
    pub client_id: String,
    /// The client secret.
    pub client_secret: Secret,
    /// Groups whose members are admins.
    pub admin_groups: Vec<String>,
    /// Groups whose members are users.
    pub user_groups: Vec<String>,
    /// Address of this installation, without a slash at its end.
    pub public_url: Url,
}

impl OidcSettings {
    /// The settings, checked; `None`: no provider is set up.
    ///
    /// # Errors
    /// When only some of them are set, or an address cannot be used.
    pub fn client(&self) -> Result<Option<Client>, OidcSettingsError> {
        use OidcSettingsError::Missing;
        let Some(issuer) = given(self.oidc_issuer.as_ref()) else { return Ok(None) };
        safe_url(&issuer).ok_or(OidcSettingsError::Address("ELT_OIDC_ISSUER"))?;
        let client_id = given(self.oidc_client_id.as_ref()).ok_or(Missing("ELT_OIDC_CLIENT_ID"))?;
        let client_secret = self.oidc_client_secret.clone().ok_or(Missing("ELT_OIDC_CLIENT_SECRET"))?;
        let public_url = given(self.public_url.as_ref()).ok_or(Missing("ELT_PUBLIC_URL"))?;
        let public_url = safe_url(&public_url).ok_or(OidcSettingsError::Address("ELT_PUBLIC_URL"))?;
        let (admin_groups, user_groups) = (names(&self.oidc_admin_groups), names(&self.oidc_user_groups));
        if admin_groups.is_empty() && user_groups.is_empty() {
            return Err(Missing("ELT_OIDC_ADMIN_GROUPS or ELT_OIDC_USER_GROUPS, because nobody could log in"));
        }
        Ok(Some(Client { issuer, client_id, client_secret, admin_groups, user_groups, public_url }))
    }
}

fn given(text: Option<&String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn names(groups: &[String]) -> Vec<String> {
    groups.iter().map(|group| group.trim().to_owned()).filter(|group| !group.is_empty()).collect()
}

/// A URL to which secrets may be sent: https, or http to this machine.
pub fn safe_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let host = url.host_str()?.trim_matches(['[', ']']);
    let is_own = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_own);
    (is_plain && url.fragment().is_none() && is_safe).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> OidcSettings {
        OidcSettings {
            oidc_issuer: Some("https://login.example.com/realm".into()),
            oidc_client_id: Some("elt".into()),
            oidc_client_secret: Some("a client secret".into()),
            oidc_admin_groups: vec!["ops".into(), " ".into()],
            oidc_user_groups: Vec::new(),
            public_url: Some("https://elt.example.com".into()),
        }
    }

    #[test]
    fn the_settings_are_set_together_or_not_at_all() {
        assert!(OidcSettings::default().client().is_ok_and(|client| client.is_none()));
        assert!(settings().client().is_ok_and(|client| client.is_some_and(|client| client.admin_groups == ["ops"])));
        let no_groups = OidcSettings { oidc_admin_groups: vec![" ".into()], ..settings() };
        let no_address = OidcSettings { public_url: None, ..settings() };
        let no_secret = OidcSettings { oidc_client_secret: None, ..settings() };
        for incomplete in [no_groups, no_address, no_secret] {
            assert!(matches!(incomplete.client(), Err(OidcSettingsError::Missing(_))));
        }
    }

    #[test]
    fn secrets_travel_encrypted_or_within_the_machine() {
        for url in ["https://a.example", "http://127.0.0.1:3000", "http://[::1]:3000/realm", "http://localhost:1"] {
            assert!(safe_url(url).is_some(), "{url}");
        }
        for url in [
            "http://a.example",
            "http://localhost.a.example",
            "https://u@a.example",
            "ftp://a",
            "https://a/?x",
            "x",
            "",
        ] {
            assert!(safe_url(url).is_none(), "{url}");
        }
    }
}
