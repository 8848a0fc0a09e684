//! Folders with everything in them that a folder can have.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use elt_shared::config::{FileOptions, LocalSource};
use tokio_util::sync::CancellationToken;

use super::Listing;
use crate::error::{PipelineError, Result};
use crate::extract::{Extracted, LeftOutKind, YoungFiles};
use crate::input::{Compression, Format};
use crate::roots::Roots;

/// A folder, the roots, and the source that is listed.
struct Case {
    folder: tempfile::TempDir,
    source: LocalSource,
    roots: Roots,
    never: Vec<std::path::PathBuf>,
}

impl Case {
    fn new(path: &str) -> Self {
        let source = LocalSource {
            path: path.into(),
            glob: None,
            recursive: false,
            files: FileOptions::default(),
            settle_seconds: 0,
        };
        Self { folder: tempfile::tempdir().expect("a folder"), source, roots: Roots::default(), never: Vec::new() }
    }

    fn file(self, path: &str) -> Self {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, "a\n1\n").expect("a file");
        self
    }

    fn source(mut self, change: impl FnOnce(&mut LocalSource)) -> Self {
        change(&mut self.source);
        self
    }

    fn base(&self) -> &Path {
        self.folder.path()
    }

    fn list(&self) -> Result<Extracted> {
        let scope = super::Scope {
            base: self.folder.path(),
            roots: &self.roots,
            never: &self.never,
            stop: &CancellationToken::new(),
            young: YoungFiles::LeaveOut,
        };
        Listing::new(0, &self.source, scope).list().map(|listed| listed.extracted)
    }

    fn names(&self) -> Vec<String> {
        self.list().expect("a listing").files.into_iter().map(|file| file.name).collect()
    }

    fn left_out(&self) -> Vec<(String, LeftOutKind)> {
        self.list().expect("a listing").left_out.into_iter().map(|left| (left.name, left.kind)).collect()
    }

    fn code(&self) -> String {
        self.list().expect_err("an error").code().as_str().to_owned()
    }
}

#[test]
fn a_folder_gives_its_files_in_name_order_and_says_what_it_skips() {
    let case = Case::new("in")
        .file("in/b.CSV")
        .file("in/a.json")
        .file("in/c.txt.GZ")
        .file("in/d.jsonl.zst")
        .file("in/report.pdf")
        .file("in/.hidden.csv")
        .file("in/deep/e.csv");
    assert_eq!(case.names(), ["in/a.json", "in/b.CSV", "in/c.txt.GZ", "in/d.jsonl.zst"]);
    let skipped = |name: &str| (name.to_owned(), LeftOutKind::Skipped);
    assert_eq!(case.left_out(), [skipped("in/.hidden.csv"), skipped("in/report.pdf")]);
}

#[test]
fn folders_below_are_read_when_asked_and_never_in_circles() {
    let case = Case::new("in").file("in/a.csv").file("in/x/b.csv").source(|source| source.recursive = true);
    symlink(case.base().join("in"), case.base().join("in/x/loop")).expect("a link");
    assert_eq!(case.names(), ["in/a.csv", "in/x/b.csv"]);
}

#[test]
fn a_closed_folder_below_is_told_and_the_others_go_on() {
    let case = Case::new("in/**/*.csv").file("in/a.csv").file("in/closed/b.csv").file("in/open/c.csv");
    let mode = |path: &str, mode: u32| {
        fs::set_permissions(case.base().join(path), fs::Permissions::from_mode(mode)).expect("its mode");
    };
    mode("", 0o755);
    mode("in/closed", 0o000);
    // This thread lists as an account that is not root, because root may list every folder.
    let tester = nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65_534));
    let (names, left_out) = (case.names(), case.left_out());
    nix::unistd::setfsuid(tester);
    mode("in/closed", 0o755);
    assert_eq!(names, ["in/a.csv", "in/open/c.csv"]);
    assert_eq!(left_out, [("in/closed".to_owned(), LeftOutKind::Failed)]);
}

#[test]
fn globs_find_files_at_any_depth() {
    let files = |path: &str| {
        Case::new(path)
            .file("in/a.csv")
            .file("in/b.json.gz")
            .file("in/x/c.json")
            .file("in/x/y/d.csv")
            .file("in/x/e.txt")
    };
    assert_eq!(files("in/*.csv").names(), ["in/a.csv"]);
    assert_eq!(files("in/**/*.csv").names(), ["in/a.csv", "in/x/y/d.csv"]);
    assert_eq!(
        files("in/**/*.{csv,json}{,.gz,.zst}").names(),
        ["in/a.csv", "in/b.json.gz", "in/x/c.json", "in/x/y/d.csv"]
    );
    let joined = files("in").source(|source| source.glob = Some("x/**/*.csv".into()));
    assert_eq!(joined.names(), ["in/x/y/d.csv"]);
    assert_eq!(files("in/?.csv").names(), ["in/a.csv"]);
    let anywhere = files("in/*.csv").source(|source| source.recursive = true);
    assert_eq!(anywhere.names(), ["in/a.csv", "in/x/y/d.csv"]);
    assert_eq!(files("in/[").code().as_str(), "bad_glob");
    let odd = Case::new("o[dd]").file("o[dd]/a.csv").source(|source| source.glob = Some("*.csv".into()));
    assert_eq!(odd.names(), ["o[dd]/a.csv"]);
    assert_eq!(files("gone/*.csv").code().as_str(), "source_missing");
    assert!(files("in/*.parquet").names().is_empty());
}

#[test]
fn a_file_whose_name_looks_like_a_glob_is_that_file() {
    assert_eq!(Case::new("in/a[1].csv").file("in/a[1].csv").names(), ["in/a[1].csv"]);
}

#[test]
fn a_named_file_must_be_one_we_can_read() {
    assert_eq!(Case::new("a.csv").file("a.csv").names(), ["a.csv"]);
    assert_eq!(Case::new("a.pdf").file("a.pdf").code().as_str(), "source_unreadable");
    let missing = Case::new("gone.csv").list().expect_err("an error");
    assert_eq!(missing.code().as_str(), "source_missing");
    assert!(missing.to_string().contains("gone.csv"), "{missing}");
    assert!(!missing.next_step().is_empty());
}

#[test]
fn what_is_no_file_is_skipped() {
    let case = Case::new("in").file("in/a.csv");
    nix::unistd::mkfifo(&case.base().join("in/pipe.csv"), nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    let _socket = std::os::unix::net::UnixListener::bind(case.base().join("in/socket.csv")).expect("a socket");
    fs::create_dir(case.base().join("in/folder.csv")).expect("a folder");
    assert_eq!(case.names(), ["in/a.csv"]);
    let skipped = |name: &str| (name.to_owned(), LeftOutKind::Skipped);
    assert_eq!(case.left_out(), [skipped("in/pipe.csv"), skipped("in/socket.csv")]);
}

#[test]
fn links_are_followed_inside_the_roots_only() {
    let mut case = Case::new("in").file("in/a.csv").file("in/real/b.csv").file("outside/c.csv");
    let base = case.base().to_owned();
    symlink(base.join("in/real/b.csv"), base.join("in/b.csv")).expect("a link");
    symlink(base.join("outside/c.csv"), base.join("in/c.csv")).expect("a link");
    symlink(base.join("outside"), base.join("in/d")).expect("a link");
    symlink(base.join("gone"), base.join("in/e.csv")).expect("a link");
    case.roots = vec![base.join("in")].into();
    assert_eq!(case.names(), ["in/a.csv", "in/b.csv"]);
    let failed = |name: &str| (name.to_owned(), LeftOutKind::Failed);
    assert_eq!(case.left_out(), [failed("in/c.csv"), failed("in/d"), failed("in/e.csv")]);
    case.roots = Roots::default();
    assert_eq!(case.names(), ["in/a.csv", "in/b.csv", "in/c.csv"]);
    case.roots = vec![base.join("elsewhere")].into();
    assert_eq!(case.code().as_str(), "outside_roots");
    let dots = Case { source: LocalSource { path: "in/../outside".into(), ..case.source.clone() }, ..case };
    assert_eq!(dots.code().as_str(), "outside_roots");
    let unseen = Case { source: LocalSource { path: "outside/gone.csv".into(), ..dots.source.clone() }, ..dots };
    assert_eq!(unseen.code().as_str(), "outside_roots");
}

#[test]
fn a_file_that_cannot_be_read_is_told_in_a_sentence_without_the_systems_numbers() {
    let case = Case::new("in").file("in/a.csv").file("in/locked.csv");
    symlink("loop.csv", case.base().join("in/loop.csv")).expect("a link");
    symlink("gone", case.base().join("in/lost.csv")).expect("a link");
    fs::set_permissions(case.base(), fs::Permissions::from_mode(0o755)).expect("its mode");
    fs::set_permissions(case.base().join("in/locked.csv"), fs::Permissions::from_mode(0o000)).expect("its mode");
    // This thread looks as an account that is not root: root may read everything.
    let tester = nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65_534));
    let listed = case.list();
    nix::unistd::setfsuid(tester);
    let told: Vec<_> = listed.expect("a listing").left_out.into_iter().map(|left| (left.name, left.reason)).collect();
    let expected = [
        ("in/locked.csv", "this account may not read it"),
        ("in/loop.csv", "it is a link that cannot be followed: it is a loop of links"),
        ("in/lost.csv", "it is a link that cannot be followed: it is missing"),
    ];
    assert_eq!(told, expected.map(|(name, reason)| (name.to_owned(), reason.to_owned())));
    let missing = Case::new("gone.csv").list().expect_err("an error").to_string();
    assert!(missing.ends_with("gone.csv cannot be read: it is missing"), "{missing}");
}

#[test]
fn keys_and_passwords_are_nobodys_source() {
    let mut case = Case::new(".").file("keys.json").file("postgres/passwords.json").file("a.csv");
    symlink(case.base().join("keys.json"), case.base().join("b.json")).expect("a link");
    case.source.recursive = true;
    case.roots = Roots::new(vec![case.base().to_owned()], case.base());
    assert_eq!(case.names(), ["a.csv"]);
    for path in ["keys.json", "b.json", "postgres/passwords.json", "postgres", "postgres/*.json"] {
        case.source.path = path.into();
        assert_eq!(case.code().as_str(), "outside_roots", "{path}");
    }
}

#[test]
fn a_file_that_was_just_changed_waits() {
    let case = Case::new("in").file("in/a.csv").file("in/old.csv").file("in/future.csv");
    let set = |name: &str, time: std::time::SystemTime| {
        let file = fs::File::options().write(true).open(case.base().join("in").join(name)).expect("a file");
        file.set_modified(time).expect("a time");
    };
    let now = std::time::SystemTime::now();
    set("old.csv", now - std::time::Duration::from_secs(3_600));
    set("future.csv", now + std::time::Duration::from_secs(3_600));
    let case = case.source(|source| source.settle_seconds = 60);
    assert_eq!(case.names(), ["in/future.csv", "in/old.csv"]);
    assert_eq!(case.left_out(), [("in/a.csv".to_owned(), LeftOutKind::Skipped)]);
}

#[test]
fn our_own_output_is_no_input() {
    let mut case = Case::new("in").file("in/a.csv").file("in/out.csv");
    case.never = vec![case.base().join("in/../in/out.csv")];
    assert_eq!(case.names(), ["in/a.csv"]);
}

#[test]
fn the_format_in_the_config_holds_for_files_of_every_suffix() {
    let case = Case::new("in").file("in/data").file("in/export.dat.gz").file("in/lies.json").file("in/.hidden");
    assert_eq!(case.names(), ["in/lies.json"]);
    let case = case.source(|source| source.files.format = Some(Format::Csv));
    let files = case.list().expect("a listing").files;
    let found: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.format, file.compression)).collect();
    assert_eq!(
        found,
        [
            ("in/data", Format::Csv, Compression::None),
            ("in/export.dat.gz", Format::Csv, Compression::Gzip),
            ("in/lies.json", Format::Csv, Compression::None),
        ]
    );
    let single = case.source(|source| source.path = "in/data".into());
    assert_eq!(single.names(), ["in/data"]);
}

#[test]
fn what_is_read_is_stamped() {
    let case = Case::new("in").file("in/a.csv.gz");
    let file = &case.list().expect("a listing").files[0];
    assert_eq!((file.format, file.compression, file.stamp.size), (Format::Csv, Compression::Gzip, 4));
}

#[test]
fn a_listing_stops_when_asked() {
    let case = Case::new("in").file("in/a.csv");
    let stop = CancellationToken::new();
    stop.cancel();
    let roots = Roots::default();
    let scope = super::Scope { base: case.base(), roots: &roots, never: &[], stop: &stop, young: YoungFiles::LeaveOut };
    let stopped = Listing::new(0, &case.source, scope).list();
    assert!(matches!(stopped, Err(PipelineError::Stopped)));
}

#[test]
fn a_folder_whose_files_are_exchanged_for_links_gives_no_byte_from_outside() {
    let mut case = Case::new("in").file("in/a.csv").file("in/deep/b.csv").file("outside/a.csv").file("outside/b.csv");
    let base = case.base().to_owned();
    for name in ["a.csv", "b.csv"] {
        fs::write(base.join("outside").join(name), "secret").expect("a file");
    }
    case.source.recursive = true;
    case.roots = vec![base.join("in")].into();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let (link, fresh) = (base.join("link"), base.join("fresh"));
                symlink(base.join("outside/a.csv"), &link).expect("a link");
                fs::rename(&link, base.join("in/a.csv")).expect("exchanged");
                fs::write(&fresh, "a\n1\n").expect("a file");
                fs::rename(&fresh, base.join("in/a.csv")).expect("exchanged");
                fs::rename(base.join("in/deep"), base.join("kept")).expect("moved");
                symlink(base.join("outside"), base.join("in/deep")).expect("a link");
                fs::remove_file(base.join("in/deep")).expect("removed");
                fs::rename(base.join("kept"), base.join("in/deep")).expect("moved");
            }
        });
        let (mut rounds, mut read) = (0, 0);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
        while (rounds < 3_000 || read == 0) && std::time::Instant::now() < deadline {
            rounds += 1;
            for file in case.list().map(|listed| listed.files).unwrap_or_default() {
                let Ok(text) = file.open().and_then(std::io::read_to_string) else { continue };
                assert_eq!(text, "a\n1\n", "{}", file.name);
                read += 1;
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(read > 0, "some of the files were read");
    });
}
