//! Codes of reaching a target's server.

use super::{Entry, IN_A_RUN, Reached, Retried, Seen};
use crate::explained::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::TargetCertificate,
        happened: "The target's certificate, or the file of trusted authorities, cannot be used.",
        why: "The certificate has expired, is for another name, or is signed by an authority that is not trusted.",
        next_step: "Correct the server's certificate, name its authority in `ELT_TARGET_CA_FILE`, or choose another \
            `sslmode`.",
        example: "the target db.example.com:5432/shop is not trusted: its certificate has expired",
        seen: &[Seen::Run, Seen::Api(502)],
        reached: Reached::Answered,
        ..IN_A_RUN
    },
    Entry {
        code: Code::TargetControlDatabase,
        happened: "The config names a control database of elt as its target.",
        why: "A pipeline must not be able to write to configs, users and runs.",
        next_step: "Name another database under `target:`; it may be on the same server.",
        example: "the target is the control database of elt, which holds configs, users and runs",
        seen: &[Seen::Run, Seen::Api(404)],
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::TargetHost,
        happened: "The target's host may not be called, or has no address.",
        why: "The name does not exist, or the rules of `ELT_NET_DENY` and `ELT_NET_ALLOW` do not allow it (for \
            analysts those of `ELT_NET_ALLOW_USER`).",
        next_step: "Correct `host` under `target:`, or ask the operator to allow it with the setting that the message \
            names.",
        example: "db.internal has no address",
        seen: &[Seen::Run, Seen::Api(400)],
        retried: Retried::Sometimes,
        ..IN_A_RUN
    },
    Entry {
        code: Code::TargetLogin,
        happened: "The target refused the login, or does not let it connect to the database.",
        why: "The user or password is wrong, pg_hba.conf does not allow the connection, or the right CONNECT is \
            missing.",
        next_step: "Correct `user` and `password` under `target:`, or the server's pg_hba.conf, or execute the \
            statement in the message.",
        example: "the target db.example.com:5432/shop refused the login of elt: password authentication failed for \
            user \"elt\"",
        seen: &[Seen::Run, Seen::Api(502)],
        reached: Reached::Answered,
        ..IN_A_RUN
    },
    Entry {
        code: Code::TargetLost,
        happened: "The connection to the target was lost.",
        why: "The server shut down or restarted, or the network between the worker and the server failed.",
        next_step: "Check that the target's server is up and in reach of the worker. elt tries again by itself; then \
            retry the run.",
        example: "could not load rows for public.orders: the connection to the target was lost: the server closed the \
            connection",
        retried: Retried::Yes,
        ..IN_A_RUN
    },
    Entry {
        code: Code::TargetNoDatabase,
        happened: "The target has no such database.",
        why: "It was never created, was dropped, or the name is misspelled.",
        next_step: "Create the database, or correct `database` under `target:`.",
        example: "the target db.example.com:5432/shop has no such database",
        seen: &[Seen::Run, Seen::Api(404)],
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::TargetNoDefault,
        happened: "The config names no server, and this process has no default target.",
        why: "A config with only a table uses the process's `ELT_TARGET_URL`, which is not set.",
        next_step: "Name host, database, user and password under `target:`, or start the process with \
            `ELT_TARGET_URL`.",
        example: "the target names no server and no default target is set",
        seen: &[Seen::Run, Seen::Api(400)],
        ..IN_A_RUN
    },
    Entry {
        code: Code::TargetNoTls,
        happened: "The target offers no TLS, and the connection must be encrypted.",
        why: "A connection to another machine is encrypted unless the config says otherwise.",
        next_step: "Turn TLS on in the server, or write `sslmode: disable` or `prefer` under `target:` if password and \
            rows may travel unencrypted.",
        example: "the target db.example.com:5432/shop offers no TLS, and the connection must be encrypted",
        seen: &[Seen::Run, Seen::Api(502)],
        reached: Reached::Answered,
        ..IN_A_RUN
    },
    Entry {
        code: Code::TargetOtherDatabase,
        happened: "The config names another database than the default target is.",
        why: "A config that names a database but no server can only mean the default target's.",
        next_step: "Leave `database` out, name the default target's database, or name host, user and password as well.",
        example: "the config names the database shop, but the default target is the database warehouse",
        seen: &[Seen::Run, Seen::Api(400)],
        ..IN_A_RUN
    },
    Entry {
        code: Code::TargetPooler,
        happened: "A pooler in transaction mode is between elt and the target's server.",
        why: "Such a pooler gives the transactions of one connection to different sessions of the server, so that settings, \
            temporary tables and prepared statements of a load would end up in sessions of others. elt looks at this before \
            it changes anything.",
        next_step: "Name the address of the PostgreSQL server itself in the config, or let the pooler give each connection a \
            session of its own (PgBouncer: `pool_mode = session` for this database or user).",
        example: "a pooler in transaction mode is before the target db.example.com:6432/shop: it gives the transactions of \
            one connection to different sessions of the server",
        seen: &[Seen::Run, Seen::Api(502)],
        reached: Reached::Answered,
        ..IN_A_RUN
    },
    Entry {
        code: Code::TargetProtocol,
        happened: "The target answered in a way that elt does not understand, or ended the session.",
        why: "The address is not a PostgreSQL server, or a pooler before it refuses a parameter or ended the session.",
        next_step: "Name the PostgreSQL server itself in the config, or a pooler in session mode (PgBouncer: \
            `ignore_startup_parameters`).",
        example: "the target db.example.com:6432/shop refused the connection: unsupported startup parameter: \
            statement_timeout",
        seen: &[Seen::Run, Seen::Api(502)],
        retried: Retried::Sometimes,
        reached: Reached::Answered,
    },
    Entry {
        code: Code::TargetSessionTimeout,
        happened: "The target ended the session because of a time limit.",
        why: "A limit of the login for idle sessions or long transactions is in force, because a pooler keeps elt from \
            lifting it.",
        next_step: "Write it for the login: `alter role <login> set idle_in_transaction_session_timeout = 0`, the same \
            with `idle_session_timeout` and `transaction_timeout`.",
        example: "could not load rows for public.orders: the server ended the session: by \
            idle_in_transaction_session_timeout, idle_session_timeout or transaction_timeout (PostgreSQL error 25P03)",
        retried: Retried::Yes,
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::TargetSocket,
        happened: "The target's URL names a Unix socket, or no host.",
        why: "elt connects to targets by TCP only.",
        next_step: "Name a host, such as 127.0.0.1.",
        example: "the target's address cannot be used: a Unix socket is not a host here, expected the host in the URL \
            itself, as in postgres://user@host/database",
        seen: &[Seen::Run, Seen::Api(400)],
        ..IN_A_RUN
    },
    Entry {
        code: Code::TargetTooManyConnections,
        happened: "The target has no connection left for the login.",
        why: "`max_connections` of the server, or the connection limit of the login or database, is reached.",
        next_step: "End sessions that are not used, or raise the limit. elt tries again by itself; retry the run only if it has failed.",
        example: "could not connect for public.orders: the target's server has no connection left for this login \
            (PostgreSQL error 53300)",
        retried: Retried::Yes,
        reached: Reached::Answered,
        ..IN_A_RUN
    },
    Entry {
        code: Code::TargetTooMuch,
        happened: "The server announced more data than elt accepts, so the connection was ended.",
        why: "Rows of up to 64 MiB are read (16 MiB in a data view). Often the address is that of another service.",
        next_step: "Check that the target is the server you mean. Larger rows can be read with another client only.",
        example: "the connection to the target was ended: the server announced a message of 1397239858 bytes",
        seen: &[Seen::Run, Seen::Api(502)],
        reached: Reached::Answered,
        ..IN_A_RUN
    },
    Entry {
        code: Code::TargetUnreachable,
        happened: "The target cannot be reached.",
        why: "The host or port is wrong, the server is down, or a firewall is in between.",
        next_step: "Check host and port under `target:` and that the server accepts connections from the worker.",
        example: "the target db.example.com:5432/shop cannot be reached: connection refused",
        seen: &[Seen::Run, Seen::Api(502)],
        retried: Retried::Sometimes,
        ..IN_A_RUN
    },
    Entry {
        code: Code::TargetUrl,
        happened: "The target's URL cannot be used.",
        why: "It is not a URL of PostgreSQL, or a character of the password is not written in percent-encoding. The \
            message repeats no part of the URL, because any part may be a piece of a password.",
        next_step: "Write `target.url` as postgres://user:password@host:port/database.",
        example: "the target's address cannot be used: the URL names no database, expected \
            postgres://user:password@host/database",
        seen: &[Seen::Run, Seen::Api(400)],
        ..IN_A_RUN
    },
];
