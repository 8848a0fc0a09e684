//! `auth: {type: oauth2}`: an access token of an OAuth 2.0 server (RFC 6749).

use super::jwt::{self, JwtBearer};
use super::send::{self, SEND_IN, SEND_NAME, SEND_SCHEME, SendToken};
use super::values::{http_url, pairs};
use crate::config::keys::{Choice, Key, Shape};
use crate::config::section::Section;
use crate::secret::Secret;

/// How an access token is got, and how it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuth2 {
    /// What the token is given for.
    pub grant: Grant,
    /// The token endpoint. It may contain a secret.
    pub token_url: Secret,
    /// The client's id.
    pub client_id: Option<String>,
    /// The client's secret.
    pub client_secret: Option<Secret>,
    /// How id and secret are sent.
    pub client_auth: ClientAuth,
    /// `scope`, one item a scope.
    pub scopes: Vec<String>,
    /// Further parameters of the token request, `audience` among them.
    pub params: Vec<(String, Secret)>,
    /// How the token is sent with requests to the API.
    pub send: SendToken,
}

/// What a token is given for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// The client's own id and secret.
    ClientCredentials,
    /// A refresh token. A server may answer with a new one, which is used from then on.
    RefreshToken(Secret),
    /// The name and password of a user.
    Password {
        /// Username of the person who owns the data.
        username: String,
        /// Password of that person.
        password: Secret,
    },
    /// Signed claims.
    JwtBearer(Box<JwtBearer>),
}

/// How a client's id and secret are sent to the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// `Authorization: Basic …`
    #[default]
    Basic,
    /// As `client_id` and `client_secret` in the form.
    Body,
}

impl Choice for ClientAuth {
    const WORDS: &'static [(&'static str, Self)] = &[("basic", Self::Basic), ("body", Self::Body)];
}

/// `grant`, before its own keys are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GrantWord {
    ClientCredentials,
    RefreshToken,
    Password,
    JwtBearer,
}

impl Choice for GrantWord {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("client_credentials", Self::ClientCredentials),
        ("refresh_token", Self::RefreshToken),
        ("password", Self::Password),
        ("jwt_bearer", Self::JwtBearer),
    ];
}

pub(super) const KEYS: &[Key] = &[
    Key::choice::<GrantWord>("grant", "What the token is given for. Default `client_credentials`."),
    Key::text("token_url", "The server's token endpoint, `http://` or `https://`.").required(),
    Key::text("client_id", "The client's id."),
    Key::secret("client_secret", "The client's secret."),
    Key::choice::<ClientAuth>(
        "client_auth",
        "How id and secret are sent: `basic`, in a header (default), or `body`, in the form.",
    ),
    Key::of("scopes", Shape::Texts, "What the token should be for, one or several."),
    Key::text("audience", "Sent as `audience`; for `jwt_bearer` the claim `aud`, which is `token_url` by default."),
    Key::of("params", Shape::Pairs, "Further parameters of the token request."),
    Key::secret("refresh_token", "For `refresh_token`: the first one. Each one that the server gives later is kept."),
    Key::text("username", "For `password`: the user.").or(&["user"]),
    Key::secret("password", "For `password`: the user's password."),
    jwt::PRIVATE_KEY,
    jwt::ALGORITHM,
    jwt::KEY_ID,
    jwt::ISSUER,
    jwt::SUBJECT,
    jwt::CLAIMS,
    SEND_IN,
    SEND_NAME,
    SEND_SCHEME,
];

/// Parameters that elt sets itself.
const OWN_PARAMS: [&str; 9] = [
    "grant_type",
    "client_id",
    "client_secret",
    "refresh_token",
    "username",
    "password",
    "assertion",
    "scope",
    "audience",
];

pub(super) fn read(section: &Section<'_>) -> Option<OAuth2> {
    let token_url = http_url(section.required("token_url")?);
    let client_id = section.filled_text("client_id");
    let client_secret = section.secret("client_secret").filter(|secret| !secret.expose().is_empty());
    let word = section.choice("grant").unwrap_or(GrantWord::ClientCredentials);
    refuse_other_keys(section, word);
    let grant = match word {
        GrantWord::ClientCredentials => {
            let missing = ["client_id", "client_secret"].into_iter().filter(|name| !section.wrote(name));
            missing.for_each(|name| section.problem(format!("missing key {name:?}")));
            Some(Grant::ClientCredentials)
        }
        GrantWord::RefreshToken => {
            section.required_text("refresh_token").map(|token| Grant::RefreshToken(Secret::new(token.trim())))
        }
        GrantWord::Password => {
            let (username, password) = (section.required_text("username"), section.required_text("password"));
            username.zip(password).map(|(username, password)| Grant::Password { username, password: password.into() })
        }
        GrantWord::JwtBearer => jwt::read(section, client_id.as_ref()).map(|claims| Grant::JwtBearer(Box::new(claims))),
    };
    let scopes = section.field("scopes").map_or(Some(Vec::new()), |field| field.texts());
    let params = parameters(section, word);
    let send = send::read(section);
    if client_secret.is_some() && client_id.is_none() {
        section.problem("client_id and client_secret belong together");
        return None;
    }
    Some(OAuth2 {
        grant: grant?,
        token_url: token_url?,
        client_id,
        client_secret,
        client_auth: section.choice("client_auth").unwrap_or_default(),
        scopes: scopes?,
        params: params?,
        send: send?,
    })
}

/// A key of another grant would have no effect, and is most likely a wrong `grant`.
fn refuse_other_keys(section: &Section<'_>, grant: GrantWord) {
    let of_others = [
        (GrantWord::RefreshToken, &["refresh_token"][..]),
        (GrantWord::Password, &["username", "password"]),
        (GrantWord::JwtBearer, &jwt::NAMES),
    ];
    for (other, names) in of_others.into_iter().filter(|(other, _)| *other != grant) {
        let word = GrantWord::WORDS.iter().find(|(_, grant)| *grant == other).map_or("", |(word, _)| *word);
        for field in names.iter().filter_map(|name| section.field(name)) {
            field.problem(format!("is a key of `grant: {word}`"));
        }
    }
}

fn parameters(section: &Section<'_>, grant: GrantWord) -> Option<Vec<(String, Secret)>> {
    let mut parameters = Vec::new();
    if let Some(audience) = section.filled_text("audience").filter(|_| grant != GrantWord::JwtBearer) {
        parameters.push(("audience".to_owned(), Secret::new(audience)));
    }
    if let Some(field) = section.field("params") {
        for (name, value) in field.pairs()? {
            if OWN_PARAMS.contains(&name) {
                value.problem(format!("{name} has a key of its own beside `params`"));
                return None;
            }
        }
        parameters.extend(pairs(field)?);
    }
    Some(parameters)
}
