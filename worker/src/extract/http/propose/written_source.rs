//! A source as YAML, with references in place of its secrets.

use std::fmt::Write;

use elt_shared::config::{ApiSource, AuthScheme, is_secret_header, is_secret_parameter, looks_secret, masked_path};
use reqwest::Url;

use super::yaml::quoted;

/// What a config names in place of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum References {
    /// `${env:API_TOKEN}`, a variable of the workers.
    Environment,
    /// `${secret:api_token}`, a secret that is kept in the installation.
    Secrets,
}

impl References {
    fn to(self, name: &str) -> String {
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let name = name.trim_matches('_').to_lowercase();
        let name = if name.starts_with("api") { name } else { format!("api_{name}") };
        match self {
            Self::Environment => format!("${{env:{}}}", name.to_uppercase()),
            Self::Secrets => format!("${{secret:{name}}}"),
        }
    }

    /// What must be done before the config can run with these references.
    fn note(self, written: &[String]) -> String {
        let names = written.iter().filter_map(|text| text.split_once(':')?.1.strip_suffix('}'));
        let names: Vec<&str> = names.collect();
        match self {
            Self::Environment => {
                format!(
                    "ELT_ENV_ALLOW={} on the workers lets the config name what stands in place of secrets.",
                    names.join(",")
                )
            }
            Self::Secrets => {
                format!("Store what stands in place of secrets first: {}.", names.join(", "))
            }
        }
    }
}

/// A source that is being written.
struct Writing {
    references: References,
    text: String,
    /// The references that were written.
    written: Vec<String>,
}

/// The lines of a source before `records`, from `type: api` on.
pub(super) fn lines(source: &ApiSource, references: References) -> String {
    let mut writing = Writing { references, text: "  - type: api\n".to_owned(), written: Vec::new() };
    let params = writing.url(source);
    writing.auth(source);
    let headers: Vec<(&str, String)> =
        source.headers.iter().map(|(name, value)| (name.as_str(), value.written())).collect();
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str(), is_secret_header(name)));
    writing.pairs("headers", headers.collect());
    let own = source.params.iter().map(|(name, value)| (name.clone(), value.written()));
    let params: Vec<(String, String)> = params.into_iter().chain(own).collect();
    let params = params.iter().map(|(name, value)| (name.as_str(), value.as_str(), is_secret(name, value)));
    writing.pairs("params", params.collect());
    if !writing.written.is_empty() {
        let note = references.note(&writing.written);
        let _ = writeln!(writing.text, "    # {note}");
    }
    writing.text
}

/// Whether a parameter is a secret, by its name or by the looks of its value.
fn is_secret(name: &str, value: &str) -> bool {
    is_secret_parameter(name) || looks_secret(value)
}

impl Writing {
    fn reference(&mut self, name: &str) -> String {
        let reference = self.references.to(name);
        if !self.written.contains(&reference) {
            self.written.push(reference.clone());
        }
        reference
    }

    fn line(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.text, "    {key}: {}", quoted(value));
    }

    /// Writes the URL. Returns the secrets of its query, which are written as parameters.
    fn url(&mut self, source: &ApiSource) -> Vec<(String, String)> {
        let written = source.url.written();
        let Ok(mut url) = Url::parse(&written) else {
            self.line("url", &written);
            return Vec::new();
        };
        if masked_path(url.path()) != url.path() {
            let reference = self.reference("url");
            self.line("url", &reference);
            return Vec::new();
        }
        let (user, password) = (url.username().to_owned(), url.password().is_some());
        // Both succeed for every URL with a host.
        let _ = (url.set_username(""), url.set_password(None));
        let pairs: Vec<(String, String)> =
            url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let (secret, open): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(name, value)| is_secret(name, value));
        if secret.is_empty() {
            // Otherwise the text of the query stays as it is.
        } else if open.is_empty() {
            url.set_query(None);
        } else {
            url.query_pairs_mut().clear().extend_pairs(open);
        }
        self.line("url", url.as_str());
        if password {
            // Some APIs take a key as the username.
            let user = if looks_secret(&user) { self.reference("username") } else { user };
            let reference = self.reference("password");
            let _ = writeln!(
                self.text,
                "    auth: {{ type: basic, username: {}, password: {} }}",
                quoted(&user),
                quoted(&reference)
            );
        }
        secret
    }

    fn auth(&mut self, source: &ApiSource) {
        if source.auth_token.is_none() {
            return;
        }
        let reference = self.reference("token");
        self.line("auth_token", &reference);
        match &source.auth_scheme {
            AuthScheme::Auto => {}
            AuthScheme::Bearer => self.line("auth_scheme", "bearer"),
            AuthScheme::Raw => self.line("auth_scheme", "raw"),
            AuthScheme::Basic => self.line("auth_scheme", "basic"),
            AuthScheme::Header(name) => {
                self.line("auth_scheme", "header");
                self.line("auth_header", name);
            }
        }
    }

    fn pairs(&mut self, key: &str, pairs: Vec<(&str, &str, bool)>) {
        if pairs.is_empty() {
            return;
        }
        let _ = writeln!(self.text, "    {key}:");
        for (name, value, secret) in pairs {
            let value = if secret { self.reference(name) } else { value.to_owned() };
            let _ = writeln!(self.text, "      {}: {}", quoted(name), quoted(&value));
        }
    }
}

#[cfg(test)]
mod tests {
    use elt_shared::config::{Document, NoReferences, SourceConfig};

    use super::*;

    fn written(source: &str, references: References) -> String {
        let yaml = format!("sources:\n  - {{type: api, {source}}}\ntarget: {{table: t}}\n");
        let mut config = Document::parse(&yaml).expect(&yaml).pipeline(&NoReferences).expect(&yaml).value;
        match config.sources.pop() {
            Some(SourceConfig::Api(api)) => lines(&api, references),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_secret_is_written() {
        let source = "url: \"https://ann:canary1@h/v1/orders?size=2&api_key=canary2\", auth_token: canary3, \
                      headers: {X-Key: canary4, Accept: application/json}, params: {sig: canary5, since: \"1\"}";
        let lines = [
            "  - type: api",
            "    url: \"https://h/v1/orders?size=2\"",
            "    auth: { type: basic, username: ann, password: \"${secret:api_password}\" }",
            "    auth_token: \"${secret:api_token}\"",
            "    headers:",
            "      X-Key: \"${secret:api_x_key}\"",
            "      Accept: application/json",
            "    params:",
            "      api_key: \"${secret:api_key}\"",
            "      sig: \"${secret:api_sig}\"",
            "      since: \"1\"",
            "    # Store what stands in place of secrets first: api_password, api_token, api_x_key, api_key, api_sig.",
        ];
        assert_eq!(written(source, References::Secrets).lines().collect::<Vec<_>>(), lines);
        let hook = written("url: \"https://h/bot123:aB3dE6gH9jK2mN5pQ/orders\"", References::Environment);
        assert!(hook.contains("url: \"${env:API_URL}\""), "{hook}");
        let unnamed =
            written("url: \"https://aB3dE6gH9jK2mN5pQ:x@h/orders?k=sk_live_canary6canary6\"", References::Secrets);
        assert!(!unnamed.contains("canary6") && !unnamed.contains("aB3dE6gH9jK2mN5pQ"), "{unnamed}");
        let plain = written("url: \"https://h/orders?page=1\"", References::Environment);
        assert_eq!(plain, "  - type: api\n    url: \"https://h/orders?page=1\"\n");
    }
}
