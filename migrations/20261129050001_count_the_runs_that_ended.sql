-- Counts of the runs that ended, by kind, state and outcome. They never fall, not even when old runs are deleted,
-- because Prometheus counters must not. A run that ends only adds a row to `run_ends`, so that runs never wait for each
-- other to update a count; the sweeper adds these rows to `run_totals` and deletes them.
create table elt.run_totals (
    kind    text   not null,
    state   text   not null,
    -- Empty for runs that did not succeed.
    outcome text   not null,
    runs    bigint not null,
    rows_inserted bigint not null,
    primary key (kind, state, outcome)
);
create table elt.run_ends (
    id      bigint generated always as identity primary key,
    kind    text   not null,
    state   text   not null,
    outcome text   not null,
    rows_inserted bigint not null
);
-- Only runs that load count their rows, because a plan inserts rows and rolls back.
insert into elt.run_totals (kind, state, outcome, runs, rows_inserted)
select kind, state, coalesce(outcome, ''), count(*),
       coalesce(sum(rows_inserted) filter (where kind in ('run', 'replay') and state = 'succeeded'), 0)
from elt.runs where finished_at is not null group by kind, state, coalesce(outcome, '');

create function elt.count_run_end() returns trigger language plpgsql as $$
begin
    insert into elt.run_ends (kind, state, outcome, rows_inserted)
    values (new.kind, new.state, coalesce(new.outcome, ''),
            case when new.kind in ('run', 'replay') and new.state = 'succeeded' then coalesce(new.rows_inserted, 0) else 0 end);
    return null;
end $$;

create trigger runs_ended after update on elt.runs
    for each row when (old.finished_at is null and new.finished_at is not null)
    execute function elt.count_run_end();
