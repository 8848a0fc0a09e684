//! Codes of the private PostgreSQL of `elt up`.

use super::{Entry, OF_A_COMMAND};
use crate::explained::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::ClusterBusy,
        happened: "Another process has been starting or stopping the private PostgreSQL for over a minute.",
        why: "Two elt processes use the same data folder, and one of them hangs.",
        next_step: "Wait for the other elt process or stop it, then try again.",
        example: "another process has been starting or stopping the cluster in /home/ann/.local/share/elt for over a \
            minute",
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::ClusterInUse,
        happened: "The private PostgreSQL was to be upgraded or made while it is used.",
        why: "An `elt up`, `elt worker` or another command with the same data folder is still running, or a backup was to be \
            restored into a folder that has a cluster.",
        next_step: "Stop every elt process that uses this folder, then try again. For a restore, choose an empty folder with \
            `--data-dir`.",
        example: "another elt process uses the private PostgreSQL in /srv/elt",
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::CopyFailed,
        happened: "A database could not be dumped or filled, or its copy has other rows.",
        why: "`pg_dump` or `pg_restore` failed; the message has its first error. The disk may be full, or the two versions \
            of PostgreSQL do not go together.",
        next_step: "Correct what the message names, then try again. What was there is unchanged, and an unfinished copy is \
            not used.",
        example: "could not fill the database elt_db: could not write to file: No space left on device",
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::FolderOfOthers,
        happened: "The data folder belongs to another account than elt would run as.",
        why: "It was made by another account, or is an ordinary folder of root.",
        next_step: "Run elt as that account with `--run-as`, or choose another folder with `--data-dir`.",
        example: "elt would run as `elt`, and /srv/elt belongs to `ann`",
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::FolderUnreachable,
        happened: "The account that elt would run as may not enter a folder.",
        why: "A folder above the data folder, or above PostgreSQL's programs, is closed to it.",
        next_step: "Choose another folder with `--data-dir` or `--pg-bin`, or let the account in (`chmod o+x`).",
        example: "elt would run as `elt`, and that account may not enter /root",
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::FolderUnusable,
        happened: "A file or folder of the data folder cannot be used.",
        why: "The permission is missing, the disk is full, or a file is in the way.",
        next_step: "Check the folder's owner, mode and free space, or choose another with `--data-dir`.",
        example: "could not create /srv/elt/postgres",
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::InitdbFailed,
        happened: "A new private cluster could not be made.",
        why: "`initdb` refused; the message has its last lines.",
        next_step: "Correct what initdb names, then try again: nothing half-made is kept.",
        example: "could not make a cluster in /srv/elt/postgres: initdb: error: invalid locale settings",
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::NoAccount,
        happened: "elt was started as root, and there is no account to run as.",
        why: "The account does not exist, is root itself, or the machine has no account `elt`, `postgres` or `nobody`.",
        next_step: "Run elt as an ordinary user, or name an account with `--run-as` (`useradd --system elt` makes \
            one).",
        example: "this machine has no account `loader`",
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::NoCluster,
        happened: "The data folder has no private PostgreSQL.",
        why: "Another folder was meant, or `elt up` has not made one there yet.",
        next_step: "Name the data folder of an `elt up` with `--data-dir`.",
        example: "/srv/elt holds no private PostgreSQL",
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::NoHstore,
        happened: "The PostgreSQL server has no extension hstore.",
        why: "The queue needs it, and PostgreSQL's contrib extensions are not installed.",
        next_step: "Install PostgreSQL's contrib extensions, or use a database of yours with `DATABASE_URL`.",
        example: "the PostgreSQL server has no extension `hstore`",
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::NoPostgres,
        happened: "No PostgreSQL server programs of a usable version were found.",
        why: "PostgreSQL is not installed, is older than 15, or is another version than the one that made the data \
            folder.",
        next_step: "Install PostgreSQL 15 or newer, name the folder of its programs with `--pg-bin`, or use a database \
            of yours with `DATABASE_URL`.",
        example: "no PostgreSQL server of version 15 or newer was found; looked in /usr/lib/postgresql",
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::PostgresNotStarted,
        happened: "The private PostgreSQL server ended while it was starting.",
        why: "The message has the last lines of its log.",
        next_step: "Read `postgres/server.log` in the data folder: its last lines say why. Correct that, and start elt again.",
        example: "the private PostgreSQL server did not start: FATAL: could not create lock file",
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::PostgresNotStopped,
        happened: "The private PostgreSQL server does not stop.",
        why: "A session keeps it from stopping.",
        next_step: "Look at the process; `kill -QUIT` with its number stops it at once.",
        example: "the private PostgreSQL server (process 4711) does not stop",
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::PostgresSilent,
        happened: "The private PostgreSQL server runs, but does not answer.",
        why: "It is recovering after a crash, or the machine is overloaded.",
        next_step: "Read `postgres/server.log` in the data folder: its last lines say why. Correct that, and start elt again.",
        example: "the private PostgreSQL server (process 4711, port 41234) does not answer",
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::PrepareFailed,
        happened: "A database or role of the private cluster could not be prepared.",
        why: "Another elt process of another release uses the same folder, or the server has a fault.",
        next_step: "Stop every elt process that uses this folder and try again; the server's log says more.",
        example: "could not create the role elt in the private cluster",
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::ProgramUnusable,
        happened: "A program of PostgreSQL could not be run.",
        why: "The folder in `--pg-bin` has no programs of this machine, or they may not be executed.",
        next_step: "Install PostgreSQL 15 or newer, or name the folder of its programs with `--pg-bin`.",
        example: "could not run /opt/pg/bin/initdb",
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::RestoreUnfinished,
        happened: "A backup was being restored into the data folder, and that did not come to its end.",
        why: "The restore failed or was ended, so that parts of the databases are missing.",
        next_step: "Run `elt restore` with the backup again: it starts over. Or choose another folder with `--data-dir`.",
        example: "a restore of a backup into /srv/elt/postgres did not come to its end",
        ..OF_A_COMMAND
    },
    Entry {
        code: Code::RootNotDropped,
        happened: "The rights of root could not be given up.",
        why: "The system does not allow elt to change to another account.",
        next_step: "Run elt as an ordinary user, or name another account with `--run-as`.",
        example: "could not give up the rights of root and run as `elt`",
        ..OF_A_COMMAND
    },
];
