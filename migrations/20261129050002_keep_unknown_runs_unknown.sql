-- A run of which is not known whether it loaded: an attempt sent its COMMIT, and the answer was lost. Until the target
-- answers, its attempts only ask. `verdict` says how it ends when the target has nothing of it; null: it is tried again.
alter table elt.runs
    add column unknown_since timestamptz,
    -- How often the target was asked in vain: the pause between two asks grows with it.
    add column asks integer not null default 0;
update elt.runs set unknown_since = now() where verdict is not null;
create index runs_unknown on elt.runs (id) where unknown_since is not null;

-- Whether the attempt may have sent its COMMIT. Written before it is sent. Null: an older release, which did not note it.
alter table elt.run_attempts add column commit_sent boolean;

-- `parent_id` was both "retries" and "is about". A retry of an undo or a replay repeats it for the same run.
alter table elt.runs
    -- The run that a replay or an undo is about.
    add column subject_id uuid references elt.runs (id),
    -- The run that this one repeats.
    add column retry_of uuid references elt.runs (id);
update elt.runs set retry_of = parent_id where trigger = 'retry';
with recursive origin as (
    select id, kind, trigger, parent_id as subject from elt.runs where kind in ('replay', 'undo') and trigger <> 'retry'
    union all
    select again.id, again.kind, again.trigger, origin.subject
    from elt.runs again join origin on again.parent_id = origin.id and again.kind = origin.kind
    where again.trigger = 'retry'
)
update elt.runs set subject_id = origin.subject from origin where origin.id = runs.id;
create index runs_by_subject on elt.runs (subject_id) where subject_id is not null;
