-- What is paused: a pipeline, a queue, or everything. A row is there for as long as the pause lasts.
create table elt.pauses (
    scope     text        not null check (scope in ('all', 'pipeline', 'queue')),
    -- Name of the pipeline or the queue; empty for everything.
    name      text        not null check ((scope = 'all') = (name = '') and length(name) <= 200),
    paused_at timestamptz not null default now(),
    paused_by text        not null,
    reason    text        check (length(reason) <= 500),
    primary key (scope, name)
);

-- Queues on which at most a number of runs are at work at the same time, counted over all workers.
create table elt.queue_limits (
    queue       text        primary key check (queue <> '' and length(queue) <= 200),
    concurrency integer     not null check (concurrency between 1 and 10000),
    set_at      timestamptz not null default now(),
    set_by      text        not null
);

-- What a config says about the start of its runs, so that a worker can decide about a ticket without opening the text.
-- Null: the config does not say it, or an older release stored the version.
alter table elt.config_history
    add column concurrency integer check (concurrency between 1 and 1000),
    add column priority    text    check (priority in ('high', 'normal', 'low'));
create index config_history_limited on elt.config_history (name) where concurrency is not null;

alter table elt.runs
    add column priority text not null default 'normal' check (priority in ('high', 'normal', 'low')),
    -- The place in the queue: the time from which it waits, moved by its priority. The earliest place starts first.
    add column place timestamptz not null default now(),
    -- Why the last ticket did not begin an attempt. Null: it did, or has not arrived.
    add column held text check (held in ('paused', 'pipeline_limit', 'queue_limit'));
create index runs_held_of_pipeline on elt.runs (name, place, id) where state = 'queued' and held is not null;
create index runs_held_on_queue on elt.runs (queue, place, id) where state = 'queued' and held is not null;
create index runs_at_work on elt.runs (name) where state = 'running';
