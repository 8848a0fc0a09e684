//! Links to the next page: in the `Link` header, or in the body.

use elt_shared::config::NextIs;
use reqwest::Url;
use reqwest::header::{HeaderMap, LINK};

use super::error::{HttpError, Result};
use super::url::shown;

/// Whether a value at `cursor_path` is the next page's address, not a cursor.
///
/// A cursor may contain `/` or begin with it, because base64 does. Such a value therefore counts as a link only when it
/// has a query, or when the config names no parameter that carries the cursor.
pub(super) fn is_link(value: &str, next_is: Option<NextIs>, names_a_param: bool) -> bool {
    match next_is {
        Some(next_is) => return next_is == NextIs::Link,
        None if is_absolute(value) => return true,
        None => {}
    }
    let starts = |starts: &[&str]| starts.iter().any(|start| value.starts_with(start));
    let has_query = value.split_once('?').is_some_and(|(_, query)| query.contains('='));
    let relative = has_query && !value.contains(char::is_whitespace);
    starts(&["?", "./", "../"]) || (starts(&["/"]) && (has_query || !names_a_param)) || (relative && !names_a_param)
}

fn is_absolute(value: &str) -> bool {
    Url::parse(value).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        && value.contains("://")
}

/// A link as a URL, resolved against the URL that answered.
///
/// # Errors
/// When it is not the address of an HTTP server.
pub(super) fn resolve(link: &str, answered: &Url) -> Result<Url> {
    let refuse = |reason: String| HttpError::BadLink { url: shown(answered), reason };
    let url = answered.join(link.trim()).map_err(|_| refuse("is not an address".into()))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        scheme => Err(refuse(format!("is a `{scheme}:` address"))),
    }
}

/// The target of `Link: <…>; rel="next"` (RFC 8288). An empty one counts as missing.
///
/// # Errors
/// As [`resolve`], and when a line names a next page in another form: it must not end the pages.
pub(super) fn next_link(headers: &HeaderMap, answered: &Url) -> Result<Option<Url>> {
    for value in headers.get_all(LINK) {
        let line = String::from_utf8_lossy(value.as_bytes());
        if let Some(target) = next_target(&line) {
            return if target.is_empty() { Ok(None) } else { resolve(target, answered).map(Some) };
        }
        if names_next(&line) {
            let reason = "is in a `Link` header that is not written like `<address>; rel=\"next\"`".into();
            return Err(HttpError::BadLink { url: shown(answered), reason });
        }
    }
    Ok(None)
}

/// The target of the first link with the relation `next` in a header line.
fn next_target(line: &str) -> Option<&str> {
    let mut rest = line;
    while let Some((target, after)) = rest.split_once('<').and_then(|(_, after)| after.split_once('>')) {
        let end = end_of_link(after);
        if is_next(&after[..end], &['"']) {
            return Some(target.trim());
        }
        rest = &after[end..];
    }
    None
}

/// Whether a header line without a readable next link has the relation `next` somewhere outside of addresses and quoted
/// texts.
fn names_next(line: &str) -> bool {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        rest = match after.find(['<', '>']) {
            Some(end) if after[end..].starts_with('>') => &after[end + 1..],
            _ => after,
        };
    }
    text.push_str(rest);
    is_next(&text.replace(',', ";"), &['"', '\''])
}

/// The end of a link's parameters: a comma outside of quotes, or the end of the text.
fn end_of_link(params: &str) -> usize {
    outside_quotes(params).find(|(_, character)| *character == ',').map_or(params.len(), |(at, _)| at)
}

/// The characters of a header line outside of quoted texts, without the quotes.
fn outside_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut quoted, mut escaped) = (false, false);
    text.char_indices().filter(move |(_, character)| match character {
        _ if escaped => {
            escaped = false;
            false
        }
        '\\' if quoted => {
            escaped = true;
            false
        }
        '"' => {
            quoted = !quoted;
            false
        }
        _ => !quoted,
    })
}

/// Whether a link has the relation `next`, in one of these kinds of quotes or in none.
fn is_next(params: &str, quotes: &[char]) -> bool {
    let cuts: Vec<usize> = outside_quotes(params).filter(|(_, c)| *c == ';').map(|(at, _)| at).collect();
    let starts = std::iter::once(0).chain(cuts.iter().map(|at| at + 1));
    let ends = cuts.iter().copied().chain(std::iter::once(params.len()));
    starts.zip(ends).filter_map(|(start, end)| params[start..end].split_once('=')).any(|(name, value)| {
        let kinds = value.trim().trim_matches(quotes);
        name.trim().eq_ignore_ascii_case("rel")
            && kinds.split_whitespace().any(|kind| kind.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered() -> Url {
        Url::parse("https://h.example:8443/api/v1/items?limit=2").expect("a url")
    }

    fn to(link: &str) -> String {
        resolve(link, &answered()).map_or_else(|error| error.to_string(), String::from)
    }

    #[test]
    fn a_link_is_resolved_against_the_url_that_answered() {
        assert_eq!(to("https://other.example/x?a=1"), "https://other.example/x?a=1");
        assert_eq!(to("/api/v1/items?page=2"), "https://h.example:8443/api/v1/items?page=2");
        assert_eq!(to("items?page=2"), "https://h.example:8443/api/v1/items?page=2");
        assert_eq!(to("?page=2"), "https://h.example:8443/api/v1/items?page=2");
        assert_eq!(to("./items/2"), "https://h.example:8443/api/v1/items/2");
        assert_eq!(to("../v2/items"), "https://h.example:8443/api/v2/items");
        assert_eq!(to("//other.example/x"), "https://other.example/x");
        let refused = "the next page that https://h.example:8443/api/v1/items names";
        assert_eq!(to("file:///etc/passwd"), format!("{refused} is a `file:` address"));
        assert_eq!(to("https://"), format!("{refused} is not an address"));
    }

    #[test]
    fn the_form_tells_links_from_cursors() {
        let link = |value: &str, names_a_param| is_link(value, None, names_a_param);
        for value in ["http://h/x", "https://h/x?a=b", "?page=2", "./x", "../x", "/x?page=2"] {
            assert!(link(value, false) && link(value, true), "{value}");
        }
        for value in ["/x/page/2", "/", "items?page=2"] {
            assert!(link(value, false) && !link(value, true), "{value}");
        }
        for cursor in ["42", "a b", "abc/def==", "eyJpZCI6MX0=", "urn:x:1", "s:12", "a=b", "what?", "a b?c=d", "http:x"]
        {
            assert!(!link(cursor, false) && !link(cursor, true), "{cursor}");
        }
        assert!(!link("/9j/4AAQSkZJRg==", true), "base64 may begin with a slash");
        assert!(is_link("page2.json", Some(NextIs::Link), true));
        assert!(!is_link("https://h/x", Some(NextIs::Cursor), false));
    }

    #[test]
    fn the_header_is_read_with_all_its_oddities() {
        let next = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(LINK, line.parse().expect("a header"));
            }
            next_link(&headers, &answered()).expect("a link").map(String::from)
        };
        let at = |path: &str| Some(format!("https://h.example:8443{path}"));
        assert_eq!(
            next(&[r#"</p?page=1>; rel="prev", </p?a=1,2;3&page=3>; rel="next"; title="x""#]),
            at("/p?a=1,2;3&page=3")
        );
        assert_eq!(next(&["</p?page=2>; REL=Next"]), at("/p?page=2"));
        assert_eq!(next(&["</p>;rel=next,</q>;rel=last"]), at("/p"));
        assert_eq!(next(&[r#"</x>; rel="last next""#]), at("/x"));
        assert_eq!(next(&[r#"</a>; title="<b>, \" ; rel=next"; rel=prev, </c>; title="<d>"; rel=next"#]), at("/c"));
        assert_eq!(next(&["</a>; rel=prev", "<?page=2>; rel=next"]), at("/api/v1/items?page=2"));
        assert_eq!(next(&[r#"</p?page=1>; rel="prev""#]), None);
        assert_eq!(next(&["<>; rel=next"]), None);
        let mut headers = HeaderMap::new();
        headers.append(LINK, "<mailto:a@b>; rel=next".parse().expect("a header"));
        assert!(next_link(&headers, &answered()).is_err(), "never the end in silence");
        for unreadable in [
            "https://h.example/p?page=2; rel=\"next\"",
            "</p?page=2>; rel='next'",
            "</p?page=1>; rel=\"prev\", /p?page=3; rel=next",
            "</p?page=2; rel=\"next\", </p?page=9>; rel=\"last\"",
        ] {
            let mut headers = HeaderMap::new();
            headers.append(LINK, unreadable.parse().expect("a header"));
            let told = next_link(&headers, &answered()).map_err(|error| error.to_string());
            assert!(told.as_ref().is_err_and(|told| told.contains("`Link` header")), "{unreadable}: {told:?}");
        }
        assert_eq!(next(&[r#"</a;rel=next>; rel=prev; title="b; rel=next, <c>; rel=next""#]), None);
    }
}
