//! Codes of requests about configs, runs, schedules and data views.

use super::{Entry, OF_A_REQUEST, Seen};
use crate::explained::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::AlreadyFinished,
        happened: "The run has already ended.",
        why: "It ended before the request to stop it came.",
        next_step: "Nothing is left to stop.",
        example: "the run has already succeeded",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::AlreadyRetried,
        happened: "Another run retries this run already.",
        why: "Retrying failed runs together leaves out those that were retried before, so that none is retried twice.",
        next_step: "Look at the run that is named; if it has failed as well, it is retried in its place.",
        example: "the run 01a21567-d506-7b2c-9a31-0c5c2f1f0b77 retries it already",
        seen: &[Seen::Cli],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::AlreadyUndone,
        happened: "Another run undoes this run already.",
        why: "A run is undone once.",
        next_step: "Look at the run that is named.",
        example: "the run 01a21567-d506-7b2c-9a31-0c5c2f1f0b77 undoes it already",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::ConfigInUse,
        happened: "The config version cannot be deleted, because a run or a schedule refers to it.",
        why: "The history of its runs needs it.",
        next_step: "A version that has run, or that a schedule was made for, is kept for the history. \
            To stop using it, upload a newer version and stop the schedule.",
        example: "a run or a schedule refers to this version",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::ConfigNewest,
        happened: "The config version cannot be deleted, because it is the newest of its pipeline, or the newest that an admin \
                   has uploaded.",
        why: "The newest version is what the pipeline is, and the newest of an admin decides what is shared.",
        next_step: "Upload a newer version first, as an admin if an admin has uploaded this one.",
        example: "this is the newest version of its pipeline, or the newest that an admin has uploaded",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::CsvElsewhere,
        happened: "The combined CSV is on a machine that this server does not read.",
        why: "The worker that wrote it runs on another machine, or the file was moved.",
        next_step: "Fetch it from the machine that is named, or run API and worker on a shared data folder.",
        example: "the combined CSV is /data/output/orders.csv on worker-2, which this server does not read",
        seen: &[Seen::Api(404)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::ExportDiskFull,
        happened: "The disk of the API has no room for the file of an export.",
        why: "An Excel or Parquet file is written to the data folder before it is sent, and 256 MiB stay free there.",
        next_step: "Export as CSV, which needs no room there, or let the operator make room on the disk of `ELT_DATA_DIR`.",
        example: "the disk with the data folder of the API has no room for the file",
        seen: &[Seen::Api(507)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::ExportEnded,
        happened: "An export was ended before all rows were read.",
        why: "Its client read too slowly, or `ELT_EXPORT_SECONDS` were over; the rows of a workbook must be read in 45 seconds.",
        next_step: "Read the file faster, export fewer rows with a filter, or export as CSV.",
        example: "the export was ended before all rows were read",
        seen: &[Seen::Api(400)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::ExportTooLarge,
        happened: "The rows do not fit into the file that was asked for.",
        why: "They have more bytes than `ELT_EXPORT_MIB` allows, or a cell has more than the 32,767 characters that a cell of \
            Excel holds.",
        next_step: "Export fewer rows or columns with a filter, or as CSV, whose cells have no limit.",
        example: "the column note has a value of 40,000 characters, and a cell of Excel holds 32,767",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidBackfill,
        happened: "The range cannot be divided into windows as it was asked for.",
        why: "The beginning, the end or the length of a window cannot be read; the range is empty or ends in the future; it has \
            more than 10,000 windows; or the number of windows at the same time is not between 1 and 50.",
        next_step: "Correct the value that is named.",
        example: "the range 2024-01-01 to 2025-01-01 has more than 10000 windows of 1m",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidCron,
        happened: "The cron expression of a schedule cannot be read.",
        why: "A field is missing, out of range, or names a day that never comes.",
        next_step: "Correct it; `0 6 * * 1-5` is every weekday at six.",
        example: "cron: expected 5 fields",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidFileFormat,
        happened: "The uploaded file is not named as a YAML file.",
        why: "Its name does not end in .yaml or .yml.",
        next_step: "Send a file whose name ends in .yaml or .yml.",
        example: "Invalid file format",
        seen: &[Seen::Api(400)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidSavedFilter,
        happened: "A filter cannot be saved as it was sent.",
        why: "Its name is empty, has more than 100 characters or characters that cannot be printed; a condition is not written \
            `column:op:value`; or all of it has more than 16,000 bytes.",
        next_step: "Correct it and send it again.",
        example: "the name of a saved filter has 1 to 100 printable characters",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidTimezone,
        happened: "The time zone of a schedule is not known.",
        why: "It is not an IANA name.",
        next_step: "Write a name such as Europe/Berlin.",
        example: "timezone: CEST is not an IANA name, such as Europe/Berlin",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidWindow,
        happened: "The schedule would end before it starts.",
        why: "`until` is earlier than `from`, or lies in the past.",
        next_step: "Correct the times and send them again.",
        example: "the schedule ends before it starts",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::InvalidYaml,
        happened: "The text that was sent is not valid YAML.",
        why: "There is a mistake in its syntax, or it is not UTF-8.",
        next_step: "Correct the YAML at the place named and send it again.",
        example: "Invalid YAML: not UTF-8 at line 4",
        seen: &[Seen::Api(400)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::NoCoverage,
        happened: "No coverage report was imported yet.",
        why: "Coverage is measured and imported by a command.",
        next_step: "Run `make coverage`.",
        example: "no coverage report was imported yet",
        seen: &[Seen::Api(404)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::NoFile,
        happened: "The request has no YAML.",
        why: "The form has no field `file`, or the body is empty.",
        next_step: "Send the YAML in the form field `file`, or as the body itself.",
        example: "No file part in the request",
        seen: &[Seen::Api(400)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::NotAReport,
        happened: "The file is not a coverage report that elt can read.",
        why: "It is not the JSON of `cargo llvm-cov`.",
        next_step: "Send the file that `make coverage` writes.",
        example: "it has no member `data`",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::NotFinished,
        happened: "The run has not ended yet.",
        why: "It is queued or running, and only a run that ended can be retried or undone.",
        next_step: "Wait until it ends, or stop it.",
        example: "the run is still running",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::NotForBackfill,
        happened: "The config cannot be loaded in windows.",
        why: "Each window would load everything, because a source does not ask for a part of time; or each window would \
            replace the rows of the one before it, because of `load.mode: replace`.",
        next_step: "Let every source ask for a part of time: with `{{since}}` and `{{until}}` in its url, params, headers or \
            body, or with `incremental: {param: …, end_param: …}`. Load with `append` or `merge`.",
        example: "sources[0] asks for everything, whatever the window is",
        seen: &[Seen::Api(422)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::NotLive,
        happened: "The schedule has ended.",
        why: "It was stopped, or its time is over.",
        next_step: "Make a new schedule, or trigger the config again.",
        example: "the schedule is stopped",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::NotRunnable,
        happened: "The YAML is valid, but not a runnable config.",
        why: "A key is unknown or missing, or a value is not one that the key takes. Every problem is listed with its \
            line and column.",
        next_step: "Correct the YAML at the places named and send it again; `elt check` shows the same problems.",
        example: "sources[0].type: expected local, api, sftp, s3, http or ftp",
        seen: &[Seen::Api(400)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::NotShareable,
        happened: "The table of the pipeline cannot be shared.",
        why: "Only users have uploaded its config. A config of a user does not decide what other users read.",
        next_step: "Look at the config and upload it as an admin.",
        example: "no config of the pipeline orders that an admin has uploaded is there",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::NothingToResume,
        happened: "The backfill has no window that could be loaded again.",
        why: "It goes on by itself, is being canceled, or has loaded every window.",
        next_step: "Look at its windows. One that is being canceled can be resumed when its last run has ended.",
        example: "the backfill is being canceled, so there is nothing to resume",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::OutcomeUnknown,
        happened: "It is not known whether the run loaded.",
        why: "The answer to its COMMIT was lost, and its target does not answer. Workers ask at least once a minute.",
        next_step: "Make the target reachable and wait; then retry or undo the run.",
        example: "it is unknown whether the run 01a21567-d506-7b2c-9a31-0c5c2f1f0b77 loaded: the target \
            db.example.com:5432/shop has not answered since 10:14",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::QuotaExceeded,
        happened: "The user has stored as many configs as one user may.",
        why: "`ELT_CONFIGS_PER_USER` and `ELT_CONFIG_MIB_PER_USER` set the limit for the role user.",
        next_step: "Ask an admin to delete versions that are not needed, or to raise the settings.",
        example: "you may store 1000 config versions with 64 MiB in total, and this one would be too much",
        seen: &[Seen::Api(403)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::RunOfBackfill,
        happened: "A run of a backfill is not retried by itself.",
        why: "A backfill counts its runs, so that no more of them are at work than it was asked for.",
        next_step: "Resume the backfill, on its page or with `elt backfill resume`: it loads the windows again that have failed \
            or were stopped.",
        example: "the run is one of the backfill 01a21567-d506-7b2c-9a31-0c5c2f1f0b77",
        seen: &[Seen::Api(409), Seen::Cli],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::RunOfTables,
        happened: "What was asked for concerns a run with several tables, or the run of one of them.",
        why: "Where each file has its table, one run makes a run for each table. A retry is for the whole run, which finds out \
            which tables are missing; undo, verify and replay are for the run of one table.",
        next_step: "Use the run that the message names.",
        example: "the run loads one table of the run 01a21567-d506-7b2c-9a31-0c5c2f1f0b77",
        seen: &[Seen::Api(409), Seen::Cli],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::SharedTableUnavailable,
        happened: "A shared table cannot be read at the moment.",
        why: "Its config cannot be used, or its database refused the connection or failed. Users do not learn more about the \
            server; the log names the code of the reason.",
        next_step: "Ask an admin, who finds the code in the log and opens the table on the page Data.",
        example: "the table of the pipeline orders cannot be read at the moment",
        seen: &[Seen::Api(502)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::TableNotNamed,
        happened: "A config with a table for each file was asked for its table.",
        why: "`target.table` is a pattern, so it is not known which table is meant.",
        next_step: "Name the table as well (`table`), or the run that loaded it (`run_id`).",
        example: "the config has a table for each file, and raw_{file} is their pattern",
        seen: &[Seen::Api(400)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::TargetConnectionsBusy,
        happened: "As many data views and exports are open as the server allows.",
        why: "`ELT_TARGET_CONNECTIONS` limits the connections to targets of all users together.",
        next_step: "Wait until one of them has ended.",
        example: "as many data views and exports are open as this server allows",
        seen: &[Seen::Api(503)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::TooManySavedFilters,
        happened: "The user has as many saved filters for this table as one may have.",
        why: "A user may save 50 for each pipeline.",
        next_step: "Delete one that is not needed any more.",
        example: "you have saved 50 filters for this table already",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::TooManyStreams,
        happened: "The user has as many streams of events open as one user may.",
        why: "Every open page of the dashboard may hold one.",
        next_step: "Close some tabs, or end some of the streams.",
        example: "you have as many streams open as one user may",
        seen: &[Seen::Api(429)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::TooManyTargetConnections,
        happened: "The user has as many data views and exports open as one user may.",
        why: "`ELT_TARGET_CONNECTIONS_PER_USER` sets the limit.",
        next_step: "Wait until one of them has ended, or end it.",
        example: "you have as many data views and exports open as one user may",
        seen: &[Seen::Api(429)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::TooManyTargetFailures,
        happened: "Too many of the user's connections to targets failed within a minute.",
        why: "The limit keeps the server from being used to try out hosts and passwords.",
        next_step: "Correct host, database, user and password under `target:`, and wait the time in `Retry-After`.",
        example: "10 of your connections to targets failed within a minute",
        seen: &[Seen::Api(429)],
        ..OF_A_REQUEST
    },
    Entry {
        code: Code::WorkerGone,
        happened: "The worker has stopped, so it cannot take runs again.",
        why: "A worker is one start of a process. Draining it ends with the process.",
        next_step: "Start a new worker: it is not drained.",
        example: "the worker is stopped, so it cannot take runs again",
        seen: &[Seen::Api(409)],
        ..OF_A_REQUEST
    },
];
