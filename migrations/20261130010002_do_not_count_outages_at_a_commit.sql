-- Whether the attempt whose COMMIT is unanswered met an outage. If the target says that it did not load, it does not count.
alter table elt.runs add column commit_met_outage boolean not null default false;
