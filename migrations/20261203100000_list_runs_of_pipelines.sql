-- The newest runs of each pipeline of a page. Without this index, the runs of its tables and its plans are read as well, of which
-- there may be thousands for each run.
create index runs_of_pipeline on elt.runs (name, id desc) where kind = 'run' and part_of is null;
