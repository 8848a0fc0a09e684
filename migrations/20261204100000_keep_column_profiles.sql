-- What the values of each column of a run look like, one row a run that loaded.
create table elt.run_profiles (
    run_id uuid primary key references elt.runs (id) on delete cascade,
    -- Of the run, so that the newest profiles of a pipeline are found without its runs that loaded nothing.
    name text not null,
    target_table text not null,
    profile jsonb not null
);
create index run_profiles_by_name on elt.run_profiles (name, run_id desc);
