//! `elt workers` and `elt queues`: what they show and change from the terminal.

use crate::keys::{close, database};
use crate::support::{Folder, elt, run, up};

#[tokio::test]
async fn the_terminal_shows_why_a_worker_takes_nothing_drains_a_lost_one_and_limits_a_queue() {
    let folder = Folder::new();
    let up = up(&folder, &[]);
    let opened = database(&folder).await;
    sqlx::query(
        "insert into elt.workers (id, host, pid, version, queue, concurrency, heartbeat_at, takes_nothing_because)
         values ('ill-1', 'alpha', 1, '0.1.0', 'elt', 2, now() + interval '1 hour', 'the disk is full'),
                ('away-1', 'beta', 1, '0.1.0', 'elt', 2, now() - interval '1 hour', null)",
    )
    .execute(&opened.1)
    .await
    .expect("inserted");
    for (arguments, code, expected) in [
        (&["workers", "list"][..], 0, "ill-1 takes no runs: the disk is full"),
        (
            &["workers", "drain", "away-1", "--wait"],
            0,
            "away-1 is drained; it is lost now and takes nothing if it comes back",
        ),
        (&["workers", "undrain", "away-1"], 0, "away-1 is lost; it takes runs if it comes back"),
        (&["workers", "drain", ""], 64, "a value is required for '<WORKER>'"),
        (&["workers", "drain", "beta"], 1, "beta"),
        (&["queues", "limit", "elt", "1"], 0, "at most one run of elt is at work at the same time"),
        (&["queues", "limit", "elt", "2"], 0, "at most 2 runs of elt are at work at the same time"),
        (&["queues", "limit", "elt", "0"], 64, "0"),
        (&["queues", "unlimit", "elt"], 0, "elt has no limit"),
    ] {
        let said = run(elt(&folder, arguments));
        let text = if code == 0 { &said.stdout } else { &said.stderr };
        assert_eq!(said.code, Some(code), "{arguments:?}: {}", said.stderr);
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    close(opened).await;
    up.stop();
}
