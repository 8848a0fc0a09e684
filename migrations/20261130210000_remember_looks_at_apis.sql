-- How the APIs among the sources were looked at last: an array with one object for each. Null: there was no look yet.
alter table elt.schedules add column looks jsonb;
