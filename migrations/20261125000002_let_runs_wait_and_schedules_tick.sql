-- The newest ticket that wakes a worker for the run: the sweeper issues another when this one is gone.
alter table elt.runs add column ticket_id text;
-- The run that holds the target this one wants; it wakes this one when it finishes.
alter table elt.runs add column waits_for_run uuid;
-- It stops then, and does not start later: the end of its window.
alter table elt.runs add column not_after timestamptz;
create index runs_waiting_for_target on elt.runs (target_key, id) where state = 'queued' and waits_for_run is not null;

alter table elt.schedules
    -- Absent: the workers' own setting.
    alter column interval_seconds drop not null,
    alter column interval_seconds drop default,
    -- The queue its runs go to; only workers of that queue do its ticks.
    add column queue text not null default 'elt',
    -- What its runs need beside the config.
    add column options jsonb not null default '{}',
    -- Counts the ticks. What a tick decides is written only while its number is the newest.
    add column ticks bigint not null default 0,
    -- A worker does a tick until then; one that dies over it loses it.
    add column ticking_until timestamptz,
    -- A change was seen while a run was going on: look again when it finished.
    add column changed boolean not null default false;
create index schedules_newest on elt.schedules (id desc);
create index runs_live_of_schedule on elt.runs (schedule_id) where state in ('queued', 'running');
