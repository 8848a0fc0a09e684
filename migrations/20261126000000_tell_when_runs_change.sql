-- The API follows runs for the dashboard: one listener a process, told the id of every run that changed in a way
-- people see. A renewed lease is none.
create function elt.tell_run_changed() returns trigger language plpgsql as $$
begin
    perform pg_notify('elt_runs', new.id::text);
    return null;
end $$;

create trigger runs_created after insert on elt.runs
    for each row execute function elt.tell_run_changed();

create trigger runs_changed after update on elt.runs
    for each row
    when ((old.state, old.stage, old.progress, old.waits_for, old.not_before, old.attempt, old.stop_requested_at)
          is distinct from
          (new.state, new.stage, new.progress, new.waits_for, new.not_before, new.attempt, new.stop_requested_at))
    execute function elt.tell_run_changed();
