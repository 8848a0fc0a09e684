//! The data folder: what lost workers and earlier config versions left there goes, and nothing else.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use elt_shared::queue::retention::Kind;
use elt_worker::data_retention::{self, Removed};
use serde_json::Value;
use uuid::Uuid;

use crate::support::TestApp;

const DAY: Duration = Duration::from_secs(86_400);

async fn remove(app: &TestApp, kind: Kind) -> Removed {
    data_retention::remove(&app.db, &app.worker_settings, kind).await.expect("removed")
}

/// Makes a file or folder look as if it had been changed that long ago.
fn make_old(path: &Path, age: Duration) {
    let file = File::open(path).expect("it is there");
    file.set_modified(SystemTime::now() - age).expect("its time is set");
}

#[tokio::test]
async fn a_work_folder_goes_when_its_attempt_is_over_and_stays_while_it_may_not_be() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let spool = app.worker_settings.data_dir.join("spool");
    let mut folders = Vec::new();
    let mut folder = |run: &Value, epoch: i64, goes: bool| {
        let path = spool.join(format!("{}-{epoch}", run.as_str().expect("an id")));
        fs::create_dir_all(path.join("deeper")).expect("a folder");
        fs::write(path.join("deeper/api-0-1.json"), "downloaded").expect("a file");
        folders.push((path, goes));
    };
    let mut runs = Vec::new();
    for number in 0..4 {
        let yaml = app.yaml(&format!("t{number}"), "");
        runs.push(app.post("/trigger-job").yaml(&yaml).await.ok()["run_id"].clone());
    }
    let set = async |run: &Value, what: &str| {
        app.execute(&format!("update elt.runs set {what} where id = '{}'", run.as_str().expect("an id"))).await;
    };
    let attempt = async |run: &Value, epoch: i64, started: &str, finished: &str| {
        app.execute(&format!(
            "insert into elt.run_attempts (run_id, epoch, worker_id, started_at, finished_at)
             values ('{}', {epoch}, 'w', now() - interval '{started}', {finished})",
            run.as_str().expect("an id")
        ))
        .await;
    };
    let running = "state = 'running', worker_id = 'w', lease_expires_at = now()";
    // Over for long, and over just now.
    set(&runs[0], "state = 'failed', finished_at = now() - interval '11 minutes'").await;
    folder(&runs[0], 1, true);
    set(&runs[1], "state = 'failed', finished_at = now() - interval '5 minutes'").await;
    folder(&runs[1], 1, false);
    // At work in its third attempt; the first one was handed back, and nobody knows when the second one ended.
    set(&runs[2], &format!("{running}, epoch = 3")).await;
    attempt(&runs[2], 1, "3 hours", "now() - interval '2 hours'").await;
    attempt(&runs[2], 2, "2 hours", "null").await;
    attempt(&runs[2], 3, "1 hour", "null").await;
    folder(&runs[2], 1, true);
    folder(&runs[2], 2, true);
    folder(&runs[2], 3, false);
    // The next attempt began a moment ago: a worker that lost the run may not have noticed.
    set(&runs[3], &format!("{running}, epoch = 2")).await;
    attempt(&runs[3], 1, "1 hour", "null").await;
    attempt(&runs[3], 2, "1 minute", "null").await;
    folder(&runs[3], 1, false);
    folder(&runs[3], 2, false);
    // Runs that this control database does not know.
    for goes in [false, true] {
        folder(&Uuid::now_v7().to_string().into(), 1, goes);
    }
    let unknown = folders.last().expect("a folder").0.clone();
    make_old(&unknown, 15 * DAY);
    // Nothing of elt's.
    for name in ["notes", "01890000-0000-7000-8000-000000000000", "01890000-0000-7000-8000-000000000000-x"] {
        fs::create_dir_all(spool.join(name)).expect("a folder");
        make_old(&spool.join(name), 400 * DAY);
        folders.push((spool.join(name), false));
    }
    let link = spool.join(format!("{}-7", runs[0].as_str().expect("an id")));
    std::os::unix::fs::symlink(app.folder().path(), &link).expect("a link");
    // Downloads of ticks.
    for (name, age, goes) in [(".tmpOld", 2 * DAY, true), (".tmpNew", DAY / 2, false), ("kept", 2 * DAY, false)] {
        let path = spool.join("ticks").join(name);
        fs::create_dir_all(&path).expect("a folder");
        make_old(&path, age);
        folders.push((path, goes));
    }

    let removed = remove(&app, Kind::WorkFolders).await;
    for (path, goes) in &folders {
        assert_eq!(!path.exists(), *goes, "{}", path.display());
    }
    assert_eq!(removed.cleaned.removed as usize, folders.iter().filter(|(_, goes)| *goes).count());
    assert!(!removed.cleaned.behind && link.is_symlink() && app.folder().path().is_dir());
    assert_eq!(removed.left.rows, Some(5));
    assert_eq!(remove(&app, Kind::WorkFolders).await.cleaned.removed, 0);
}

#[tokio::test]
async fn combined_csvs_of_earlier_versions_go_and_files_that_no_run_wrote_stay() {
    let app = TestApp::start().await;
    // The worker's own turn does not come while this test looks.
    let host = nix::unistd::gethostname().expect("a host name").to_string_lossy().into_owned();
    let place = format!("{host}:{}", app.worker_settings.data_dir.display());
    app.execute(&format!(
        "insert into elt.retention (kind, place, held_until) values ('combined_csvs', '{place}', 'infinity')"
    ))
    .await;
    app.folder().write("a.csv", "id\n1\n");
    let output = app.worker_settings.data_dir.join("output");
    let mut csvs = Vec::new();
    for number in 0..6 {
        let yaml = app.yaml("people", &format!("name: people\n# {number}\n"));
        let started = app.post("/trigger-job").yaml(&yaml).await.ok();
        let run = app.finished(&started["run_id"]).await;
        csvs.push(Path::new(run["report"]["combined_csv"].as_str().expect("a path")).to_owned());
    }
    assert!(csvs.iter().all(|csv| csv.is_file() && csv.parent() == Some(&output)), "{csvs:?}");
    // A path that the config names is that of all its versions.
    let named = app.yaml("people", "name: people\noutput_csv_path: people-77777.csv\n");
    let started = app.post("/trigger-job").yaml(&named).await.ok();
    app.finished(&started["run_id"]).await;
    app.execute("update elt.output_paths set claimed_at = claimed_at - interval '1 day' where config_id is null").await;
    fs::write(&csvs[1], "somebody's own").expect("written over");
    let own = [output.join("notes.csv"), output.join("people-999999.csv"), output.join("people-77777.csv")];
    for path in &own[..2] {
        fs::write(path, "id\n").expect("written");
    }
    // Version 0 was used again: its file is not one of the oldest any more.
    let again = app.yaml("people", "name: people\n# 0\n");
    let started = app.post("/trigger-job").yaml(&again).await.ok();
    app.finished(&started["run_id"]).await;
    // Unfinished files: of a worker that was killed, of one at work, young, and of a path that elt does not know.
    let unfinished = |csv: &Path, digit: char| {
        let name = csv.file_name().expect("a name").to_string_lossy().into_owned();
        let path = csv.with_file_name(format!(".{name}.{}.elt-partial", digit.to_string().repeat(32)));
        fs::write(&path, "id\n").expect("written");
        path
    };
    let killed = unfinished(&csvs[5], 'a');
    let at_work = unfinished(&csvs[5], 'b');
    let young = unfinished(&csvs[5], 'c');
    let foreign = unfinished(&own[0], 'd');
    let locked = File::open(&at_work).expect("a file");
    locked.lock().expect("locked");
    for path in [&killed, &at_work, &foreign] {
        make_old(path, 2 * DAY);
    }

    let removed = remove(&app, Kind::CombinedCsvs).await;
    let there: Vec<bool> = csvs.iter().map(|csv| csv.exists()).collect();
    assert_eq!(there, [true, true, false, false, true, true]);
    assert_eq!(fs::read_to_string(&csvs[1]).expect("it is there"), "somebody's own");
    assert!(own.iter().all(|path| path.exists()));
    assert!(!killed.exists() && at_work.exists() && young.exists() && foreign.exists());
    assert_eq!((removed.cleaned.removed, removed.left.rows), (3, Some(7)));

    // A version that is used once more writes its file again.
    let again = app.yaml("people", "name: people\n# 2\n");
    let started = app.post("/trigger-job").yaml(&again).await.ok();
    let run = app.finished(&started["run_id"]).await;
    assert_eq!((&run["state"], csvs[2].exists()), (&"succeeded".into(), true), "{run:#}");
}
