//! Outages: something that a run needs is away, and comes back by itself or because its operator mends it. The table says
//! what counts as which kind of outage, and with which pauses a run tries again meanwhile.

use std::io::{self, ErrorKind};
use std::time::Duration;

use elt_shared::store;
use elt_shared::target::{guard, hung_up};

/// A kind of outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// No session with the target can be opened: it is stopped, starts up, or is out of reach.
    TargetAway,
    /// An open session with the target was lost.
    TargetLost,
    /// The target accepts no changes: it is a standby, or set to read-only.
    TargetReadOnly,
    /// The target has no free connection for the login.
    TargetCrowded,
    /// The disk of the target's server is full.
    TargetDiskFull,
    /// The target's server has reached another limit, such as its memory.
    TargetOverloaded,
    /// Another session holds a lock on the table for too long.
    TargetLocked,
    /// A statement was cancelled: by an administrator, or by a time limit.
    StatementCancelled,
    /// A time limit of the server ended the session.
    SessionEnded,
    /// A source does not answer, or says that it cannot answer now.
    SourceAway,
    /// The control database does not answer, or cannot be written to.
    ControlAway,
    /// This worker lacks something that another may have: room on its disk, open files.
    WorkerShort,
}

/// A kind of outage as the table describes it.
#[derive(Debug)]
pub struct Rule {
    /// Kind of outage that this row describes.
    pub outage: Outage,
    /// PostgreSQL's error codes that mean it in a session with a target; a shorter one is a whole class.
    sqlstates: &'static [&'static str],
    /// Pause after the first attempt that met it. It doubles with each further one.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// Whether the outage concerns every run into the target's server, so that one of them tries for all.
    pub is_of_server: bool,
    /// Why the pauses are what they are.
    pub because: &'static str,
}

use Outage::*;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The kinds of outage. The longest pause is a minute where an attempt costs little, because a run should go on within about
/// a minute after the outage, and five minutes where each attempt repeats the work of the run or burdens a server in
/// trouble. A code that stands alone comes before its class.
#[rustfmt::skip]
pub const TABLE: [Rule; 12] = [
    Rule { outage: TargetCrowded, sqlstates: &["53300"], first: seconds(2), longest: seconds(60), is_of_server: true,
           because: "connections become free within seconds, and every attempt asks for one more" },
    Rule { outage: TargetDiskFull, sqlstates: &["53100"], first: seconds(10), longest: seconds(300), is_of_server: false,
           because: "a person must free space, and each attempt writes all its rows until the disk is full again. A small \
                     run may fit where a large one does not, so each tries for itself" },
    Rule { outage: TargetOverloaded, sqlstates: &["53"], first: seconds(5), longest: seconds(300), is_of_server: false,
           because: "an attempt takes memory that the server lacks" },
    Rule { outage: TargetReadOnly, sqlstates: &["25006"], first: seconds(2), longest: seconds(60), is_of_server: true,
           because: "a failover ends within a minute or so, and an attempt is refused before it reads its sources" },
    Rule { outage: TargetLost, sqlstates: &["08", "57P01", "57P02", "57P03", "40003", guard::SILENCE], first: seconds(1), longest: seconds(60),
           is_of_server: false,
           because: "one session may have been ended while the server is well, which the next attempt finds out" },
    Rule { outage: TargetAway, sqlstates: &[], first: seconds(2), longest: seconds(60), is_of_server: true,
           because: "a restart takes seconds, and an attempt that finds no server costs one connection" },
    Rule { outage: TargetLocked, sqlstates: &["55P03"], first: seconds(5), longest: seconds(60), is_of_server: false,
           because: "the attempt has waited for the lock already" },
    Rule { outage: StatementCancelled, sqlstates: &["57014"], first: seconds(5), longest: seconds(300), is_of_server: false,
           because: "the administrator or the limit that cancelled it may do so again, and each attempt repeats the work of \
                     the run" },
    Rule { outage: SessionEnded, sqlstates: &["25P03", "25P04", "57P05"], first: seconds(5), longest: seconds(300),
           is_of_server: false,
           because: "the limit stays until a person lifts it, and each attempt repeats the work of the run" },
    Rule { outage: SourceAway, sqlstates: &[], first: seconds(10), longest: seconds(60), is_of_server: false,
           because: "the source was asked several times within the attempt already" },
    Rule { outage: ControlAway, sqlstates: &[], first: seconds(1), longest: seconds(60), is_of_server: false,
           because: "the run can only be given back once the control database answers again" },
    Rule { outage: WorkerShort, sqlstates: &[], first: seconds(2), longest: seconds(300), is_of_server: false,
           because: "another worker may take the run at once; if all are short, a person must free space" },
];

/// Error codes that no outage explains although their class is listed: the login is refused.
const NEVER: [&str; 1] = ["08004"];

impl Outage {
    /// The row of the table about this kind.
    pub fn rule(self) -> &'static Rule {
        // Each kind has a row, which a test checks.
        TABLE.iter().find(|rule| rule.outage == self).unwrap_or(&TABLE[0])
    }

    /// The outage that an error code of PostgreSQL means in a session with a target. `None`: the code means another failure.
    pub fn of_sqlstate(sqlstate: &str) -> Option<Self> {
        if NEVER.contains(&sqlstate) {
            return None;
        }
        let means = |rule: &&Rule| rule.sqlstates.iter().any(|code| sqlstate.starts_with(code));
        TABLE.iter().find(means).map(|rule| rule.outage)
    }

    /// The outage behind an error in a session with a target.
    pub fn of_session(error: &sqlx::Error) -> Option<Self> {
        match error {
            sqlx::Error::Io(error) => Some(Self::of_worker(error).unwrap_or(TargetLost)),
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Some(TargetLost),
            sqlx::Error::Database(database) => database.code().and_then(|code| Self::of_sqlstate(&code)),
            error => hung_up(error).then_some(TargetLost),
        }
    }

    /// The outage behind an error that kept a session with a target from being opened.
    pub fn of_connecting(error: &sqlx::Error) -> Option<Self> {
        // No session is open yet, so an error that would mean a lost session later means here that the server is away.
        Self::of_session(error).map(|outage| if outage == TargetLost { TargetAway } else { outage })
    }

    /// The outage behind an error of the control database.
    pub fn of_control(error: &sqlx::Error) -> Option<Self> {
        let means =
            |outage| matches!(outage, TargetLost | TargetCrowded | TargetDiskFull | TargetOverloaded | TargetReadOnly);
        (Self::of_session(error).is_some_and(means) || store::is_over_limit(error)).then_some(ControlAway)
    }

    /// The outage behind an error with a file of elt's own: the worker is short of something. `None`: the error has another
    /// reason, such as a missing right, and waiting does not help.
    pub fn of_worker(error: &io::Error) -> Option<Self> {
        let is_short = matches!(
            error.kind(),
            ErrorKind::StorageFull
                | ErrorKind::QuotaExceeded
                | ErrorKind::ReadOnlyFilesystem
                | ErrorKind::StaleNetworkFileHandle
                | ErrorKind::OutOfMemory
        );
        // No kind stands for a process or a system with too many open files.
        let too_many_files = [nix::errno::Errno::EMFILE, nix::errno::Errno::ENFILE];
        let is_short = is_short || too_many_files.iter().any(|errno| error.raw_os_error() == Some(*errno as i32));
        is_short.then_some(WorkerShort)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Outage; 12] = [
        TargetAway,
        TargetLost,
        TargetReadOnly,
        TargetCrowded,
        TargetDiskFull,
        TargetOverloaded,
        TargetLocked,
        StatementCancelled,
        SessionEnded,
        SourceAway,
        ControlAway,
        WorkerShort,
    ];

    #[test]
    fn each_kind_has_a_row_whose_pauses_grow_to_a_minute_or_five() {
        for outage in ALL {
            let rule = outage.rule();
            assert_eq!(rule.outage, outage);
            assert!(rule.first >= seconds(1) && rule.first < rule.longest, "{outage:?}");
            assert!([seconds(60), seconds(300)].contains(&rule.longest), "{outage:?}");
            assert!(rule.because.len() > 20, "{outage:?}");
        }
    }

    #[test]
    fn error_codes_of_a_target_mean_what_is_away() {
        for (sqlstate, outage) in [
            ("53300", TargetCrowded),
            ("53100", TargetDiskFull),
            ("53200", TargetOverloaded),
            ("53400", TargetOverloaded),
            ("25006", TargetReadOnly),
            ("08006", TargetLost),
            ("08P01", TargetLost),
            ("57P01", TargetLost),
            ("57P03", TargetLost),
            ("40003", TargetLost),
            ("55P03", TargetLocked),
            ("57014", StatementCancelled),
            ("25P03", SessionEnded),
            ("25P04", SessionEnded),
            ("57P05", SessionEnded),
        ] {
            assert_eq!(Outage::of_sqlstate(sqlstate), Some(outage), "{sqlstate}");
        }
        for sqlstate in ["08004", "22P02", "23505", "40001", "40P01", "42501", "57P04", "P0001", "XX001", "25001"] {
            assert_eq!(Outage::of_sqlstate(sqlstate), None, "{sqlstate}");
        }
    }

    #[test]
    fn a_server_that_lets_nobody_in_is_away_and_a_lost_session_alone_proves_nothing_about_it() {
        let refused = || sqlx::Error::Io(ErrorKind::ConnectionRefused.into());
        assert_eq!(Outage::of_connecting(&refused()), Some(TargetAway));
        assert_eq!(Outage::of_session(&refused()), Some(TargetLost));
        assert!(TargetAway.rule().is_of_server && !TargetLost.rule().is_of_server);
        assert_eq!(Outage::of_session(&sqlx::Error::RowNotFound), None);
    }

    #[test]
    fn a_worker_without_room_or_open_files_is_short_and_one_without_a_right_is_not() {
        let errno = |errno: nix::errno::Errno| io::Error::from_raw_os_error(errno as i32);
        use nix::errno::Errno::{EACCES, EDQUOT, EMFILE, ENFILE, ENOENT, ENOSPC, EROFS};
        for short in [ENOSPC, EDQUOT, EROFS, EMFILE, ENFILE] {
            assert_eq!(Outage::of_worker(&errno(short)), Some(WorkerShort), "{short}");
            assert_eq!(Outage::of_connecting(&sqlx::Error::Io(errno(short))), Some(WorkerShort), "{short}");
        }
        for other in [EACCES, ENOENT] {
            assert_eq!(Outage::of_worker(&errno(other)), None, "{other}");
        }
    }

    #[test]
    fn a_control_database_that_is_full_or_read_only_is_away_and_one_that_refuses_a_statement_is_not() {
        assert_eq!(Outage::of_control(&sqlx::Error::PoolTimedOut), Some(ControlAway));
        assert_eq!(Outage::of_control(&sqlx::Error::RowNotFound), None);
    }
}
