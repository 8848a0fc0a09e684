//! Codes of runs as a whole.

use super::{Entry, IN_A_RUN, Retried, Seen};
use crate::explained::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::Config,
        happened: "The run's config cannot be read as a runnable pipeline.",
        why: "A config is checked when it is uploaded, so this happens when a `${env:NAME}` is not set or not allowed \
            on the worker, or when a newer release stored the config.",
        next_step: "Correct the config at the place named, or set the variable on every worker and name it in \
            `ELT_ENV_ALLOW`; then upload the config again.",
        example: "the config cannot run: pipeline.yaml:6:13: sources[0].password: the environment variable \
            SFTP_PASSWORD is not set",
        ..IN_A_RUN
    },
    Entry {
        code: Code::WrongSecretKey,
        happened: "A stored value was sealed with a secret key that this process does not have.",
        why: "The process was started with another `ELT_SECRET_KEY` than the one that sealed the value, or an old key \
            was removed too early.",
        next_step: "Start every process with the `ELT_SECRET_KEY` that it was sealed with, or name that key in \
            `ELT_SECRET_KEY_OLD`. Nothing is lost or overwritten until then.",
        example: "the run's config cannot be opened: it is sealed with the secret key 3f8a12c4d5e6f708, which this \
            process does not have",
        seen: &[Seen::Run, Seen::Api(500), Seen::Cli],
        ..IN_A_RUN
    },
    Entry {
        code: Code::SecretKeyDropped,
        happened: "A process would have sealed a value, or signed a row of the audit, with a secret key that was dropped.",
        why: "`elt keys drop` dropped the key that this process was started with as its current one, and the process was not \
            started again since.",
        next_step: "Start the process again with the installation's current key as `ELT_SECRET_KEY`, or as the first one in \
            the file of `ELT_SECRET_KEY_FILE`. `elt keys show` lists the keys. Nothing was changed.",
        example: "the secret key 3f8a12c4d5e6f708 was dropped, so nothing is sealed or signed with it any more",
        seen: &[Seen::Api(503), Seen::Cli],
        ..IN_A_RUN
    },
    Entry {
        code: Code::SealedValueDamaged,
        happened: "A stored value is not what elt sealed in that place.",
        why: "A row of the control database was changed by hand, copied from another row, or damaged.",
        next_step: "Restore the control database from a backup, or write the value again (for a config: upload it \
            again).",
        example: "the run's config cannot be opened: it is not what was sealed there with the secret key \
            3f8a12c4d5e6f708: it was changed or moved",
        seen: &[Seen::Run, Seen::Api(500), Seen::Cli],
        ..IN_A_RUN
    },
    Entry {
        code: Code::UnknownSecret,
        happened: "A config refers to a secret that is not stored.",
        why: "The name behind `${secret:` is misspelled, or the secret was never stored or was removed.",
        next_step: "Store it with `elt secret set NAME` or on the page Secrets, or correct its name in the config.",
        example: "sources[0].auth_token: no secret named \"SHOP_TOKEN\" is stored on this server at line 4 column 17",
        seen: &[Seen::Run, Seen::Api(400), Seen::Cli],
        ..IN_A_RUN
    },
    Entry {
        code: Code::SecretNotGranted,
        happened: "A config refers to a secret that its pipeline may not use.",
        why: "A secret is granted to pipelines by name. A config that no admin has uploaded gets it only when the secret is \
            marked as usable by users as well.",
        next_step: "An admin grants it with `elt secret grant NAME PIPELINE` or on the page Secrets. If it is granted \
            already, a user uploaded the config: an admin reads this text and uploads it again, or, if every user may \
            know the secret, runs `elt secret grant NAME --users`.",
        example: "sources[0].auth_token: the secret \"SHOP_TOKEN\" is not granted to the pipeline \"orders\" at line 4 column 17",
        seen: &[Seen::Run, Seen::Api(400), Seen::Cli],
        ..IN_A_RUN
    },
    Entry {
        code: Code::ControlDatabase,
        happened: "The worker could not use the control database.",
        why: "The database is down or restarting, cannot be reached, or a statement took longer than it may.",
        next_step: "Check that the control database is up and in reach of the worker. A lost connection is tried again \
            by itself; otherwise retry the run.",
        example: "could not note the run's progress",
        retried: Retried::Sometimes,
        ..IN_A_RUN
    },
    Entry {
        code: Code::Io,
        happened: "The worker or the server could not read or write a file of its own.",
        why: "The disk is full, or the account of elt may not use the data folder or the temporary folder.",
        next_step: "Check the folder's permissions and free space on that machine. A run that met a full disk is tried again \
            by itself, also on other workers; otherwise retry the run.",
        example: "could not write to the run's work folder",
        seen: &[Seen::Run, Seen::Api(500)],
        retried: Retried::Sometimes,
        ..IN_A_RUN
    },
    Entry {
        code: Code::TablesFailed,
        happened: "Some tables of a run with a table for each file were not loaded.",
        why: "Each table is loaded by a run of its own. Those that failed or were stopped have changed nothing in their tables; \
            the other tables are loaded.",
        next_step: "Correct what the message says about each table, then retry the run: it loads only the tables that are \
            missing.",
        example: "2 of 40 tables were not loaded: raw_orders: every row is rejected; raw_people: stopped",
        ..IN_A_RUN
    },
    Entry {
        code: Code::TargetBusy,
        happened: "Another run loads into the same table.",
        why: "Two runs never load into one table at the same time. The run goes back to the queue and starts when the \
            other one has finished.",
        next_step: "Do nothing; the run starts by itself.",
        example: "the table public.orders is busy with run 01a21567-d506-7b2c-9a31-0c5c2f1f0b77",
        ..IN_A_RUN
    },
    Entry {
        code: Code::Fenced,
        happened: "A newer attempt of the run has taken over, so this one wrote nothing.",
        why: "The worker was frozen or cut off for longer than its lease, and another worker took the run.",
        next_step: "Do nothing; the newer attempt goes on.",
        example: "a newer attempt took over",
        ..IN_A_RUN
    },
    Entry {
        code: Code::NotLoaded,
        happened: "The target was asked about an attempt that was cut off, and answered that it had loaded nothing.",
        why: "The answer to the attempt's COMMIT was lost, and the COMMIT had not taken effect.",
        next_step: "Retry the run.",
        example: "nothing was loaded",
        ..IN_A_RUN
    },
    Entry {
        code: Code::Stopped,
        happened: "The run was stopped before it loaded anything.",
        why: "Somebody asked it to stop.",
        next_step: "Retry the run when it should load after all.",
        example: "stopped on request",
        ..IN_A_RUN
    },
    Entry {
        code: Code::Timeout,
        happened: "The run, or the answer to a request, took longer than it may.",
        why: "A run may take as long as `ELT_RUN_TIMEOUT` says, and a request 60 seconds.",
        next_step: "Split the sources or raise `ELT_RUN_TIMEOUT` on the workers; for a request, ask for less and try \
            again.",
        example: "the run took longer than a run may take and was stopped",
        seen: &[Seen::Run, Seen::Api(504)],
        ..IN_A_RUN
    },
    Entry {
        code: Code::WorkerLost,
        happened: "The process that had the run disappeared, and the run is not tried again.",
        why: "Either no attempt is left: its workers were killed, ran out of memory, or lost the control database for \
            longer than a lease, each time. Or the process of `elt run` that had it is gone.",
        next_step: "Look at the workers' own logs and memory at the times of the attempts, then retry the run.",
        example: "the run lost its worker 3 times",
        ..IN_A_RUN
    },
    Entry {
        code: Code::Internal,
        happened: "A part of elt failed in a way it should not.",
        why: "This is a bug of elt, or the machine is in trouble. The details are in the log only.",
        next_step: "Look for the run or the request's id in the log, and report it with these lines.",
        example: "internal error: looking at the sources: a task panicked",
        seen: &[Seen::Run, Seen::Api(500)],
        ..IN_A_RUN
    },
    Entry {
        code: Code::ReceiptUnbalanced,
        happened: "The rows of the load do not add up, so nothing was loaded.",
        why: "The target keeps `read = inserted + updated + duplicate + quarantined + filtered` as a constraint, and \
            the load broke it. This is a bug of elt.",
        next_step: "Report it with the run's log. The table is as it was.",
        example: "could not load rows for public.orders: the receipt does not balance (PostgreSQL error 23514)",
        ..IN_A_RUN
    },
    Entry {
        code: Code::TransformFailed,
        happened: "A SQL model of `transform:` failed after the rows were loaded.",
        why: "Its SQL is wrong, or names a column or table that is not there.",
        next_step: "Correct the model's SQL and run again. The rows are loaded, and the old models are as they were.",
        example: "transform[0] daily failed at character 12 of its sql: column \"amont\" does not exist",
        ..IN_A_RUN
    },
    Entry {
        code: Code::TransformInTheWay,
        happened: "A table or view with the name of a model exists and was not made by elt.",
        why: "elt replaces only what it made itself.",
        next_step: "Give the model another name, or rename what is there.",
        example: "the model public.daily is not made: a table or view of this name was not made by elt",
        ..IN_A_RUN
    },
    Entry {
        code: Code::NothingToUndo,
        happened: "The run that should be undone loaded nothing that could be undone.",
        why: "It failed, was stopped, loaded into another table, or is not a run that loads.",
        next_step: "Choose a run that loaded rows into this table.",
        example: "the run 01a21567-d506-7b2c-9a31-0c5c2f1f0b77 loaded nothing into public.orders",
        seen: &[Seen::Run, Seen::Api(409)],
        ..IN_A_RUN
    },
    Entry {
        code: Code::CannotVerify,
        happened: "A run cannot be verified, because nothing can be compared with what it loaded.",
        why: "It has not finished, failed, was undone or is a plan; its rows were loaded without hashes (`load.dedupe: \
            none`), its report is no longer complete, or its table is gone.",
        next_step: "Choose a run that loaded rows and was not undone. With `load.dedupe: row_hash`, the default, later \
            runs can be verified.",
        example: "the run 01a21567-d506-7b2c-9a31-0c5c2f1f0b77 cannot be verified: it was undone",
        seen: &[Seen::Run, Seen::Api(409), Seen::Cli],
        ..IN_A_RUN
    },
    Entry {
        code: Code::CannotUndo,
        happened: "The run overwrote or deleted rows, so it cannot be undone.",
        why: "With `load.mode: merge` or `replace` the old rows are not kept anywhere.",
        next_step: "Restore the table from a backup, or load the older files again.",
        example: "a run that merges or replaces overwrote rows, and their earlier values are not stored",
        seen: &[Seen::Run, Seen::Api(409)],
        ..IN_A_RUN
    },
    Entry {
        code: Code::OutputIsInput,
        happened: "The combined CSV would be written over a file that a source reads.",
        why: "`output_csv_path` names a file inside a source's folder or pattern.",
        next_step: "Name another file as `output_csv_path`, or move the existing one away.",
        example: "the combined CSV would be written over /data/in/orders.csv, which is a file of a source",
        ..IN_A_RUN
    },
    Entry {
        code: Code::OutputNotOurs,
        happened: "A file is where the combined CSV belongs, and no run of this pipeline wrote it.",
        why: "elt replaces only files that a run of the same pipeline wrote and that were not changed since.",
        next_step: "Move the file away, or name another file as `output_csv_path`.",
        example: "the combined CSV would replace /data/output/orders.csv, and no run of the pipeline orders wrote what \
            is there now",
        ..IN_A_RUN
    },
    Entry {
        code: Code::OutputSuffix,
        happened: "The combined output has a name that does not end in the suffix of its format, such as .csv.",
        why: "elt writes no other kinds of files, so that a config cannot overwrite scripts or settings.",
        next_step: "Name a file that ends in .csv as `output_csv_path`, or one with the suffix of its format as \
            `output.path`.",
        example: "the output path orders.sh does not end in the suffix of its format, such as .csv",
        ..IN_A_RUN
    },
    Entry {
        code: Code::OutputTaken,
        happened: "The path of the combined CSV belongs to another pipeline.",
        why: "A path belongs to the pipeline that wrote there first, for as long as its file is there.",
        next_step: "Write another `output_csv_path`. If the other pipeline no longer writes there, move its file away \
            and retry the run.",
        example: "the output path /data/output/orders.csv belongs to the pipeline shop",
        ..IN_A_RUN
    },
    Entry {
        code: Code::OutsideRoots,
        happened: "A source or an output lies in a folder that the worker may not use.",
        why: "Workers read only below `ELT_FS_ROOTS` and write only below the data folder's `output` and \
            `ELT_OUTPUT_ROOTS`; a link does not lead out of them.",
        next_step: "Move the files into such a folder, or add their folder to `ELT_FS_ROOTS` (sources) or \
            `ELT_OUTPUT_ROOTS` (outputs) on the workers.",
        example: "source 1: /srv/private/orders.csv is outside the folders the worker may read",
        ..IN_A_RUN
    },
];
