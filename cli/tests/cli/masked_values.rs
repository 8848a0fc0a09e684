//! Values that `shape.mask` hides are in no file of the data folder, whatever happens to their rows: not in the databases, the log,
//! the combined CSV, the work folders.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::canary::api::Api;
use crate::support::{Folder, PASSWORD, up};

/// A value of a masked column.
const VALUE: &str = "Kanarya9q";

const SHAPE: &str = "shape:
  clean: { email: lower }
  columns: { twice: price * 2 }
  mask: { email: hash, phone: last4 }
  mask_secret: correct-horse-battery
";

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(below).collect()
}

fn has_value(bytes: &[u8]) -> bool {
    let value = VALUE.to_lowercase().into_bytes();
    bytes.windows(value.len()).any(|window| window.eq_ignore_ascii_case(&value))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_masked_value_is_in_no_file_and_no_answer() {
    let folder = Folder::new();
    let up = up(&folder, &[("ELT_LOG", "trace")]);
    let admin = Api::log_in(&up.url, "admin", PASSWORD).await;
    // Rows that are loaded, that cannot be computed, that have too many cells, and that the schema refuses.
    let rows = format!(
        "id,email,phone,price\n1,{VALUE}@a,{VALUE}1234,2\n2,{VALUE}@b,1,{VALUE}\n3,{VALUE}@c,1,2,{VALUE}\nx,{VALUE}@d,{VALUE},4\n"
    );
    folder.write("in/rows.csv", &rows);
    folder.write(
        "in/rows.ndjson",
        &format!("{{\"id\": 9, \"email\": \"{VALUE}@e\", \"price\": \"{VALUE}\"}}\n{{\"email\": {VALUE}\n"),
    );
    let yaml = |name: &str, more: &str| {
        format!(
            "name: {name}\nsources: [{{type: local, settle_seconds: 0, path: in}}]\ntarget: {{table: {name}}}\n\
             monitor: {{enabled: false}}\nretry: {{max_attempts: 1}}\n{SHAPE}schema: {{id: int}}\n{more}"
        )
    };
    let mut ended = Vec::new();
    for (path, name, more) in [
        ("/configs/preview", "shown", ""),
        ("/configs/plan", "planned", "on_bad_row: quarantine\n"),
        ("/trigger-job", "loaded", "on_bad_row: quarantine\n"),
        ("/trigger-job", "refused", "on_bad_row: fail\n"),
    ] {
        let run = admin.post_yaml(path, &yaml(name, more)).await;
        let id = run["run_id"].as_str().or(run["id"].as_str()).unwrap_or_else(|| panic!("{run}")).to_owned();
        ended.push(admin.finished(&id).await);
        admin.get(&format!("/runs/{id}/logs")).await;
    }
    let rejected = |run: &Value| run["report"]["rows_quarantined"].as_u64();
    assert_eq!(
        (rejected(&ended[2]), &ended[2]["report"]["rows_inserted"]),
        (Some(5), &Value::from(1)),
        "{:#}",
        ended[2]
    );
    assert_eq!(ended[3]["state"], "failed", "{:#}", ended[3]);
    for path in ["/runs", "/logs", "/logs/search?limit=250", "/quarantine", "/overview"] {
        admin.get(path).await;
    }
    let said = up.stop();
    for (what, text) in admin.answers().into_iter().chain([("stderr".to_owned(), said)]) {
        assert!(!has_value(text.as_bytes()), "{what}: {text}");
    }
    let data = files(&folder.path().join("data"));
    assert!(data.iter().any(|path| path.ends_with("elt.log")) && data.len() > 500, "{} files", data.len());
    for path in data {
        assert!(!has_value(&fs::read(&path).unwrap_or_default()), "{}", path.display());
    }
}
