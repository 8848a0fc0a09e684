//! A look at the first pages of an API.

use anyhow::Context;
use elt_shared::config::{ApiSource, SourceConfig};
use elt_worker::extract::ExtractContext;
use elt_worker::extract::http::propose::{self, References, Wish, quoted};

use super::config_of;
use crate::exit::{Exit, refuse};

/// What to ask the API with.
pub struct Look<'a> {
    pub address: &'a str,
    pub token: Option<&'a str>,
    /// `Name: value`, as they were given.
    pub headers: &'a [String],
}

impl Look<'_> {
    /// The config for what the API answers.
    pub async fn describe(&self, table: &str, target: &str, context: &ExtractContext) -> anyhow::Result<String> {
        let source = self.source()?;
        let proposal = propose::propose(0, &source, table, context).await;
        let proposal = proposal.map_err(|error| refuse(Exit::Failed, error.to_string(), error.next_step()))?;
        let wish = Wish {
            table: table.to_owned(),
            target: target.to_owned(),
            references: References::Environment,
            by: "`elt init`",
        };
        let text = proposal.config(&source, &wish).map_err(anyhow::Error::msg);
        text.context("could not write a config for what was found")
    }

    /// The source to ask, with its token and headers.
    fn source(&self) -> anyhow::Result<ApiSource> {
        let mut text = format!("sources:\n  - type: api\n    url: {}\n", quoted(self.address));
        if let Some(token) = self.token {
            text.push_str(&format!("    auth_token: {}\n", quoted(token)));
        }
        let headers = self.headers.iter().map(|header| split(header)).collect::<anyhow::Result<Vec<_>>>()?;
        for (index, (name, value)) in headers.iter().enumerate() {
            let key = if index == 0 { "    headers:\n" } else { "" };
            text.push_str(&format!("{key}      {}: {}\n", quoted(name), quoted(value)));
        }
        text.push_str("target: {table: t}\n");
        match config_of(&text)?.sources.pop() {
            Some(SourceConfig::Api(source)) => Ok(source),
            _ => Err(anyhow::Error::msg("could not read the URL")),
        }
    }
}

/// `Name: value`. The error does not repeat the header, because it may be a secret without its name.
fn split(header: &str) -> anyhow::Result<(&str, &str)> {
    let (name, value) = header.split_once(':').ok_or_else(|| {
        refuse(
            Exit::Usage,
            "a --header has no colon",
            "Write the name and the value: --header 'Accept: application/json'.",
        )
    })?;
    Ok((name.trim(), value.trim()))
}
