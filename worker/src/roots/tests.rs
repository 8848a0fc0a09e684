//! Tests of `roots.rs`.

use std::io::Read;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;

fn read(opened: Opened) -> String {
    let mut text = String::new();
    let Opened { mut file, .. } = opened;
    if file.metadata().expect("its kind").is_file() {
        file.read_to_string(&mut text).expect("readable");
    }
    text
}

/// A folder `in` that may be read and a file beside it that may not.
fn inside_and_outside() -> (tempfile::TempDir, Roots) {
    let base = tempfile::tempdir().expect("a folder");
    for folder in ["in/real", "in/other", "outside"] {
        fs::create_dir_all(base.path().join(folder)).expect("a folder");
    }
    for (file, text) in [("in/real/a.csv", "inside"), ("outside/a.csv", "outside")] {
        fs::write(base.path().join(file), text).expect("a file");
    }
    let roots = Roots::from(vec![base.path().join("in")]);
    (base, roots)
}

#[test]
fn links_that_stay_inside_work_and_those_that_leave_do_not() {
    let (base, roots) = inside_and_outside();
    let path = |name: &str| base.path().join(name);
    let link = |to: &Path, name: &str| symlink(to, path(name)).expect("a link");
    link(Path::new("real/a.csv"), "in/relative");
    link(&path("in/real/a.csv"), "in/absolute");
    link(Path::new("relative"), "in/twice");
    link(Path::new("../real"), "in/other/folder");
    link(Path::new("../outside/a.csv"), "in/out");
    link(&path("outside"), "in/out-folder");
    link(Path::new("/proc/self/root"), "in/magic");
    link(&path("in"), "way-in");
    for name in
        ["in/relative", "in/absolute", "in/twice", "in/other/folder/a.csv", "way-in/real/a.csv", "in/x/../real/a.csv"]
    {
        let _ = fs::create_dir(path("in/x"));
        assert_eq!(read(roots.open(&path(name)).expect(name)), "inside", "{name}");
    }
    let outside = fs::canonicalize(path("outside/a.csv")).expect("a path");
    let through_magic = path("in/magic").join(outside.strip_prefix("/").expect("absolute"));
    for name in [path("in/out"), path("in/out-folder/a.csv"), path("in/../outside/a.csv"), through_magic] {
        assert!(matches!(roots.open(&name), Err(OpenError::Outside)), "{}", name.display());
    }
}

#[test]
fn a_root_may_be_a_single_file_and_gives_nothing_beside_it() {
    let (base, _) = inside_and_outside();
    fs::write(base.path().join("in/real/b.csv"), "beside").expect("a file");
    let roots = Roots::from(vec![base.path().join("in/real/a.csv")]);
    assert_eq!(read(roots.open(&base.path().join("in/real/a.csv")).expect("itself")), "inside");
    assert!(matches!(roots.open(&base.path().join("in/real/b.csv")), Err(OpenError::Outside)));
}

#[test]
fn what_is_exchanged_for_a_link_while_it_is_read_never_leads_outside() {
    let exchanges: [fn(&Path); 2] = [exchange_the_file, exchange_the_folder];
    for exchange in exchanges {
        let (base, roots) = inside_and_outside();
        let (mut inside, mut refused) = (0, 0);
        while_exchanging(
            || exchange(base.path()),
            |round| {
                match roots.open(&base.path().join("in/real/a.csv")).map(read) {
                    Ok(text) => {
                        assert_ne!(text, "outside");
                        inside += 1;
                    }
                    Err(_) => refused += 1,
                }
                round >= 20_000 && inside > 0 && refused > 0
            },
        );
    }
}

/// Calls `look` with 0, 1, 2 … until it returns true, while another thread goes on calling `exchange`.
///
/// `look` decides when enough was seen, because on a busy machine thousands of rounds may all meet the same state.
fn while_exchanging(exchange: impl Fn() + Sync, mut look: impl FnMut(u64) -> bool) {
    /// Ends the other thread, also when `look` panics.
    struct EndsOnDrop<'a>(&'a AtomicBool);
    impl Drop for EndsOnDrop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                exchange();
            }
        });
        let _ends = EndsOnDrop(&done);
        let deadline = Instant::now() + Duration::from_secs(120);
        let mut rounds = 0..;
        while !rounds.next().is_some_and(&mut look) {
            assert!(Instant::now() < deadline, "one of the states was never met");
        }
    });
}

/// Exchanges the file for a link to the one outside, and back.
fn exchange_the_file(base: &Path) {
    let file = base.join("in/real/a.csv");
    let link = base.join("in/other/link");
    symlink(base.join("outside/a.csv"), &link).expect("a link");
    fs::rename(&link, &file).expect("exchanged");
    let fresh = base.join("in/other/fresh");
    fs::write(&fresh, "inside").expect("a file");
    fs::rename(&fresh, &file).expect("exchanged");
}

/// Exchanges the folder for a link to the one outside, and back.
fn exchange_the_folder(base: &Path) {
    let (folder, kept) = (base.join("in/real"), base.join("in/kept"));
    fs::rename(&folder, &kept).expect("moved");
    symlink(base.join("outside"), &folder).expect("a link");
    fs::remove_file(&folder).expect("removed");
    fs::rename(&kept, &folder).expect("moved");
}

#[test]
fn an_output_path_stays_inside_the_folders_named_for_writing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    for made in ["data/output/there", "data/postgres", "named", "read"] {
        fs::create_dir_all(path(made)).expect("a folder");
    }
    symlink("/tmp", path("data/output/link")).expect("a link");
    symlink("../named", path("read/link")).expect("a link");
    let roots = Roots::new(vec![path("read"), path("data")], &path("data")).writing_to(&[path("named"), path("later")]);
    let look = |name: &str| OutputPlace::look(&roots, &path(name)).map(|_| ());
    for allowed in [
        "data/output/a.csv",
        "data/output/A.CSV",
        "data/output/new/deep/a.csv",
        "data/output/there/../a.csv",
        "named/a.csv",
        "later/new/a.csv",
        "read/link/a.csv",
    ] {
        look(allowed).unwrap_or_else(|error| panic!("{allowed}: {error}"));
    }
    for outside in [
        "data/a.csv",
        "data/outputs/a.csv",
        "data/output/../a.csv",
        "data/output/missing/../../a.csv",
        "data/output/missing/../a.csv",
        "data/output/link/a.csv",
        "data/output/link/new/a.csv",
        "read/a.csv",
        "named/../a.csv",
        "named-not/a.csv",
    ] {
        assert!(matches!(look(outside), Err(PlaceError::Outside)), "{outside}");
    }
    for suffix in ["output/a", "output/a.txt", "output/a.csv.sh", "output/a.csv ", "output/.csv", "output/.bashrc"] {
        assert!(matches!(look(&format!("data/{suffix}")), Err(PlaceError::Suffix)), "{suffix}");
    }
    let anywhere = roots.clone().writing_anywhere();
    for own in [
        "data/keys.json",
        "data/output/../keys.json",
        "data/postgres/data/new/x.csv",
        "data/elt.log",
        "data/elt.log.5",
        "data/spool/a.csv",
    ] {
        assert!(matches!(OutputPlace::look(&anywhere, &path(own)), Err(PlaceError::Own)), "{own}");
    }
    OutputPlace::look(&anywhere, &path("a.csv")).expect("anywhere else");
    assert!(!path("data/output/new").exists() && !path("later").exists(), "a look makes nothing");
    OutputPlace::make(&roots, &path("later/new/a.csv")).expect("made");
    assert!(path("later/new").is_dir());
}

#[test]
fn a_folder_that_is_exchanged_for_a_link_leads_no_output_outside() {
    let base = tempfile::tempdir().expect("a folder");
    let path = |name: &str| base.path().join(name);
    for made in ["out/deep", "outside"] {
        fs::create_dir_all(path(made)).expect("a folder");
    }
    let roots = Roots::from(vec![path("out")]);
    let exchange = || {
        fs::rename(path("out/deep"), path("kept")).expect("moved");
        symlink(path("outside"), path("out/deep")).expect("a link");
        fs::remove_file(path("out/deep")).expect("removed");
        fs::rename(path("kept"), path("out/deep")).expect("moved");
    };
    let mut written = 0;
    while_exchanging(exchange, |round| {
        let place = OutputPlace::look(&roots, &path("out/deep/a.csv")).ok().flatten();
        let created = place.map(|place| place.create(std::ffi::OsStr::new(&format!("{round}"))));
        written += usize::from(matches!(created, Some(Ok(_))));
        round >= 3_000 && written > 0
    });
    assert_eq!(fs::read_dir(path("outside")).expect("a folder").count(), 0);
}
