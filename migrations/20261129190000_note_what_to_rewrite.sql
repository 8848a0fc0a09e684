-- Tables whose files still hold rows that were replaced by sealed ones. A table is noted in the transaction that replaces
-- its rows, and the note is removed after `vacuum full` has rewritten the table, also when the process that sealed was
-- ended in between.
create table elt.table_rewrites (
    table_name text        primary key,
    noted_at   timestamptz not null default clock_timestamp()
);

-- Tables with configs in clear: an earlier release may have been ended between sealing them and rewriting the table.
insert into elt.table_rewrites (table_name)
select 'config_history' where exists (select from elt.config_history where yaml_sealed is not null);

-- No key can be forgotten that seals a second factor. `not valid`: rows that are there already name keys that were made
-- known before.
alter table elt.second_factors
    add constraint second_factors_key foreign key (key_id) references elt.secret_keys (key_id) not valid;
