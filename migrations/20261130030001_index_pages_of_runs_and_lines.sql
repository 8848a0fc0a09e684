-- Pages of runs and lines cost the same whatever the history.
--
-- Every index ends with the order of the pages, so that a page ends its walk at its last run, and has all columns of the
-- filters that it serves, so that no run is read in vain.
create index runs_by_name_state_kind on elt.runs (name, state, kind, id desc);
create index runs_by_state_kind on elt.runs (state, kind, id desc);
create index runs_by_outcome_kind on elt.runs (outcome, kind, id desc) where outcome is not null;
create index runs_by_name_outcome_kind on elt.runs (name, outcome, kind, id desc) where outcome is not null;
create index runs_by_schedule_state on elt.runs (schedule_id, state, id desc) where schedule_id is not null;
-- The primary key has the same order.
drop index elt.runs_newest;

-- Most lines are `INFO`: a page of these finds its lines without an index.
create index log_lines_by_level on elt.log_lines (level, id) where level <> 'INFO';
create index log_lines_by_trace on elt.log_lines (trace_id, id) where trace_id is not null;
create index log_lines_by_request on elt.log_lines ((fields ->> 'request.id'), id) where fields ->> 'request.id' is not null;
