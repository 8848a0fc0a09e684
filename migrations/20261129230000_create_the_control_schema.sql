-- The control database: pipelines, their runs, the people and programs that use them, and what all of them did.
--
-- Everything of elt's own is in the schema `elt`. The queue's tables are in `apalis`, and its own migrator makes them before
-- this file is executed. Keys of an installation are in its settings and its data folder, never in these tables.

create schema if not exists elt;

-- Keys and secrets ---------------------------------------------------------------------------------------------------------

-- The secret keys that seal something here, by their ids. A process that lacks one of them is refused at its start.
create table elt.secret_keys (
    -- Derived from the key, and of no help to guess it.
    key_id   text        primary key,
    -- A known value, sealed: it opens with the right key only.
    canary   bytea       not null,
    added_at timestamptz not null default now()
);

-- Secrets that configs refer to as `${secret:NAME}`. A value is sealed, and no answer of the API ever contains it.
create table elt.secrets (
    name            text        primary key check (name ~ '^[A-Za-z0-9_.-]{1,64}$'),
    -- The value: nonce and ciphertext, bound to this name; and the secret key that opens it.
    sealed          bytea       not null check (octet_length(sealed) <= 65536 + 40),
    key_id          text        not null references elt.secret_keys (key_id),
    description     text        not null default '' check (char_length(description) <= 500),
    -- Names of the pipelines that may use it; `{*}`: all of them.
    pipelines       text[]      not null default '{}' check (cardinality(pipelines) <= 100),
    -- Whether configs that no admin has uploaded may use it as well.
    usable_by_users boolean     not null default false,
    -- Counts the values it has had.
    version         bigint      not null default 1,
    created_at      timestamptz not null default now(),
    created_by      text        not null,
    updated_at      timestamptz not null default now(),
    updated_by      text        not null
);
create index secrets_by_key on elt.secrets (key_id);

-- Tables whose files still hold rows in clear that were replaced by sealed ones. A table is noted in the transaction that
-- replaces its rows, and the note is removed after `vacuum full` has rewritten the table, also when the process that sealed
-- was ended in between.
create table elt.table_rewrites (
    table_name text        primary key,
    noted_at   timestamptz not null default clock_timestamp()
);

-- Configs ------------------------------------------------------------------------------------------------------------------

-- Every version of every config, never changed after it was stored. Its text is sealed, and shown masked.
create table elt.config_history (
    id           bigint generated always as identity primary key,
    version      integer     not null unique check (version > 0),
    "timestamp"  timestamptz not null default now(),
    -- The pipeline that it is a version of.
    name         text        not null,
    -- The text in clear. Only a row that is not sealed yet has it, and then the three columns of sealed rows are empty.
    yaml_content text,
    -- The whole text, every secret `***`.
    yaml_masked  text,
    -- The text exactly as uploaded: nonce and ciphertext, bound to this version.
    yaml_sealed  bytea,
    -- The key that opens it, which also made `content_key`.
    key_id       text        references elt.secret_keys (key_id),
    -- Keyed hash (HMAC-SHA256) of the text without outer white space and with Unix line ends. It recognises the same text.
    content_key  bytea       not null unique,
    -- The first 100 characters, secrets masked: what lists show.
    yaml_preview text        not null,
    -- The secrets that the text refers to, by their names.
    secret_names text[]      not null default '{}',
    runnable     boolean     not null,
    problems     jsonb       not null default '[]',
    warnings     jsonb       not null default '[]',
    created_by   text        not null,
    -- Whether an admin has uploaded exactly this text. Only then it reaches secrets that users may not use.
    by_admin     boolean     not null default false,
    constraint config_history_sealed
        check (num_nonnulls(yaml_masked, yaml_sealed, key_id) = case when yaml_content is null then 3 else 0 end)
);
create index config_history_name on elt.config_history (name, version desc);
-- Names in the order of the list of pipelines, the newest version of each first.
create index config_history_pipelines on elt.config_history (name collate "C", version desc);
create index config_history_in_clear on elt.config_history (id) where yaml_content is not null;
create index config_history_by_key on elt.config_history (key_id, id);

-- Schedules and runs -------------------------------------------------------------------------------------------------------

-- Pipelines that start by themselves. Each schedule is looked at, at its time, by the worker that comes first.
create table elt.schedules (
    id               uuid        primary key,
    config_id        bigint      not null references elt.config_history (id),
    -- The pipeline. It has one live schedule at most.
    name             text        not null,
    -- The queue its runs go to. Only workers of that queue look at it.
    queue            text        not null default 'elt',
    state            text        not null check (state in ('waiting', 'active', 'stopping', 'stopped', 'missed', 'done')),
    -- Why it is in this state, in words.
    reason           text,
    trigger          text        not null check (trigger in ('manual', 'schedule')),
    start_at         timestamptz,
    end_at           timestamptz,
    timezone         text        not null default 'UTC',
    cron             text,
    overlap          text        not null default 'skip' check (overlap in ('skip', 'queue')),
    catch_up         text        not null default 'latest' check (catch_up in ('latest', 'all', 'none')),
    -- Whether its sources are watched for changes, and how often. Without an interval: the workers' own setting.
    monitor          boolean     not null default true,
    interval_seconds integer     check (interval_seconds >= 1),
    paused           boolean     not null default false,
    -- What its runs need beside the config, so that they are made without reading it.
    target_table     text        not null default '',
    max_attempts     integer     not null default 3 check (max_attempts between 1 and 10),
    options          jsonb       not null default '{}',
    next_tick_at     timestamptz,
    next_run_at      timestamptz,
    last_tick_at     timestamptz,
    last_tick_worker text,
    last_tick_error  text,
    -- Counts the ticks. What a tick decides is written only while its number is the newest.
    ticks            bigint      not null default 0,
    -- A worker has until then to do the tick it began; afterwards another may do it.
    ticking_until    timestamptz,
    -- The state of the sources at the last look.
    fingerprint      bytea,
    -- A change was seen during a run, so the sources are looked at again when it has ended.
    changed          boolean     not null default false,
    -- Runs left out because one was still going on.
    skipped          bigint      not null default 0,
    created_by       text        not null,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now()
);
create unique index schedules_one_monitor on elt.schedules (name) where state in ('waiting', 'active', 'stopping');
create index schedules_due on elt.schedules (next_tick_at) where state in ('waiting', 'active', 'stopping');
create index schedules_newest on elt.schedules (id desc);

-- One row for each execution of a pipeline. It is the truth about the run; the queue's row only wakes a worker.
create table elt.runs (
    id                uuid        primary key,
    kind              text        not null default 'run'
        check (kind in ('run', 'plan', 'check', 'test_connection', 'replay', 'undo')),
    config_id         bigint      not null references elt.config_history (id),
    name              text        not null,
    target_table      text        not null,
    trigger           text        not null check (trigger in ('manual', 'schedule', 'file_change', 'retry')),
    schedule_id       uuid        references elt.schedules (id),
    -- The run that it came from, whatever the reason.
    parent_id         uuid        references elt.runs (id),
    -- The run whose rejected rows a replay loads, or whose rows an undo deletes.
    subject_id        uuid        references elt.runs (id),
    -- The run that it repeats.
    retry_of          uuid        references elt.runs (id),
    queue             text        not null default 'elt',
    -- What the kind needs beside the config: base folder, quarantine ids.
    options           jsonb       not null default '{}',

    state             text        not null default 'queued'
        check (state in ('queued', 'running', 'succeeded', 'failed', 'stopped')),
    -- A queued run does not start before or after these. The end of a schedule's window is the latter.
    not_before        timestamptz,
    not_after         timestamptz,
    -- What a queued run waits for, in words.
    waits_for         text,
    -- The run that holds the target this one wants; it wakes this one when it ends.
    waits_for_run     uuid,
    -- The newest ticket that wakes a worker for the run. The sweeper issues another when this one is gone.
    ticket_id         text,
    stop_requested_at timestamptz,

    attempt           integer     not null default 0,
    max_attempts      integer     not null default 3 check (max_attempts between 1 and 10),
    -- Raised by every start. Every write of an attempt carries the epoch it began with.
    epoch             bigint      not null default 0,
    worker_id         text,
    lease_expires_at  timestamptz,
    -- Identity of the target table (system identifier, database, schema, table), known once a worker connected.
    target_key        text,
    stage             text,
    progress          jsonb,

    -- Since when it is unknown whether the run loaded: an attempt sent its COMMIT, and the answer was lost. Its attempts only
    -- ask the target until it answers.
    unknown_since     timestamptz,
    -- Number of times that the target was asked and did not answer. The pause before it is asked again grows with it.
    asks              integer     not null default 0,
    -- The end of an unknown run that did not load. Null: it is tried again.
    verdict           jsonb,

    -- Of a run that succeeded; null in other states.
    outcome           text        check (outcome in ('clean', 'with_warnings', 'nothing_loaded')),
    error_code        text,
    error             text,
    next_step         text,
    report            jsonb,
    rows_read         bigint,
    rows_inserted     bigint,
    rows_updated      bigint,
    rows_duplicate    bigint,
    rows_quarantined  bigint,
    files_left_out    bigint,
    traceparent       text,
    created_by        text        not null,
    created_at        timestamptz not null default now(),
    started_at        timestamptz,
    finished_at       timestamptz,
    constraint runs_finished check ((state in ('succeeded', 'failed', 'stopped')) = (finished_at is not null)),
    constraint runs_leased check (state <> 'running' or (lease_expires_at is not null and worker_id is not null))
);
-- At most one running run for each target table.
create unique index runs_one_per_target on elt.runs (target_key) where state = 'running' and target_key is not null;
create index runs_newest on elt.runs (id desc);
create index runs_by_state on elt.runs (state, id desc);
create index runs_by_name on elt.runs (name, id desc);
create index runs_by_config on elt.runs (config_id, id desc);
create index runs_by_schedule on elt.runs (schedule_id, id desc) where schedule_id is not null;
create index runs_live_of_schedule on elt.runs (schedule_id) where state in ('queued', 'running');
create index runs_by_subject on elt.runs (subject_id) where subject_id is not null;
create index runs_unfinished on elt.runs (queue, state) where state in ('queued', 'running');
create index runs_unknown on elt.runs (id) where unknown_since is not null;
create index runs_waiting_for_target on elt.runs (target_key, id) where state = 'queued' and waits_for_run is not null;

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
    -- Whether the attempt may have sent its COMMIT. Written before it is sent.
    commit_sent boolean,
    primary key (run_id, epoch)
);

-- Each API process has one listener that receives the id of every run that changed in a way that people see. The renewal of
-- a lease is not such a change.
create function elt.tell_run_changed() returns trigger language plpgsql as $$
begin
    perform pg_notify('elt_runs', new.id::text);
    return null;
end $$;

create trigger runs_created after insert on elt.runs
    for each row execute function elt.tell_run_changed();

create trigger runs_changed after update on elt.runs
    for each row
    when ((old.state, old.stage, old.progress, old.waits_for, old.not_before, old.attempt, old.stop_requested_at)
          is distinct from
          (new.state, new.stage, new.progress, new.waits_for, new.not_before, new.attempt, new.stop_requested_at))
    execute function elt.tell_run_changed();

-- Counts of the runs that ended, by kind, state and outcome. They never fall, not even when old runs are deleted, because
-- Prometheus counters must not. A run that ends only adds a row to `run_ends`, so that runs never wait for each other to
-- update a count; the sweeper adds these rows to `run_totals` and deletes them.
create table elt.run_totals (
    kind          text   not null,
    state         text   not null,
    -- Empty for runs that did not succeed.
    outcome       text   not null,
    runs          bigint not null,
    rows_inserted bigint not null,
    primary key (kind, state, outcome)
);

create table elt.run_ends (
    id            bigint generated always as identity primary key,
    kind          text   not null,
    state         text   not null,
    outcome       text   not null,
    rows_inserted bigint not null
);

-- Only runs that load count their rows, because a plan inserts rows and rolls back.
create function elt.count_run_end() returns trigger language plpgsql as $$
begin
    insert into elt.run_ends (kind, state, outcome, rows_inserted)
    values (new.kind, new.state, coalesce(new.outcome, ''),
            case when new.kind in ('run', 'replay') and new.state = 'succeeded' then coalesce(new.rows_inserted, 0) else 0 end);
    return null;
end $$;

create trigger runs_ended after update on elt.runs
    for each row when (old.finished_at is null and new.finished_at is not null)
    execute function elt.count_run_end();

-- The paths that pipelines write their combined CSV to. One path belongs to one pipeline.
create table elt.output_paths (
    path       text        primary key,  -- in lower case, because some file systems take `A.csv` and `a.csv` for one file
    real_path  text        not null,     -- without links
    pipeline   text        not null,
    run_id     uuid        not null,     -- the last run that was going to write here
    claimed_at timestamptz not null default clock_timestamp()
);

-- The files that runs wrote there. A run replaces a file only when it is one of these.
create table elt.output_files (
    path         text        not null references elt.output_paths on delete cascade,
    inode        bigint      not null,
    size         bigint      not null,
    modified_ns  bigint      not null,  -- since the epoch
    content_hash uuid,                  -- null: not known, because the worker that wrote the file was lost
    run_id       uuid        not null,
    written_at   timestamptz not null default clock_timestamp(),
    primary key (path, inode)
);
create index output_files_by_inode on elt.output_files (inode, size, modified_ns);

-- Workers ------------------------------------------------------------------------------------------------------------------

-- One row for each process that executes runs.
create table elt.workers (
    id           text        primary key,
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

-- Two indexes that the queue lacks. Without them its search for lost jobs reads the whole table at every heartbeat, and
-- retention cannot find what to delete.
create index if not exists jobs_held_by on apalis.jobs (lock_by) where status = 'Running' or status = 'Queued';
create index if not exists jobs_finished_at on apalis.jobs (done_at) where status in ('Done', 'Killed', 'Failed');

-- People and programs ------------------------------------------------------------------------------------------------------

create table elt.users (
    id            uuid        primary key,
    username      text        not null check (username <> '' and length(username) <= 100),
    -- Null: they log in at an identity provider, or are a service account.
    password_hash text,
    role          text        not null check (role in ('admin', 'user')),
    disabled      boolean     not null default false,
    -- A service account, as which only programs act. It has no password, so nobody can log in as one.
    is_service    boolean     not null default false,
    -- Users who log in at an identity provider are known by the issuer and the subject there, never by their name.
    issuer        text,
    subject       text        check (length(subject) <= 255),
    -- Tokens issued before this instant are void: set when the user is disabled, demoted or given another password. At
    -- first it is the time of the insert, because an older token belongs to a removed user of the same name.
    tokens_after  timestamptz not null default clock_timestamp(),
    created_at    timestamptz not null default now(),
    constraint users_service_has_no_password check (not is_service or password_hash is null),
    constraint users_local_or_external check (
        (issuer is null and subject is null and (password_hash is not null or is_service))
        or (issuer is not null and subject is not null and password_hash is null and not is_service))
);
create unique index users_username on elt.users (lower(username));
create unique index users_subject on elt.users (issuer, subject) where issuer is not null;

-- One row for each login. A token is valid while the session that it names is there and has not ended, so that a token
-- signed with a stolen key, or one of a removed user, opens nothing.
create table elt.sessions (
    -- The `jti` of the session's token.
    id           uuid        primary key,
    user_id      uuid        not null references elt.users (id) on delete cascade,
    -- How the user logged in: with a password, or at the identity provider.
    method       text        not null check (method in ('password', 'oidc')),
    created_at   timestamptz not null default now(),
    -- Written at most once a minute.
    last_seen_at timestamptz not null default now(),
    expires_at   timestamptz not null,
    -- Logged out, ended by a person, or void because the user was changed.
    ended_at     timestamptz,
    ip           text,
    -- The first 200 characters.
    user_agent   text        check (length(user_agent) <= 200)
);
create index sessions_of_user on elt.sessions (user_id, created_at desc);
create index sessions_expired on elt.sessions (expires_at);

-- Keys for programs. The token itself is shown once and never stored.
create table elt.api_tokens (
    id           uuid        primary key,
    name         text        not null check (name <> '' and length(name) <= 100),
    -- A token ends with its owner: it is removed, and a later user of the same name has another id.
    owner_id     uuid        not null references elt.users on delete cascade,
    -- SHA-256 of the whole token. A plain hash is enough, because a token has more than 160 random bits.
    hash         bytea       not null unique check (octet_length(hash) = 32),
    scopes       text[]      not null check (
        cardinality(scopes) > 0 and scopes <@ array['trigger', 'read', 'upload', 'data', 'admin']),
    -- Names of the pipelines it may touch; null: all of them.
    pipelines    text[]      check (cardinality(pipelines) between 1 and 100),
    expires_at   timestamptz not null,
    -- Both are written at most once a minute.
    last_used_at timestamptz,
    last_used_ip text,
    revoked_at   timestamptz,
    created_by   text        not null,
    created_at   timestamptz not null default now()
);
-- The audit names a token, so a name belongs to one token at a time.
create unique index api_tokens_name on elt.api_tokens (lower(name)) where revoked_at is null;
create index api_tokens_owner on elt.api_tokens (owner_id);
-- Retention looks for tokens that ended long ago.
create index api_tokens_end on elt.api_tokens (least(revoked_at, expires_at));

-- Second factors (time-based one-time codes, RFC 6238) of users with a password.
create table elt.second_factors (
    user_id        uuid        primary key references elt.users (id) on delete cascade,
    -- The shared secret, sealed with the secret key that is named.
    key_id         text        not null constraint second_factors_key references elt.secret_keys (key_id),
    sealed         bytea       not null,
    created_at     timestamptz not null default now(),
    -- Null until the user has entered a code: until then logins need none.
    confirmed_at   timestamptz,
    -- The time step of the last code that was accepted: a code works once.
    last_step      bigint      not null default 0,
    -- Wrong codes since `failures_since`, counted for all addresses together.
    failures       integer     not null default 0,
    failures_since timestamptz
);

-- Codes that each replace the second factor once. They have 80 random bits; only their hashes are kept.
create table elt.recovery_codes (
    user_id   uuid  not null references elt.second_factors (user_id) on delete cascade,
    code_hash bytea not null,
    primary key (user_id, code_hash)
);

-- One-time codes with which a browser that has logged in at the provider gets its token. Only their hashes are kept.
create table elt.login_codes (
    code_hash  bytea       primary key,
    user_id    uuid        not null references elt.users (id) on delete cascade,
    expires_at timestamptz not null
);

-- Failed logins, counted for all API processes together: by name and address, by address alone, and over all addresses.
create table elt.login_failures (
    id       bigint generated always as identity primary key,
    username text        not null,
    ip       text        not null,
    at       timestamptz not null default now()
);
create index login_failures_recent on elt.login_failures (username, ip, at);
create index login_failures_at on elt.login_failures (at);

-- Open streams end at once when whoever reads them loses access. Each API process has one listener that receives the id of
-- a user who was changed or removed, of a session that ended, and of a token that was revoked or removed.
create function elt.tell_user_changed() returns trigger language plpgsql as $$
begin
    perform pg_notify('elt_users', old.id::text);
    return null;
end $$;

create function elt.tell_session_ended() returns trigger language plpgsql as $$
begin
    perform pg_notify('elt_users', old.id::text);
    return null;
end $$;

create function elt.tell_api_token_ended() returns trigger language plpgsql as $$
begin
    perform pg_notify('elt_users', old.id::text);
    return null;
end $$;

create trigger users_changed after update or delete on elt.users
    for each row execute function elt.tell_user_changed();

create trigger sessions_ended after update of ended_at on elt.sessions
    for each row when (old.ended_at is null and new.ended_at is not null)
    execute function elt.tell_session_ended();

create trigger sessions_removed after delete on elt.sessions
    for each row when (old.ended_at is null and old.expires_at > now())
    execute function elt.tell_session_ended();

create trigger api_tokens_ended after update of revoked_at or delete on elt.api_tokens
    for each row execute function elt.tell_api_token_ended();

-- The audit ----------------------------------------------------------------------------------------------------------------

-- Who did what, also when it was refused. Rows are only added. Each carries a hash over its content and the hash of the row
-- before it, keyed with the installation's secret key.
create table elt.audit (
    id         uuid        primary key,
    at         timestamptz not null default now(),
    actor      text        not null,
    ip         text,
    action     text        not null,
    object     text,
    outcome    text        not null,
    detail     jsonb       not null default '{}',
    request_id text,
    -- Place in the chain, from 1, without gaps. Null: a row from before the chain.
    seq        bigint      unique,
    -- The secret key whose subkey made the hash.
    key_id     text,
    hash       bytea       check (length(hash) = 32),
    constraint audit_chained check ((seq is null) = (hash is null) and (seq is null) = (key_id is null))
);

-- The one row that says where the chain begins and ends. It is locked while a row is added.
create table elt.audit_chain (
    only_row    boolean primary key default true check (only_row),
    head_seq    bigint  not null default 0,
    head_hash   bytea   not null default decode(repeat('00', 32), 'hex'),
    -- The last row that retention removed: the first one kept continues from it.
    anchor_seq  bigint  not null default 0,
    anchor_hash bytea   not null default decode(repeat('00', 32), 'hex'),
    -- Rows from before the chain.
    unchained   bigint  not null,
    -- Signature of the columns above. Null: never signed, or changed by someone who does not have the key.
    key_id      text,
    mac         bytea
);
insert into elt.audit_chain (unchained) values (0);

-- Nobody may remove rows that are younger, not even retention.
create function elt.audit_is_kept_for() returns interval language sql stable as $$ select interval '30 days' $$;

create function elt.keep_the_audit() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('elt.audit_retention', true) = 'on' then
        return null;
    end if;
    raise exception 'the audit is only ever added to' using errcode = 'insufficient_privilege';
end $$;

-- A mistake in a query must not rewrite what was done, so this holds for the owner, too.
create trigger audit_is_kept before update or delete or truncate on elt.audit
    for each statement execute function elt.keep_the_audit();

-- Removes the oldest rows from before `before`, at most `most`, and says how many of them were in the chain or not, and
-- which was the last one in it. Workers may call it; no role of the app may delete.
create function elt.remove_old_audit(before timestamptz, most integer)
    returns table (chained bigint, unchained bigint, last_seq bigint, last_hash bytea)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    cutoff timestamptz := least(before, now() - elt.audit_is_kept_for());
begin
    perform set_config('elt.audit_retention', 'on', true);
    with removed as (
        delete from elt.audit where id in (
            select a.id from elt.audit a where a.seq is null and a.at < cutoff order by a.id limit most)
        returning 1
    )
    select count(*) from removed into unchained;
    with oldest as (
        select a.seq, a.at from elt.audit a where a.seq is not null order by a.seq limit most
    ), removed as (
        delete from elt.audit a using oldest
        where a.seq = oldest.seq
          and a.seq < coalesce((select min(o.seq) from oldest o where o.at >= cutoff), 9223372036854775807)
        returning a.seq, a.hash
    )
    select count(*), max(r.seq), (select l.hash from removed l order by l.seq desc limit 1) from removed r
        into chained, last_seq, last_hash;
    perform set_config('elt.audit_retention', 'off', true);
    return next;
end $$;

-- Log lines, answers and reports -------------------------------------------------------------------------------------------

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

-- Answers that were given to requests with an `Idempotency-Key`, kept for a day.
create table elt.idempotency_keys (
    username   text        not null,
    key        text        not null,
    request    bytea       not null,
    status     integer     not null,
    answer     jsonb       not null,
    created_at timestamptz not null default now(),
    primary key (username, key)
);
create index idempotency_keys_by_age on elt.idempotency_keys (created_at);

-- Imported coverage reports. The newest is served, the others are its history.
create table elt.coverage_reports (
    id              bigint generated always as identity primary key,
    at              timestamptz      not null default now(),
    commit_id       text,
    covered_lines   bigint           not null,
    num_statements  bigint           not null,
    percent_covered double precision not null,
    report          jsonb            not null
);
