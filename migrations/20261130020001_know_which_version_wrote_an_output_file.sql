-- The config version whose combined CSV a path is. Null: the config names the path itself, so it is the same for all
-- versions, or an older release wrote the row.
alter table elt.output_paths add column config_id bigint;
update elt.output_paths set config_id = runs.config_id
from elt.runs where runs.id = output_paths.run_id and output_paths.real_path like '%/output/%-' || runs.config_id || '.csv';
