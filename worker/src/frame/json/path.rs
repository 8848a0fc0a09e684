//! `records:`: where in a JSON document the rows are.

/// One step into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A member of an object.
    Member(String),
    /// An element of an array.
    Element(usize),
}

/// Reads a JSON path: `data.items`, `$.data.items[*]`, `$['a.b'][0]`, or a JSON pointer `/data/items`.
/// `None` when it is none, or has a wildcard anywhere but at its end.
pub(super) fn parse(path: &str) -> Option<Vec<Step>> {
    if let Some(pointer) = path.strip_prefix('/') {
        let unescape = |step: &str| step.replace("~1", "/").replace("~0", "~");
        let step = |step: &str| step.parse().map_or_else(|_| Step::Member(unescape(step)), Step::Element);
        return Some(pointer.split('/').map(step).collect());
    }
    let path = path.trim();
    let path = path.strip_prefix('$').unwrap_or(path);
    let mut rest = path.strip_suffix("[*]").or(path.strip_suffix(".*")).unwrap_or(path);
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, after) = if let Some(inside) = rest.strip_prefix('[') {
            bracket(inside)?
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            let end = name.find(['.', '[']).unwrap_or(name.len());
            (Step::Member(name[..end].to_owned()), &name[end..])
        };
        if matches!(&step, Step::Member(name) if name.is_empty() || name == "*") {
            return None;
        }
        steps.push(step);
        rest = after;
    }
    Some(steps)
}

/// What stands in brackets: an index or a quoted name; and what follows.
fn bracket(inside: &str) -> Option<(Step, &str)> {
    let quote = inside.chars().next().filter(|first| matches!(first, '\'' | '"'));
    if let Some(quote) = quote {
        let (name, after) = inside[1..].split_once(quote)?;
        return Some((Step::Member(name.to_owned()), after.strip_prefix(']')?));
    }
    let (index, after) = inside.split_once(']')?;
    Some((Step::Element(index.parse().ok()?), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_in_the_usual_spellings() {
        let member = |name: &str| Step::Member(name.into());
        assert_eq!(parse("data.items"), Some(vec![member("data"), member("items")]));
        assert_eq!(parse("$.data.items[*]"), Some(vec![member("data"), member("items")]));
        assert_eq!(parse("$['a.b'][0].c"), Some(vec![member("a.b"), Step::Element(0), member("c")]));
        assert_eq!(parse("/data/0/a~1b"), Some(vec![member("data"), Step::Element(0), member("a/b")]));
        assert_eq!(parse("$"), Some(vec![]));
        assert_eq!(parse("$[*]"), Some(vec![]));
        for path in ["$.pages[*].items", "a..b", "a[", "a['x", "a[x]", "*.a"] {
            assert_eq!(parse(path), None, "{path}");
        }
    }
}
