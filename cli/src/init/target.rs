//! The server that `--target` names, as the keys of `target:`.

use elt_worker::extract::http::propose::quoted;
use reqwest::Url;

use crate::exit::{Exit, refuse};

/// The variable a config names instead of a password.
const PASSWORD_VARIABLE: &str = "TARGET_PASSWORD";

/// The lines below `table` of `target:`. A password is replaced by a variable.
pub fn lines(url: &str) -> anyhow::Result<String> {
    let wrong = |what: &str| {
        let next_step = "Write it like postgres://user@host:5432/database.";
        refuse(Exit::Usage, format!("--target {what}"), next_step)
    };
    let url = Url::parse(url).map_err(|_| wrong("is not a URL"))?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(wrong("does not begin with postgres://"));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("names no host"))?;
    let database = url.path().trim_matches('/');
    if database.is_empty() {
        return Err(wrong("names no database"));
    }
    let mut text = format!("  host: {}\n", quoted(host));
    if let Some(port) = url.port() {
        text.push_str(&format!("  port: {port}\n"));
    }
    text.push_str(&format!("  database: {}\n", quoted(&decoded(database))));
    if !url.username().is_empty() {
        text.push_str(&format!("  user: {}\n", quoted(&decoded(url.username()))));
    }
    if let Some((_, mode)) = url.query_pairs().find(|(name, _)| name == "sslmode") {
        text.push_str(&format!("  sslmode: {}\n", quoted(&mode)));
    }
    if url.password().is_some() {
        text.push_str(&format!("  password: \"${{env:{PASSWORD_VARIABLE}}}\"\n"));
        text.push_str(&format!(
            "  # ELT_ENV_ALLOW={PASSWORD_VARIABLE} on the workers lets the config name that variable.\n"
        ));
    }
    Ok(text)
}

/// A part of a URL without its percent escapes.
fn decoded(part: &str) -> String {
    // The parser of query strings undoes the same escapes, except that it takes `+` for a blank.
    let escaped = part.replace('+', "%2B");
    let pairs = Url::parse(&format!("http://h/?{escaped}"));
    pairs.ok().and_then(|url| Some(url.query_pairs().next()?.0.into_owned())).unwrap_or_else(|| part.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_replaced_by_a_variable() {
        let lines = |url: &str| lines(url).map_err(|error| error.to_string());
        assert_eq!(
            lines("postgres://load%40er:canary@db.example.com:5433/ware+house?sslmode=require").as_deref(),
            Ok(
                "  host: db.example.com\n  port: 5433\n  database: \"ware+house\"\n  user: \"load@er\"\n  sslmode: require\n  \
                password: \"${env:TARGET_PASSWORD}\"\n  # ELT_ENV_ALLOW=TARGET_PASSWORD on the workers lets the config \
                name that variable.\n"
            )
        );
        assert_eq!(lines("postgres://db/w").as_deref(), Ok("  host: db\n  database: w\n"));
        assert_eq!(lines("mysql://db/w").unwrap_err(), "--target does not begin with postgres://");
        assert_eq!(lines("postgres://db").unwrap_err(), "--target names no database");
    }
}
