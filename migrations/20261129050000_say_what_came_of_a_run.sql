-- The outcome of a run that succeeded: `clean`, `with_warnings` or `nothing_loaded`. Null in other states, and for runs
-- that an older release finishes after this migration.
alter table elt.runs
    add column outcome text check (outcome in ('clean', 'with_warnings', 'nothing_loaded')),
    add column rows_updated bigint,
    add column rows_duplicate bigint,
    add column rows_quarantined bigint,
    add column files_left_out bigint;

update elt.runs set
    rows_updated = (report ->> 'rows_updated')::bigint,
    rows_duplicate = (report ->> 'rows_duplicate')::bigint,
    rows_quarantined = (report ->> 'rows_quarantined')::bigint,
    files_left_out = (report ->> 'left_out_total')::bigint
where report is not null;

update elt.runs set outcome = case
    when coalesce(rows_inserted, 0) + coalesce(rows_updated, 0) + coalesce(rows_duplicate, 0) = 0
         and (rows_quarantined > 0 or (files_left_out > 0 and coalesce((report ->> 'files_total')::bigint, 0) = 0))
        then 'nothing_loaded'
    when rows_quarantined > 0 or files_left_out > 0 or jsonb_array_length(coalesce(report -> 'warnings', '[]')) > 0
        then 'with_warnings'
    else 'clean' end
where state = 'succeeded';
