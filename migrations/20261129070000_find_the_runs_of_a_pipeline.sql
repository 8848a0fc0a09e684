-- The newest run of each pipeline, and the runs of one pipeline, are looked up by its name.
create index if not exists runs_by_name on elt.runs (name, id desc);
-- Names in the order of the list of pipelines, the newest version of each first.
create index if not exists config_history_pipelines on elt.config_history (name collate "C", version desc);
