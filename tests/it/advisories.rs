//! No crate of a build has a known vulnerability, by the snapshot of RustSec's advisories in `supply/`. `make supply`
//! asks for newer ones, with cargo-deny.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use semver::{Version, VersionReq};
use serde_json::Value;
use toml::Table;

use crate::dependencies::{deny, packages, root};

/// The TOML at the head of an advisory, between the two lines of backticks.
fn head(advisory: &str) -> Table {
    let text = advisory.strip_prefix("```toml").and_then(|rest| rest.split("```").next()).expect("an advisory's head");
    text.parse().expect("TOML")
}

/// The texts of a list, empty when the list is missing.
fn texts<'t>(table: Option<&'t toml::Value>, list: &str) -> Vec<&'t str> {
    let items = table.and_then(|table| table.get(list)).and_then(toml::Value::as_array);
    items.into_iter().flatten().filter_map(toml::Value::as_str).collect()
}

/// Whether an advisory tells of a danger for this version of its crate on Linux. Notices are not dangers, and neither is
/// the end of maintenance, which counts only for crates that the workspace names. A release candidate counts as its
/// release, because ranges of versions leave candidates out.
fn concerns(advisory: &Table, version: &Version) -> bool {
    let about = advisory.get("advisory");
    let text = |key: &str| about.and_then(|about| about.get(key)).and_then(toml::Value::as_str);
    if about.is_some_and(|about| about.get("withdrawn").is_some())
        || text("informational").is_some_and(|kind| kind != "unsound")
    {
        return false;
    }
    let systems = texts(advisory.get("affected"), "os");
    let release = Version::new(version.major, version.minor, version.patch);
    let versions = advisory.get("versions");
    let mut safe = texts(versions, "patched").into_iter().chain(texts(versions, "unaffected"));
    let is_safe = safe.any(|range| VersionReq::parse(range).expect("a range of versions").matches(&release));
    (systems.is_empty() || systems.contains(&"linux")) && !is_safe
}

/// Ids of advisories that `deny.toml` lists, each with the reason why it does not concern elt.
fn ignored() -> BTreeSet<String> {
    let deny = deny();
    let list = deny["advisories"]["ignore"].as_array().expect("a list");
    list.iter().map(|entry| entry["id"].as_str().expect("an id").to_owned()).collect()
}

/// Ids of the advisories that concern a package, as `rsa 0.9.10: RUSTSEC-2023-0071`.
fn advisories_of(package: &Value, advisories: &Path) -> Vec<String> {
    let name = package["name"].as_str().expect("a name");
    let version: Version = package["version"].as_str().expect("a version").parse().expect("a version");
    let Ok(files) = fs::read_dir(advisories.join(name)) else { return Vec::new() };
    let heads = files.map(|file| head(&fs::read_to_string(file.expect("a file").path()).expect("a text")));
    let dangers = heads.filter(|advisory| concerns(advisory, &version));
    dangers
        .map(|advisory| format!("{name} {version}: {}", advisory["advisory"]["id"].as_str().expect("an id")))
        .collect()
}

#[test]
fn no_crate_has_a_known_vulnerability() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = root().join("supply/advisories.tar.xz");
    let status = Command::new("tar").arg("-xJf").arg(archive).arg("-C").arg(folder.path()).status();
    assert!(status.expect("ran tar").success());
    let advisories = folder.path().join("advisory-db/crates");
    let found: Vec<String> = packages().iter().flat_map(|package| advisories_of(package, &advisories)).collect();
    let ignored = ignored();
    let is_ignored = |danger: &&String| ignored.iter().any(|id| danger.ends_with(id.as_str()));
    assert_eq!(found.iter().filter(|danger| !is_ignored(danger)).collect::<Vec<_>>(), Vec::<&String>::new());
    for id in &ignored {
        assert!(found.iter().any(|danger| danger.ends_with(id.as_str())), "{id} is ignored, and concerns no crate");
    }
}

#[test]
fn an_advisory_concerns_the_versions_that_are_neither_patched_nor_unaffected() {
    let of = |more: &str, versions: &str| -> Table {
        format!("[advisory]\nid = \"RUSTSEC-2026-0000\"\n{more}\n[versions]\n{versions}\n").parse().expect("TOML")
    };
    let concerns = |advisory: &Table, version: &str| concerns(advisory, &version.parse().expect("a version"));
    let patched = of("", "patched = [\">= 1.2.3\", \"^0.9.8\"]\nunaffected = [\"< 0.5\"]");
    for (version, expected) in
        [("1.2.2", true), ("1.2.3", false), ("1.2.3-rc.1", false), ("0.9.7", true), ("0.9.9", false), ("0.4.0", false)]
    {
        assert_eq!(concerns(&patched, version), expected, "{version}");
    }
    assert!(concerns(&of("", "patched = []"), "9.9.9"));
    assert!(concerns(&of("informational = \"unsound\"", "patched = []"), "1.0.0"));
    assert!(!concerns(&of("informational = \"unmaintained\"", "patched = []"), "1.0.0"));
    assert!(!concerns(&of("withdrawn = \"2026-01-01\"", "patched = []"), "1.0.0"));
    assert!(!concerns(&of("", "patched = []\n[affected]\nos = [\"windows\"]"), "1.0.0"));
    assert!(concerns(&of("", "patched = []\n[affected]\nos = [\"linux\", \"macos\"]"), "1.0.0"));
}
