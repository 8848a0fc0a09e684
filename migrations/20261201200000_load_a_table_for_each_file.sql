-- A pipeline with a table for each file: a run makes a run for each of its tables, and ends when these have ended.
alter table elt.runs
    -- The run that made it for one of its tables.
    add column part_of uuid references elt.runs (id),
    -- When it made them. The rows are counted at the runs that loaded them, so its own counts stay null.
    add column divided_at timestamptz;
create index runs_by_part on elt.runs (part_of, target_table, id desc) where part_of is not null;
-- By which a run finds the other pipelines that have loaded into its table.
create index runs_loaded_into on elt.runs (target_key, name)
    where target_key is not null and kind in ('run', 'replay') and state = 'succeeded';
