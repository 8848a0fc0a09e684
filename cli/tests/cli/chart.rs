//! The Helm chart: rendered by the real helm, and what its templates promise. `check.mjs` compares the manifests with the types
//! of Kubernetes, KEDA and Prometheus' operator.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml::Value;

use crate::operate::tools;
use crate::support::Folder;

fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").join("deploy/helm/elt")
}

/// Runs helm. Returns its output, or what it complained about.
fn helm(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(tools().join("helm")).args(arguments).current_dir(chart()).output().expect("ran helm");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stdout) + &text(&output.stderr)) }
}

fn template(more: &[&str]) -> Result<String, String> {
    helm(&[&["template", "elt", ".", "--namespace", "data"], more].concat())
}

/// Rendered manifests by kind and name: `Deployment/elt-api`.
fn manifests(more: &[&str]) -> BTreeMap<String, Value> {
    let rendered = template(more).unwrap_or_else(|problem| panic!("{more:?}: {problem}"));
    let documents = rendered.split("\n---").map(|document| serde_yaml::from_str::<Value>(document).expect("YAML"));
    let manifests = documents.filter(|manifest| !manifest.is_null());
    manifests
        .map(|manifest| (format!("{}/{}", text(&manifest["kind"]), text(&manifest["metadata"]["name"])), manifest))
        .collect()
}

const MINIMAL: [&str; 2] = ["--values", "ci/minimal.yaml"];
const FULL: [&str; 2] = ["--values", "ci/full.yaml"];

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value:?}"))
}

fn pod<'a>(manifests: &'a BTreeMap<String, Value>, name: &str) -> &'a Value {
    &manifests[name]["spec"]["template"]["spec"]
}

/// Environment variables of the only container.
fn settings(pod: &Value) -> BTreeMap<String, String> {
    let variables = pod["containers"][0]["env"].as_sequence().expect("variables");
    variables.iter().map(|one| (text(&one["name"]).to_owned(), text(&one["value"]).to_owned())).collect()
}

/// The files that the pod gets of the Secret.
fn secrets(pod: &Value) -> BTreeSet<&str> {
    let volumes = pod["volumes"].as_sequence().expect("volumes");
    let secret = volumes.iter().find(|volume| volume["name"] == "secrets").expect("the secrets");
    let items = secret["secret"]["items"].as_sequence().expect("items");
    items.iter().map(|item| text(&item["path"])).collect()
}

#[test]
fn every_example_of_values_is_linted_and_has_the_types_of_kubernetes() {
    let folder = Folder::new();
    let mut files = Vec::new();
    for values in ["minimal", "trial", "full"] {
        let file = format!("ci/{values}.yaml");
        helm(&["lint", "--strict", ".", "--values", &file]).unwrap_or_else(|problem| panic!("{values}: {problem}"));
        let rendered = template(&["--values", &file]).unwrap_or_else(|problem| panic!("{values}: {problem}"));
        files.push(folder.write(&format!("{values}.yaml"), &rendered));
    }
    let check = |files: &[PathBuf]| {
        let output = Command::new("node").arg(tools().join("check.mjs")).args(files).output().expect("ran node");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (is_right, said) = check(&files);
    assert!(is_right, "{said}");

    // The check itself finds a field that does not exist, deep inside, and a wrong type in somebody else's resource.
    let wrong = fs::read_to_string(&files[2]).expect("the manifests");
    let wrong = wrong
        .replace("readOnlyRootFilesystem", "readOnlyRoot")
        .replace("pollingInterval: 15", "pollingInterval: often");
    let (is_right, said) = check(&[folder.write("wrong.yaml", &wrong)]);
    assert!(!is_right && said.contains("readOnlyRoot") && said.contains("pollingInterval"), "{said}");
}

#[test]
fn what_must_be_given_is_asked_for_by_name() {
    for (given, asked) in [
        (&["--set", "secrets.existingSecret=mine"][..], "image.repository is required"),
        (&["--set", "image.repository=elt"], "secrets.existingSecret is required"),
        (&["--set", "image.repository=elt,secrets.values.ownerUrl=postgres://elt@db/elt"], "secrets.values.apiUrl"),
        (&[MINIMAL[0], MINIMAL[1], "--set", "ingress.enabled=true"], "ingress.host is required"),
        (
            &[MINIMAL[0], MINIMAL[1], "--set", "ingress.enabled=true,ingress.host=elt.example.com"],
            "ingress.tlsSecret is required",
        ),
    ] {
        let refused = template(given).expect_err("something is missing");
        assert!(refused.contains(asked), "{given:?}: {refused}");
    }
}

#[test]
fn a_misspelled_or_dangerous_value_is_refused() {
    for value in [
        "worker.conccurency=2",
        "api.replicas=none",
        "keda.minReplicas=0",
        "worker.queue=a'b",
        "settings.ELT_SECRET_KEY=not-in-values",
        "api.settings.ELT_METRICS_TOKEN=not-in-values",
        "worker.settings.ELT_FS_ROOTS=/",
        "settings.ELT_LOG=",
        "settings.PATH=/tmp",
        "image.digest=latest",
    ] {
        let refused = template(&[MINIMAL[0], MINIMAL[1], "--set", value]).expect_err(value);
        assert!(refused.contains("don't meet the specifications"), "{value}: {refused}");
    }
}

#[test]
fn each_pod_gets_only_its_own_secrets_and_may_write_only_to_its_volumes() {
    let manifests = manifests(&FULL);
    let jobs = ["Deployment/elt-api", "Deployment/elt-worker", "Job/elt-migrate"];
    let wanted = [
        &["api_url", "jwt_key", "secret_key", "target_url"][..],
        &["secret_key", "target_url", "worker_url"],
        &["owner_url"],
    ];
    for (name, wanted) in jobs.into_iter().zip(wanted) {
        let pod = pod(&manifests, name);
        assert_eq!(secrets(pod), wanted.iter().copied().collect(), "{name}");
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{name}");
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        let container = &pod["containers"][0];
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{name}");
        assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false, "{name}");
        assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL", "{name}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
        for (variable, value) in settings(pod) {
            assert!(!variable.ends_with("_FILE") || value.starts_with("/run/secrets/elt/"), "{name}: {variable}");
        }
    }
    let key = &manifests["Deployment/elt-api"]["spec"]["template"]["spec"]["volumes"][0]["secret"]["items"][0]["key"];
    assert_eq!(key, "serve-url", "a key of another name in the Secret");
}

#[test]
fn a_secret_is_made_only_from_values_and_outlives_the_release() {
    assert!(!manifests(&MINIMAL).keys().any(|name| name.starts_with("Secret/")));
    let trial = manifests(&["--values", "ci/trial.yaml"]);
    let secret = &trial["Secret/elt-secrets"];
    assert_eq!(secret["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    // Before the migration, which needs it.
    let weight = |manifest: &Value| {
        text(&manifest["metadata"]["annotations"]["helm.sh/hook-weight"]).parse::<i32>().expect("a number")
    };
    assert!(weight(secret) < weight(&trial["Job/elt-migrate"]));
    assert_eq!(secret["stringData"].as_mapping().expect("secrets").len(), 6);
}

#[test]
fn workers_follow_the_runs_and_get_their_grace_period() {
    let manifests = manifests(&FULL);
    let worker = &manifests["Deployment/elt-worker"];
    let pod = pod(&manifests, "Deployment/elt-worker");
    assert!(worker["spec"]["replicas"].is_null(), "KEDA decides");
    assert_eq!(pod["terminationGracePeriodSeconds"], 615);
    let settings = settings(pod);
    assert_eq!(settings["ELT_GRACE_PERIOD"], "600");
    assert_eq!(settings["ELT_CONCURRENCY"], "8");
    assert_eq!(settings["ELT_FS_ROOTS"], "/data/incoming:/data/archive", "the folders that are mounted, and no others");

    let scaled = &manifests["ScaledObject/elt-worker"]["spec"];
    assert_eq!(scaled["minReplicaCount"], 1);
    let trigger = &scaled["triggers"][0];
    assert_eq!(text(&trigger["metadata"]["targetQueryValue"]), settings["ELT_CONCURRENCY"]);
    assert_eq!(trigger["type"], "postgresql");
    let login = &manifests["TriggerAuthentication/elt-worker"]["spec"]["secretTargetRef"][0];
    assert_eq!(login["key"], "reader_url");

    let fixed = self::manifests(&MINIMAL);
    assert_eq!(fixed["Deployment/elt-worker"]["spec"]["replicas"], 2);
    assert!(!fixed.contains_key("ScaledObject/elt-worker"));
}

/// The query with which KEDA counts the runs that need a worker.
pub fn scaler_query() -> String {
    let manifests = manifests(&FULL);
    text(&manifests["ScaledObject/elt-worker"]["spec"]["triggers"][0]["metadata"]["query"]).to_owned()
}

#[test]
fn the_alerts_are_those_of_the_file() {
    let file = fs::read_to_string(chart().join("../../prometheus/alerts.yml")).expect("the alerts");
    let alerts: Value = serde_yaml::from_str(&file).expect("YAML");
    assert_eq!(manifests(&FULL)["PrometheusRule/elt"]["spec"], alerts);
}

#[test]
fn live_pages_pass_the_ingress_and_nothing_else_enters() {
    let manifests = manifests(&FULL);
    let ingress = &manifests["Ingress/elt"];
    assert_eq!(ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-buffering"], "off");
    assert_eq!(ingress["spec"]["tls"][0]["secretName"], "elt-tls");
    let ports = |manifests: &BTreeMap<String, Value>, policy: &str| -> Vec<String> {
        let rules = manifests[policy]["spec"]["ingress"].as_sequence().expect("rules");
        rules.iter().map(|rule| text(&rule["ports"][0]["port"]).to_owned()).collect()
    };
    assert_eq!(ports(&manifests, "NetworkPolicy/elt-api"), ["http", "metrics"]);
    assert_eq!(ports(&manifests, "NetworkPolicy/elt-worker"), ["metrics"]);
    let without_monitors = self::manifests(&MINIMAL);
    assert!(ports(&without_monitors, "NetworkPolicy/elt-worker").is_empty());
}

/// The leaves of values.yaml as a person writes them: `worker.spool.sizeLimit`.
fn leaves(prefix: &str, value: &Value, found: &mut Vec<String>) {
    match value.as_mapping() {
        Some(fields) if !fields.is_empty() && prefix != "ingress.annotations" && !prefix.ends_with("resources") => {
            for (name, value) in fields {
                let name = text(name);
                leaves(&if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }, value, found);
            }
        }
        _ => found.push(prefix.to_owned()),
    }
}

#[test]
fn every_value_is_in_the_readme() {
    let values = fs::read_to_string(chart().join("values.yaml")).expect("the values");
    let mut found = Vec::new();
    leaves("", &serde_yaml::from_str(&values).expect("YAML"), &mut found);
    let readme = fs::read_to_string(chart().join("README.md")).expect("the README");
    let missing: Vec<&String> = found.iter().filter(|name| !readme.contains(&format!("`{name}`"))).collect();
    assert_eq!(missing, Vec::<&String>::new());
}
