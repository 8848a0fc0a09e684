-- How a run is to end, unless its target says that an attempt which was lost or cut off had loaded after all.
alter table elt.runs add column verdict jsonb;
