-- `/metrics`, `elt status` and the overview ask for the runs of the last 24 hours. Without this index they read all runs
-- that there ever were. The included columns are all that counting them needs.
create index runs_by_end on elt.runs (finished_at) include (state, kind, rows_inserted) where finished_at is not null;
