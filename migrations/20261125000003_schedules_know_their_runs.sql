-- What a tick needs to make a run without reading the config.
alter table elt.schedules
    add column target_table text not null default '',
    add column max_attempts integer not null default 3 check (max_attempts between 1 and 10);
