-- What finds old runs, and the runs that come from another one: a run is deleted after these, and the database looks for
-- them at each deletion.
create index if not exists runs_by_finish on elt.runs (finished_at, id) where finished_at is not null;
create index runs_by_parent on elt.runs (parent_id) where parent_id is not null;
create index schedules_by_config on elt.schedules (config_id);

-- One row for each kind of things that are deleted when they are old, and each place where they are.
create table elt.retention (
    kind        text        not null,
    -- Empty: the control database. Else a target or a data folder, in words.
    place       text        not null default '',
    started_at  timestamptz not null default now(),
    -- A worker deletes until then; one that dies over it loses the turn.
    held_until  timestamptz,
    -- The end of the last turn. Null: none has ended.
    finished_at timestamptz,
    -- Number of things that the last turn deleted, and all turns together.
    removed     bigint      not null default 0,
    removed_in_all bigint   not null default 0,
    -- Whether the last turn ended before everything old was deleted.
    behind      boolean     not null default false,
    -- Why the last turn failed: a sentence. Null: it did not.
    failure     text,
    -- The settings that counted in the last turn, by their names.
    settings    jsonb       not null default '{}',
    -- Everything that finished up to then was looked at. Null: nothing was.
    done_until  timestamptz,
    -- What was there after the last turn, for places that only workers see.
    rows_left   bigint,
    bytes_left  bigint,
    oldest_left timestamptz,
    primary key (kind, place)
);
