-- Unknown runs may have loaded: an attempt sent its COMMIT, and the answer was lost. Their attempts only ask the target
-- until it answers. `verdict` is the end of an unknown run that did not load; null: it is tried again.
alter table elt.runs
    add column unknown_since timestamptz,
    -- Number of times that the target was asked and did not answer. The pause before it is asked again grows with it.
    add column asks integer not null default 0;
update elt.runs set unknown_since = now() where verdict is not null;
create index runs_unknown on elt.runs (id) where unknown_since is not null;

-- Whether the attempt may have sent its COMMIT. Written before it is sent. Null: an older release, which did not note it.
alter table elt.run_attempts add column commit_sent boolean;

-- `parent_id` was both the run that a retry repeats and the run that a replay or an undo is about. The retry of an undo
-- or a replay has both.
alter table elt.runs
    -- The run whose rejected rows a replay loads, or whose rows an undo deletes.
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
