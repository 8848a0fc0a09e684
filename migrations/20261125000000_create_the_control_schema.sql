-- The control database: configs, runs, schedules, people and lines. Everything lives in the schema `elt`;
-- the queue's own tables live in `apalis` and are made by its own migrator before this file runs.
create schema if not exists elt;

-- Every version of every config, never changed after it was kept.
create table elt.config_history (
    id           bigint generated always as identity primary key,
    version      integer     not null unique check (version > 0),
    "timestamp"  timestamptz not null default now(),
    name         text        not null,
    yaml_content text        not null,
    -- HMAC-SHA256 of the original text without outer white space and with Unix line ends: "the same YAML".
    content_key  bytea       not null unique,
    -- The first 100 characters, secrets masked: what lists show.
    yaml_preview text        not null,
    runnable     boolean     not null,
    problems     jsonb       not null default '[]',
    warnings     jsonb       not null default '[]',
    created_by   text        not null
);
create index config_history_name on elt.config_history (name, version desc);

create table elt.users (
    id            uuid primary key,
    username      text        not null check (username <> '' and length(username) <= 100),
    password_hash text        not null,
    role          text        not null check (role in ('admin', 'user')),
    disabled      boolean     not null default false,
    -- Tokens issued before this instant are void: set by disabling, demoting and changing a password.
    tokens_after  timestamptz not null default '-infinity',
    created_at    timestamptz not null default now()
);
create unique index users_username on elt.users (lower(username));

-- Tokens that were logged out before they expired.
create table elt.revoked_tokens (
    jti        uuid primary key,
    expires_at timestamptz not null
);

-- Failed logins, counted for all API replicas together.
create table elt.login_failures (
    id       bigint generated always as identity primary key,
    username text        not null,
    ip       text        not null,
    at       timestamptz not null default now()
);
create index login_failures_recent on elt.login_failures (username, ip, at);

-- One process that works runs.
create table elt.workers (
    id           text primary key,
    host         text        not null,
    pid          integer     not null,
    version      text        not null,
    queue        text        not null,
    concurrency  integer     not null,
    started_at   timestamptz not null default now(),
    heartbeat_at timestamptz not null default now(),
    stopping     boolean     not null default false,
    stopped_at   timestamptz
);

-- A schedule is a row; its ticks are done by whichever worker comes first.
create table elt.schedules (
    id                 uuid primary key,
    config_id          bigint      not null references elt.config_history (id),
    -- The pipeline's name: one live schedule that monitors, per pipeline.
    name               text        not null,
    state              text        not null check (state in ('waiting', 'active', 'stopping', 'stopped', 'missed', 'done')),
    reason             text,
    trigger            text        not null check (trigger in ('manual', 'schedule')),
    start_at           timestamptz,
    end_at             timestamptz,
    timezone           text        not null default 'UTC',
    cron               text,
    overlap            text        not null default 'skip' check (overlap in ('skip', 'queue')),
    catch_up           text        not null default 'latest' check (catch_up in ('latest', 'all', 'none')),
    monitor            boolean     not null default true,
    interval_seconds   integer     not null default 60 check (interval_seconds >= 1),
    paused             boolean     not null default false,
    next_tick_at       timestamptz,
    next_run_at        timestamptz,
    last_tick_at       timestamptz,
    last_tick_worker   text,
    last_tick_error    text,
    fingerprint        bytea,
    skipped            bigint      not null default 0,
    created_by         text        not null,
    created_at         timestamptz not null default now(),
    updated_at         timestamptz not null default now()
);
create unique index schedules_one_monitor on elt.schedules (name) where state in ('waiting', 'active', 'stopping');
create index schedules_due on elt.schedules (next_tick_at) where state in ('waiting', 'active', 'stopping');

-- One row for each execution of a pipeline: the truth. The queue's row is only a wake-up ticket.
create table elt.runs (
    id                uuid primary key,
    kind              text        not null default 'run'
        check (kind in ('run', 'plan', 'check', 'test_connection', 'replay', 'undo')),
    config_id         bigint      not null references elt.config_history (id),
    name              text        not null,
    target_table      text        not null,
    trigger           text        not null check (trigger in ('manual', 'schedule', 'file_change', 'retry')),
    schedule_id       uuid        references elt.schedules (id),
    -- The run this one retries, replays or undoes.
    parent_id         uuid        references elt.runs (id),
    queue             text        not null default 'elt',
    -- What the kind needs beside the config: base folder, quarantine ids.
    options           jsonb       not null default '{}',
    state             text        not null default 'queued'
        check (state in ('queued', 'running', 'succeeded', 'failed', 'stopped')),
    not_before        timestamptz,
    waits_for         text,
    stage             text,
    progress          jsonb,
    attempt           integer     not null default 0,
    max_attempts      integer     not null default 3 check (max_attempts between 1 and 10),
    -- Raised by every start; every write of a run carries the epoch it began with.
    epoch             bigint      not null default 0,
    worker_id         text,
    lease_expires_at  timestamptz,
    -- Identity of the target table (system identifier, database, schema, table), known once a worker connected.
    target_key        text,
    stop_requested_at timestamptz,
    error_code        text,
    error             text,
    next_step         text,
    report            jsonb,
    rows_read         bigint,
    rows_inserted     bigint,
    traceparent       text,
    created_by        text        not null,
    created_at        timestamptz not null default now(),
    started_at        timestamptz,
    finished_at       timestamptz,
    constraint runs_finished check ((state in ('succeeded', 'failed', 'stopped')) = (finished_at is not null)),
    constraint runs_leased check (state <> 'running' or (lease_expires_at is not null and worker_id is not null))
);
-- One running run per target table.
create unique index runs_one_per_target on elt.runs (target_key) where state = 'running' and target_key is not null;
create index runs_newest on elt.runs (id desc);
create index runs_by_state on elt.runs (state, id desc);
create index runs_by_config on elt.runs (config_id, id desc);
create index runs_by_schedule on elt.runs (schedule_id, id desc) where schedule_id is not null;
create index runs_unfinished on elt.runs (queue, state) where state in ('queued', 'running');

-- Attempts of a run, one row for each start.
create table elt.run_attempts (
    run_id      uuid        not null references elt.runs (id) on delete cascade,
    epoch       bigint      not null,
    worker_id   text        not null,
    started_at  timestamptz not null default now(),
    finished_at timestamptz,
    outcome     text,
    error_code  text,
    error       text,
    primary key (run_id, epoch)
);

-- Log lines of every process, bounded by retention.
create table elt.log_lines (
    id       bigint generated always as identity primary key,
    at       timestamptz not null,
    level    text        not null,
    target   text        not null,
    message  text        not null,
    fields   jsonb       not null default '{}',
    run_id   uuid,
    trace_id text,
    process  text        not null
);
create index log_lines_by_run on elt.log_lines (run_id, id) where run_id is not null;
create index log_lines_at on elt.log_lines (at);

-- Who did what, also when it was refused. Only ever inserted into.
create table elt.audit (
    id         uuid primary key,
    at         timestamptz not null default now(),
    actor      text        not null,
    ip         text,
    action     text        not null,
    object     text,
    outcome    text        not null,
    detail     jsonb       not null default '{}',
    request_id text
);

-- Imported coverage reports; the newest is served, the others are its history.
create table elt.coverage_reports (
    id               bigint generated always as identity primary key,
    at               timestamptz      not null default now(),
    commit_id        text,
    covered_lines    bigint           not null,
    num_statements   bigint           not null,
    percent_covered  double precision not null,
    report           jsonb            not null
);

-- Answers given for an Idempotency-Key, kept a day.
create table elt.idempotency_keys (
    username   text        not null,
    key        text        not null,
    request    bytea       not null,
    status     integer     not null,
    answer     jsonb       not null,
    created_at timestamptz not null default now(),
    primary key (username, key)
);

-- Host keys of SFTP servers, shared by all workers.
create table elt.known_hosts (
    host        text        not null,
    port        integer     not null,
    algorithm   text        not null,
    fingerprint text        not null,
    public_key  text        not null,
    trusted     boolean     not null,
    seen_at     timestamptz not null default now(),
    approved_by text,
    primary key (host, port, algorithm, fingerprint)
);

-- Keys of this installation that must survive restarts and be shared by replicas are in the settings, never here.
