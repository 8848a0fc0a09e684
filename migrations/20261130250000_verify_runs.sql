-- A run of the kind `verify` compares the table and the sources with what an earlier run loaded.
alter table elt.runs drop constraint runs_kind_check;
alter table elt.runs add constraint runs_kind_check
    check (kind in ('run', 'plan', 'check', 'test_connection', 'replay', 'undo', 'verify'));
