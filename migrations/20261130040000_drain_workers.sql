-- A drained worker takes no new runs. The request belongs to one start of a worker, so it ends with the process.
alter table elt.workers
    add column drain_asked_at timestamptz,
    add column drain_asked_by text;
