-- Since when a running run has shown no progress. Its worker notes and clears it; it counts only while the run is running.
alter table elt.runs add column silent_since timestamptz;
