-- The id of this installation: the one of all processes that use this control database. Markers in targets carry it, so
-- that retention deletes those of this installation's runs only. A backup has it, so a restored installation keeps its id.
create table elt.installation (
    is_only boolean primary key default true check (is_only),
    id uuid not null default gen_random_uuid()
);
insert into elt.installation default values;
