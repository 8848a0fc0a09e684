-- Retries of a run: retrying many failed runs at once leaves out those that were retried already.
create index runs_by_retry_of on elt.runs (retry_of) where retry_of is not null;
