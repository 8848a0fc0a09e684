-- Backfills: a range of time that is loaded in windows, each by a run of its own.
create table elt.backfills (
    id           uuid        primary key,
    config_id    bigint      not null references elt.config_history (id),
    name         text        not null,
    target_table text        not null,
    -- The range, half-open.
    from_at      timestamptz not null,
    to_at        timestamptz not null check (to_at > from_at),
    -- As it was asked for: `30d`, `1mo`.
    window_size  text        not null,
    -- Windows that are at work at the same time, over all workers.
    parallel     integer     not null check (parallel between 1 and 50),
    max_attempts integer     not null,
    queue        text        not null,
    state        text        not null default 'running'
        check (state in ('running', 'canceling', 'succeeded', 'failed', 'canceled')),
    created_by   text        not null,
    created_at   timestamptz not null default now(),
    canceled_by  text,
    finished_at  timestamptz,
    constraint backfills_finished check ((state in ('succeeded', 'failed', 'canceled')) = (finished_at is not null))
);
create index backfills_newest on elt.backfills (id desc);
create index backfills_by_name on elt.backfills (name, id desc);
create index backfills_live on elt.backfills (id) where finished_at is null;
create index backfills_by_config on elt.backfills (config_id);

create table elt.backfill_windows (
    backfill_id   uuid        not null references elt.backfills (id) on delete cascade,
    number        integer     not null check (number >= 1),
    from_at       timestamptz not null,
    to_at         timestamptz not null check (to_at > from_at),
    -- `running`: its run has not ended. The values of the others are those of the run that ended last.
    state         text        not null default 'waiting'
        check (state in ('waiting', 'running', 'succeeded', 'failed', 'stopped')),
    -- Its newest run. Null before the first one, and when the run was deleted because of its age.
    run_id        uuid        references elt.runs (id) on delete set null,
    runs          integer     not null default 0,
    rows_read     bigint,
    rows_inserted bigint,
    rows_updated  bigint,
    error_code    text,
    error         text,
    finished_at   timestamptz,
    primary key (backfill_id, number)
);
create index backfill_windows_by_state on elt.backfill_windows (backfill_id, state, number);
create index backfill_windows_by_run on elt.backfill_windows (run_id) where run_id is not null;

alter table elt.runs
    -- The backfill that made it, and its window, half-open. Null: it loads what the sources deliver.
    add column backfill_id uuid references elt.backfills (id),
    add column window_from timestamptz,
    add column window_to   timestamptz,
    add constraint runs_window check ((window_from is null) = (window_to is null) and (backfill_id is null) = (window_from is null));
create index runs_by_backfill on elt.runs (backfill_id, id desc) where backfill_id is not null;
