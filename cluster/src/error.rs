//! What can go wrong with the private cluster, as sentences with a next step.

use std::fmt;
use std::io;
use std::path::PathBuf;

use elt_shared::explained::Code;

/// Why the private cluster cannot be used. The message says what we were doing; the source says why.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// No usable server programs.
    #[error("no PostgreSQL server of version {wanted} was found; looked in {looked_in}")]
    NoServer {
        /// The versions that can be used.
        wanted: WantedVersion,
        /// The places, with what was wrong with each that had a server.
        looked_in: String,
    },
    /// The process is root, and no account was found that it could run as.
    #[error("elt and PostgreSQL refuse to run as root, and this machine has no account `elt`, `postgres` or `nobody`")]
    NoAccount,
    /// The account to run as is missing.
    #[error("this machine has no account `{0}`")]
    UnknownAccount(String),
    /// The account to run as is root.
    #[error("the account `{0}` is root")]
    RootAccount(String),
    /// The data folder belongs to an account other than the one to run as.
    #[error("elt would run as `{account}`, and {folder} belongs to `{owner}`")]
    OthersFolder {
        /// The account to run as.
        account: String,
        /// The account the folder or its cluster belongs to.
        owner: String,
        /// The data folder.
        folder: PathBuf,
    },
    /// A folder of root's holds files that elt did not make.
    #[error("elt would run as `{account}`, and {folder} belongs to root and is not a data folder of elt")]
    NoDataFolder {
        /// The account to run as.
        account: String,
        /// The folder that was looked at.
        folder: PathBuf,
    },
    /// The rights of root could not be given up.
    #[error("could not give up the rights of root and run as `{account}`")]
    NotDropped {
        /// The account to run as.
        account: String,
        /// The system's error.
        source: io::Error,
    },
    /// The account the server runs as cannot get to a folder.
    #[error("elt would run as `{account}`, and that account may not enter {folder}")]
    Unreachable {
        /// The account the server runs as.
        account: String,
        /// The folder that is in the way.
        folder: PathBuf,
    },
    /// A file or folder of ours cannot be used.
    #[error("could not {doing} {path}")]
    Folder {
        /// "create", "read", "write", "lock", …
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Someone else has been starting or stopping this cluster for too long.
    #[error("another process has been starting or stopping the cluster in {0} for over a minute")]
    Busy(PathBuf),
    /// A program did not even start.
    #[error("could not run {program}")]
    Program {
        /// Path of the program.
        program: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// `initdb` failed.
    #[error("could not make a cluster in {folder}: {output}")]
    Init {
        /// The cluster's folder.
        folder: PathBuf,
        /// The last lines `initdb` wrote.
        output: String,
    },
    /// The server ended while it was starting.
    #[error("the private PostgreSQL server did not start: {last_lines}")]
    NotStarted {
        /// The last lines of its log.
        last_lines: String,
        /// Path of the server's log.
        log: PathBuf,
    },
    /// The server runs and does not answer.
    #[error("the private PostgreSQL server (process {pid}, port {port}) does not answer")]
    NoAnswer {
        /// Its process id.
        pid: i32,
        /// Port that the server was started on.
        port: u16,
        /// Path of the server's log.
        log: PathBuf,
        /// What the last attempt to connect said.
        source: sqlx::Error,
    },
    /// The server ignores that it should stop.
    #[error("the private PostgreSQL server (process {0}) does not stop")]
    NotStopped(i32),
    /// The server lacks an extension the queue needs.
    #[error("the PostgreSQL server has no extension `hstore`")]
    NoHstore(#[source] sqlx::Error),
    /// Programs for dumps are missing, or too old.
    #[error("no pg_dump and pg_restore of PostgreSQL {at_least} or newer were found")]
    NoDumpTools {
        /// The oldest version that can be used.
        at_least: u32,
    },
    /// A dump or its restore failed, or the copy is not complete.
    #[error("could not {doing}: {reason}")]
    Copy {
        /// "dump the database elt", …
        doing: String,
        /// Why.
        reason: String,
    },
    /// The data folder has no cluster.
    #[error("{0} holds no private PostgreSQL")]
    NoCluster(PathBuf),
    /// The data folder already has a cluster.
    #[error("{0} already holds a private PostgreSQL")]
    NotEmpty(PathBuf),
    /// Another process uses the cluster.
    #[error("another elt process uses the private PostgreSQL in {0}")]
    InUse(PathBuf),
    /// The disk has too little room for a copy of the cluster.
    #[error("a copy of {folder} needs {needed_mb} MB, and the disk has {free_mb} MB left")]
    NoSpace {
        /// The cluster's folder.
        folder: PathBuf,
        /// Size of the cluster.
        needed_mb: u64,
        /// Free space in the folder's file system, in MB.
        free_mb: u64,
    },
    /// A restore into the folder was interrupted.
    #[error("a restore of a backup into {0} did not come to its end")]
    RestoreUnfinished(PathBuf),
    /// A statement of the set-up failed.
    #[error("could not {doing} in the private cluster")]
    Prepare {
        /// "create the role elt", …
        doing: String,
        /// PostgreSQL's error.
        source: sqlx::Error,
    },
}

/// The major versions of the server programs that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedVersion {
    /// This one or a newer one, because the cluster is yet to be made.
    AtLeast(u32),
    /// This one only, because it made the cluster and PostgreSQL opens the data of no other version.
    Exactly(u32),
}

impl fmt::Display for WantedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(major) => write!(f, "{major} or newer"),
            Self::Exactly(major) => write!(f, "{major}, which made this cluster,"),
        }
    }
}

impl LocalError {
    /// Whether a setting is wrong: the account to run as, or the data folder for it.
    pub fn is_setting(&self) -> bool {
        matches!(
            self,
            Self::UnknownAccount(_)
                | Self::RootAccount(_)
                | Self::OthersFolder { .. }
                | Self::NoDataFolder { .. }
                | Self::NoCluster(_)
                | Self::NotEmpty(_)
        )
    }

    /// Stable code people can search for.
    pub fn code(&self) -> Code {
        match self {
            Self::NoServer { .. } | Self::NoDumpTools { .. } => Code::NoPostgres,
            Self::Copy { .. } => Code::CopyFailed,
            Self::NoCluster(_) => Code::NoCluster,
            Self::InUse(_) | Self::NotEmpty(_) => Code::ClusterInUse,
            Self::NoSpace { .. } => Code::FolderUnusable,
            Self::RestoreUnfinished(_) => Code::RestoreUnfinished,
            Self::NoAccount | Self::UnknownAccount(_) | Self::RootAccount(_) => Code::NoAccount,
            Self::OthersFolder { .. } | Self::NoDataFolder { .. } => Code::FolderOfOthers,
            Self::NotDropped { .. } => Code::RootNotDropped,
            Self::Unreachable { .. } => Code::FolderUnreachable,
            Self::Folder { .. } => Code::FolderUnusable,
            Self::Busy(_) => Code::ClusterBusy,
            Self::Program { .. } => Code::ProgramUnusable,
            Self::Init { .. } => Code::InitdbFailed,
            Self::NotStarted { .. } => Code::PostgresNotStarted,
            Self::NoAnswer { .. } => Code::PostgresSilent,
            Self::NotStopped(_) => Code::PostgresNotStopped,
            Self::NoHstore(_) => Code::NoHstore,
            Self::Prepare { .. } => Code::PrepareFailed,
        }
    }

    /// What the reader should do next.
    pub fn next_step(&self) -> String {
        match self {
            Self::NoServer { wanted: WantedVersion::Exactly(major), .. } => format!(
                "Install PostgreSQL {major} beside the version that is there (Debian: apt-get install \
                 postgresql-{major}) or name the folder of its programs with --pg-bin. With both versions there, `elt \
                 upgrade-cluster` moves the data to the newer one. With the newer version alone, `elt restore` of a backup \
                 into an empty folder (--data-dir) does the same."
            ),
            Self::NoDumpTools { at_least } => format!(
                "Install PostgreSQL's client programs (Debian: apt-get install postgresql-client-{at_least}), or name \
                 their folder with --pg-bin."
            ),
            Self::Copy { .. } => {
                "Correct what the message names, then try again: what is there was not changed, and an unfinished copy is \
                 not used."
                    .into()
            }
            Self::NoCluster(_) => "Name the data folder of an `elt up` with --data-dir.".into(),
            Self::NotEmpty(_) => "Choose an empty folder with --data-dir.".into(),
            Self::InUse(_) => "Stop every elt process that uses this folder, then try again.".into(),
            Self::NoSpace { .. } => "Make room on the disk of the data folder, then try again.".into(),
            Self::RestoreUnfinished(_) => {
                "Run `elt restore` with the backup again: it starts over. Or choose another folder with --data-dir.".into()
            }
            Self::NoServer { .. } | Self::Program { .. } => {
                "Install PostgreSQL 15 or newer (Debian: apt-get install postgresql), name the folder of its programs \
                 with --pg-bin, or use a database of yours with DATABASE_URL."
                    .into()
            }
            Self::NoAccount | Self::UnknownAccount(_) | Self::RootAccount(_) => {
                "Run elt as an ordinary user, or name an account that is not root with --run-as (useradd --system elt \
                 makes one)."
                    .into()
            }
            Self::OthersFolder { owner, .. } => {
                format!("Run elt as that account with --run-as {owner}, or choose another folder with --data-dir.")
            }
            Self::NoDataFolder { account, folder } => format!(
                "Choose an empty folder with --data-dir, or give this one away: chown {account} {}",
                folder.display()
            ),
            Self::NotDropped { .. } => "Run elt as an ordinary user, or name another account with --run-as.".into(),
            Self::Unreachable { account, folder } => format!(
                "Choose another folder with --data-dir (or --pg-bin, for the programs), or let `{account}` in: \
                 chmod o+x {}",
                folder.display()
            ),
            Self::Folder { .. } => {
                "Check the folder's owner, mode and free space, or choose another with --data-dir.".into()
            }
            Self::Busy(_) => "Wait for the other elt process or stop it, then try again.".into(),
            Self::Init { .. } => "Mend what initdb names, then try again: nothing half-made is kept.".into(),
            Self::NotStarted { log, .. } | Self::NoAnswer { log, .. } => format!("Read {}.", log.display()),
            Self::NotStopped(pid) => format!("Look at process {pid}; `kill -QUIT {pid}` stops it without ceremony."),
            Self::NoHstore(_) => {
                "Install PostgreSQL's contrib extensions (part of Debian's postgresql package), or use a database of \
                 yours with DATABASE_URL."
                    .into()
            }
            Self::Prepare { .. } => {
                "Stop every elt process that uses this folder and try again; the server's log says more.".into()
            }
        }
    }
}
