-- Counts of the finished runs that are there. Each run that ends, changes afterwards or is deleted only adds a row to
-- `run_count_changes`, so that runs never wait for each other to update a count; the sweeper adds these rows to
-- `run_counts` and `run_days` and deletes them. A count is the sum of a table and the changes.
create table elt.run_count_changes (
    id            bigint generated always as identity primary key,
    name          text   not null,
    kind          text   not null,
    state         text   not null,
    -- Of the end, UTC.
    day           date   not null,
    -- Negative for runs that are gone.
    runs          bigint not null,
    rows_inserted bigint not null
);

create table elt.run_counts (
    name  text   not null,
    state text   not null,
    runs  bigint not null,
    primary key (name, state)
);

-- Runs and replays only.
create table elt.run_days (
    day           date   not null,
    state         text   not null,
    runs          bigint not null,
    rows_inserted bigint not null,
    primary key (day, state)
);

create function elt.count_finished_run() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and old.finished_at is not null then
        insert into elt.run_count_changes (name, kind, state, day, runs, rows_inserted)
        values (old.name, old.kind, old.state, (old.finished_at at time zone 'UTC')::date, -1, -coalesce(old.rows_inserted, 0));
    end if;
    if new.finished_at is not null then
        insert into elt.run_count_changes (name, kind, state, day, runs, rows_inserted)
        values (new.name, new.kind, new.state, (new.finished_at at time zone 'UTC')::date, 1, coalesce(new.rows_inserted, 0));
    end if;
    return null;
end $$;

create function elt.count_deleted_runs() returns trigger language plpgsql as $$
begin
    insert into elt.run_count_changes (name, kind, state, day, runs, rows_inserted)
    select name, kind, state, (finished_at at time zone 'UTC')::date, -count(*), -coalesce(sum(rows_inserted), 0)
    from gone where finished_at is not null
    group by name, kind, state, (finished_at at time zone 'UTC')::date;
    return null;
end $$;

create trigger runs_counted_made after insert on elt.runs
    for each row when (new.finished_at is not null)
    execute function elt.count_finished_run();

create trigger runs_counted_changed after update on elt.runs
    for each row when ((old.finished_at is not null or new.finished_at is not null)
        and (old.name, old.kind, old.state, old.finished_at, old.rows_inserted)
            is distinct from (new.name, new.kind, new.state, new.finished_at, new.rows_inserted))
    execute function elt.count_finished_run();

create trigger runs_counted_deleted after delete on elt.runs
    referencing old table as gone
    for each statement execute function elt.count_deleted_runs();

-- The triggers have locked the table, so that no run ends until the migration is over.
insert into elt.run_counts (name, state, runs)
select name, state, count(*) from elt.runs where finished_at is not null group by name, state;
insert into elt.run_days (day, state, runs, rows_inserted)
select (finished_at at time zone 'UTC')::date, state, count(*), coalesce(sum(rows_inserted), 0)
from elt.runs where finished_at is not null and kind in ('run', 'replay')
group by 1, state;
