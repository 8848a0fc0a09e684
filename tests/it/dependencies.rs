//! Where the dependencies come from, and that a release names them all. `make supply` checks more, with cargo-deny.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
const NPM: &str = "https://registry.npmjs.org/";

/// The folder of the workspace.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

/// A text file of the workspace.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

fn cargo(arguments: &[&str]) -> String {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program).args(arguments).args(["--offline", "--locked"]).current_dir(root()).output();
    let output = output.expect("ran cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What cargo knows of the packages of a build for this machine, as JSON.
pub fn metadata() -> String {
    cargo(&["metadata", "--format-version", "1", "--filter-platform", host().as_str()])
}

/// The packages of a build for this machine. `cargo metadata` lists more: packages that an optional dependency would need
/// which no enabled feature asks for.
pub fn packages() -> Vec<Value> {
    let host = host();
    let tree = cargo(&["tree", "--workspace", "--edges", "normal,build,dev", "--prefix", "none", "--target", &host]);
    let in_build = |name: &str, version: &str| {
        let line = format!("{name} v{version}");
        tree.lines().any(|built| built.strip_prefix(&line).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')))
    };
    let metadata: Value = serde_json::from_str(&metadata()).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages").iter().filter(|package| {
        in_build(package["name"].as_str().expect("a name"), package["version"].as_str().expect("a version"))
    });
    let packages: Vec<Value> = packages.cloned().collect();
    assert!(packages.iter().any(|package| package["name"] == "elt-worker"), "the workspace itself");
    packages
}

fn host() -> String {
    let said = Command::new("rustc").arg("-vV").output().expect("ran rustc").stdout;
    let said = String::from_utf8(said).expect("UTF-8");
    said.lines().find_map(|line| line.strip_prefix("host: ")).expect("the host").to_owned()
}

/// Crates of a lock file that come from elsewhere than crates.io, or without a hash.
fn foreign_crates(lock: &str) -> Vec<&str> {
    let value = |entry: &'_ str, key: &str| -> Option<String> {
        let start = format!("{key} = \"");
        Some(entry.lines().find_map(|line| line.strip_prefix(&start))?.trim_end_matches('"').to_owned())
    };
    let is_foreign = |entry: &&str| match value(entry, "source") {
        // A crate of this workspace.
        None => !value(entry, "name").is_some_and(|name| name.starts_with("elt")),
        Some(source) => source != CRATES_IO || value(entry, "checksum").is_none(),
    };
    lock.split("[[package]]").skip(1).filter(is_foreign).collect()
}

/// Whether a licence expression can be met with allowed licences. `/` is the old way to write `OR`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace(['(', ')'], " ").replace('/', " OR ");
    let all = |alternative: &str| alternative.split(" AND ").all(|licence| allowed.contains(licence.trim()));
    expression.split(" OR ").any(all)
}

/// What `deny.toml` says about dependencies.
pub fn deny() -> toml::Table {
    read("deny.toml").parse().expect("TOML")
}

fn allowed_licences() -> BTreeSet<String> {
    let deny = deny();
    let list = deny["licenses"]["allow"].as_array().expect("a list");
    list.iter().map(|licence| licence.as_str().expect("a text").to_owned()).collect()
}

/// Packages of npm's lock file that come from elsewhere than npm's registry, or without a hash.
fn foreign_packages(lock: &Value) -> Vec<&String> {
    let packages = lock["packages"].as_object().expect("packages");
    let is_foreign = |entry: &Value| {
        let text = |key: &str| entry[key].as_str().unwrap_or_default();
        // Without an address the package comes from npm's registry.
        let is_from_npm = entry.get("resolved").is_none() || text("resolved").starts_with(NPM);
        !is_from_npm || !text("integrity").starts_with("sha512-")
    };
    packages.iter().filter(|(path, entry)| !path.is_empty() && is_foreign(entry)).map(|(path, _)| path).collect()
}

#[test]
fn crates_come_from_crates_io_and_packages_from_npm_each_with_a_hash() {
    assert_eq!(foreign_crates(&read("Cargo.lock")), Vec::<&str>::new());
    let lock = serde_json::from_str(&read("dashboard/package-lock.json")).expect("JSON");
    assert_eq!(foreign_packages(&lock), Vec::<&String>::new());

    let git = "[[package]]\nname = \"sqlx\"\nversion = \"1.0.0\"\nsource = \"git+https://example.com/sqlx\"\n";
    let mirror = "[[package]]\nname = \"sqlx\"\nsource = \"registry+https://example.com/index\"\nchecksum = \"00\"\n";
    let copied = "[[package]]\nname = \"sqlx\"\nversion = \"1.0.0\"\n";
    for lock in [git, mirror, copied] {
        assert_eq!(foreign_crates(lock).len(), 1, "{lock}");
    }
    let lock = serde_json::json!({"packages": {
        "": {},
        "a": {"resolved": "https://example.com/a.tgz", "integrity": "sha512-x"},
        "b": {"resolved": "https://registry.npmjs.org/b.tgz", "integrity": "sha1-x"},
        "c": {"resolved": "git+ssh://git@github.com/c/c.git#0"},
    }});
    assert_eq!(foreign_packages(&lock), ["a", "b", "c"]);
}

#[test]
fn every_licence_is_one_that_was_allowed() {
    let allowed = allowed_licences();
    for package in packages() {
        let name = package["name"].as_str().expect("a name");
        match package["license"].as_str() {
            Some(licence) => assert!(is_allowed(licence, &allowed), "{name}: {licence}"),
            None => assert!(package["license_file"].is_string(), "{name} has no licence"),
        }
    }
    for (expression, expected) in [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0-only OR MIT", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("GPL-3.0-only", false),
        ("MIT AND AGPL-3.0-or-later", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

/// Dependencies that no source file names, because only their features count. The workspace's `Cargo.toml` says why.
const ONLY_FOR_FEATURES: [&str; 1] = ["polars-core"];

/// The names in the sections of a manifest whose headings end with `dependencies]`, as `name = …` or `name.workspace`.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut is_dependency = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_dependency = line.ends_with("dependencies]");
        } else if is_dependency && let Some((name, _)) = line.split_once(['.', ' ']).filter(|(name, _)| *name != "#") {
            names.push(name);
        }
    }
    names
}

/// All Rust code below a folder, without lines that are comments.
fn code_below(folder: &Path, code: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            code_below(&entry, code);
        } else if entry.extension().is_some_and(|suffix| suffix == "rs") {
            let text = fs::read_to_string(&entry).expect("a source file");
            for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                code.push_str(line);
                code.push('\n');
            }
        }
    }
}

/// Whether code names a crate: the name as a word of its own.
fn names_crate(code: &str, dependency: &str) -> bool {
    let is_part_of_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let name = dependency.replace('-', "_");
    code.match_indices(&name).any(|(start, _)| {
        !code[..start].ends_with(is_part_of_word) && !code[start + name.len()..].starts_with(is_part_of_word)
    })
}

#[test]
fn every_dependency_is_used_by_the_crate_that_has_it() {
    let workspace = read("Cargo.toml");
    let members = workspace.lines().find_map(|line| line.strip_prefix("members = ")).expect("the members");
    let mut needed = BTreeSet::new();
    let mut unused = Vec::new();
    for member in members.split('"').skip(1).step_by(2) {
        let manifest = read(&format!("{member}/Cargo.toml"));
        let mut code = String::new();
        code_below(&root().join(member), &mut code);
        for name in dependencies(&manifest) {
            needed.insert(name.to_owned());
            if !names_crate(&code, name) && !ONLY_FOR_FEATURES.contains(&name) {
                unused.push(format!("{member}: {name}"));
            }
        }
    }
    let without_user = dependencies(&workspace).into_iter().filter(|name| !needed.contains(*name));
    unused.extend(without_user.map(|name| format!("Cargo.toml: {name}")));
    assert_eq!(unused, Vec::<String>::new(), "dependencies that no code names");

    let manifest =
        "[package]\nname = \"a\"\n[dependencies]\nserde-json.workspace = true\n# b.c\nd = \"1\"\n[lib]\ne = 1\n";
    assert_eq!(dependencies(manifest), ["serde-json", "d"]);
    assert!(names_crate("use serde_json::Value;", "serde-json") && !names_crate("my_serde_json::x", "serde-json"));
}

#[test]
fn no_banned_crate_is_locked() {
    let deny = deny();
    let list = deny["bans"]["deny"].as_array().expect("a list");
    let banned: Vec<&str> = list.iter().map(|entry| entry["name"].as_str().expect("a name")).collect();
    assert!(banned.contains(&"openssl"), "{banned:?}");
    let lock = read("Cargo.lock");
    let locked: Vec<&&str> = banned.iter().filter(|name| lock.contains(&format!("\nname = \"{name}\"\n"))).collect();
    assert_eq!(locked, Vec::<&&str>::new());
}

#[test]
fn a_releases_bill_of_materials_names_every_crate_of_the_program() {
    let mut command = Command::new("node");
    command.args(["scripts/sbom.mjs", "1.2.3"]).current_dir(root()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = command.spawn().expect("started node");
    let mut stdin = node.stdin.take().expect("stdin");
    let writer = std::thread::spawn(move || stdin.write_all(metadata().as_bytes()));
    let output = node.wait_with_output().expect("node ended");
    writer.join().expect("no panic").expect("wrote");
    let bill: Value = serde_json::from_slice(&output.stdout).expect("JSON");

    // What the JSON schema of CycloneDX 1.5 requires.
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert!(bill["version"].as_u64().is_some_and(|version| version >= 1));
    let program = &bill["metadata"]["component"];
    assert_eq!(
        (&program["type"], &program["name"], &program["version"]),
        (&"application".into(), &"elt".into(), &"1.2.3".into())
    );
    let components = bill["components"].as_array().expect("components");
    let text = |component: &Value, key: &str| component[key].as_str().unwrap_or_default().to_owned();
    let mut references = BTreeSet::from([text(program, "bom-ref")]);
    for component in components {
        assert!(component["type"] == "library" && !text(component, "name").is_empty(), "{component}");
        assert!(references.insert(text(component, "bom-ref")), "twice: {component}");
        let is_ours = text(component, "name").starts_with("elt-");
        assert!(
            is_ours || component["hashes"][0]["content"].as_str().is_some_and(|hash| hash.len() == 64),
            "{component}"
        );
    }
    for dependency in bill["dependencies"].as_array().expect("dependencies") {
        assert!(references.contains(&text(dependency, "ref")), "{dependency}");
        for other in dependency["dependsOn"].as_array().expect("a list") {
            assert!(references.contains(other.as_str().expect("a reference")), "{dependency}");
        }
    }

    let named: BTreeSet<String> = components
        .iter()
        .map(|component| format!("{} v{}", text(component, "name"), text(component, "version")))
        .collect();
    let tree = cargo(&["tree", "-p", "elt", "-e", "normal,build", "--prefix", "none", "--format", "{p}"]);
    let linked = tree.lines().filter(|line| !line.is_empty()).map(|line| {
        let mut words = line.split(' ');
        format!("{} {}", words.next().unwrap_or_default(), words.next().unwrap_or_default())
    });
    let missing: Vec<String> = linked.filter(|name| !name.starts_with("elt v") && !named.contains(name)).collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn no_place_installs_npm_packages_with_their_scripts() {
    for path in ["scripts/dashboard.sh", "deploy/Dockerfile", "dashboard/README.md"] {
        for line in read(path).lines().filter(|line| line.contains("npm ci") && !line.starts_with('#')) {
            assert!(line.contains("--ignore-scripts"), "{path}: {line}");
        }
    }
}

#[test]
fn secrets_are_in_no_commit_and_in_no_image() {
    let git_ignores = |path: &str| {
        let status = Command::new("git").args(["check-ignore", "-q", "--no-index", path]).current_dir(root()).status();
        status.expect("ran git").success()
    };
    for path in
        ["deploy/.env", ".env", "prod.env", "deploy/secrets/jwt_key", "keys.json", "a/b/passwords.json", "tls/key.pem"]
    {
        assert!(git_ignores(path), "{path}");
    }
    assert!(!git_ignores("deploy/.env.example") && !git_ignores("deploy/secrets/README.md"));
    let docker = read(".dockerignore");
    for pattern in ["**/.env", "**/*.env", "**/keys.json", "**/passwords.json", "**/*.pem", "deploy/secrets", ".git"] {
        assert!(docker.lines().any(|line| line == pattern), "{pattern}");
    }
}

#[test]
fn no_service_of_the_compose_file_has_a_password_that_is_known_or_empty() {
    let compose = read("deploy/compose.yaml");
    let settings = compose.lines().filter_map(|line| line.trim_start().split_once(':'));
    let named = |name: &str| ["PASSWORD", "SECRET", "TOKEN", "_KEY"].iter().any(|word| name.contains(word));
    let is_setting = |name: &str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let secrets: Vec<_> = settings.filter(|(name, _)| is_setting(name) && named(name)).collect();
    assert!(secrets.iter().any(|(name, _)| name.starts_with("GF_SECURITY_ADMIN_PASSWORD")), "{secrets:?}");
    for (name, value) in secrets {
        assert!(name.ends_with("_FILE") && value.trim().starts_with("/run/secrets/"), "{name}: {value}");
    }
}

#[test]
fn the_compose_file_trusts_its_proxy() {
    let compose = read("deploy/compose.yaml");
    assert!(compose.contains("ELT_TRUSTED_PROXIES: "), "all people would share one limit of failed logins");
}
