-- Two indexes the queue lacks: without them its orphan scan reads the whole table at every heartbeat,
-- and retention cannot find what to delete.
create index if not exists jobs_held_by on apalis.jobs (lock_by) where status = 'Running' or status = 'Queued';
create index if not exists jobs_finished_at on apalis.jobs (done_at) where status in ('Done', 'Killed', 'Failed');
