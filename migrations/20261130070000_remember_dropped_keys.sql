-- Secret keys that `elt keys drop` has dropped, by their ids. Nothing is sealed or signed with them any more, also not by
-- a process that was started with such a key as its current one and still runs.
create table elt.dropped_keys (
    key_id     text        primary key,
    dropped_at timestamptz not null default now()
);

-- KD001 is an error code of elt's own: programs recognise the refusal by it.
create function elt.refuse_a_dropped_key() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from elt.dropped_keys dropped where dropped.key_id = new.key_id) then
        raise exception 'the secret key % was dropped, so nothing is sealed or signed with it any more', new.key_id
            using errcode = 'KD001';
    end if;
    return new;
end $$;

-- Sealed rows reference their key here, so that none of them can name a dropped key either.
create trigger refuse_a_dropped_key before insert on elt.secret_keys
    for each row execute function elt.refuse_a_dropped_key();
create trigger refuse_a_dropped_key before insert on elt.audit
    for each row execute function elt.refuse_a_dropped_key();
create trigger refuse_a_dropped_key before update on elt.audit_chain
    for each row execute function elt.refuse_a_dropped_key();
