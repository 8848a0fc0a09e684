-- Runs wait for what is away (a target, a source, room on a disk) and for the run that has their table.
alter table elt.runs
    -- Since when the run waits in the queue for what `waits_for` names.
    add column waiting_since timestamptz,
    -- The code of what it met last: that of the outage, or `target_busy`.
    add column waiting_code text,
    -- When its first attempt failed because something was away. Null: none did.
    add column outage_since timestamptz,
    -- Attempts that failed so. They do not count against `max_attempts`.
    add column outages integer not null default 0,
    -- It waits until then at most; after it, one last attempt is made.
    add column waits_until timestamptz,
    -- The server of `target_outages` that it waits for, or, while it runs, that it tries to reach for all others.
    add column waits_on text,
    -- Hash of the target's server, login and table as its config names them. Null until a worker has opened the config.
    add column target_name text;

create index runs_waiting_for_server on elt.runs (waits_on, queue) where waits_on is not null;
create index runs_running_into on elt.runs (target_name) where state = 'running' and target_name is not null;
create index runs_waiting_for_name on elt.runs (target_name, id) where state = 'queued' and waits_for_run is not null;

-- Servers of targets that are away. One run at a time tries to reach each; the others wait for its result.
create table elt.target_outages (
    -- Hash of host, port, database and login.
    server      text primary key,
    since       timestamptz not null default now(),
    -- Code of the last failure.
    code        text        not null,
    -- Tries that failed.
    failures    integer     not null default 1,
    next_try_at timestamptz not null,
    -- The run that tries now.
    tried_by    uuid
);

-- The reason why a worker takes no runs, as a sentence. Null: it takes runs.
alter table elt.workers add column takes_nothing_because text;
