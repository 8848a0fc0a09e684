-- The oldest program that may use this schema. A program that knows the migration named here works with the schema, also
-- when migrations were added that it does not know. A migration that takes away what an older program needs raises both
-- values to those of the first release that works without it.
create table elt.schema_compatibility (
    is_only boolean primary key default true check (is_only),
    oldest_migration bigint not null,
    oldest_release text not null
);
insert into elt.schema_compatibility (oldest_migration, oldest_release) values (20261130060000, '0.1.0');
