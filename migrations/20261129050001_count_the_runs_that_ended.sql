-- How many runs ended, and how: numbers that only grow, as Prometheus counters must, also when old runs are deleted.
-- A run that ends adds one row to `run_ends`, which blocks nobody; the sweeper folds these rows into `run_totals`.
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
-- Only runs that load count their rows: a plan inserts and rolls back.
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
