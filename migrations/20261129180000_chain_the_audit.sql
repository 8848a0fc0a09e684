-- Each row of the audit carries a hash over its content and the hash of the row before it, keyed with the installation's
-- secret key. Rows written before this migration have none.
alter table elt.audit
    -- Place in the chain, from 1, without gaps.
    add column seq    bigint unique,
    -- The secret key whose subkey made the hash.
    add column key_id text,
    add column hash   bytea check (length(hash) = 32),
    add constraint audit_chained check ((seq is null) = (hash is null) and (seq is null) = (key_id is null));

-- The one row that says where the chain begins and ends. It is locked while a row is added.
create table elt.audit_chain (
    only_row    boolean primary key default true check (only_row),
    head_seq    bigint  not null default 0,
    head_hash   bytea   not null default decode(repeat('00', 32), 'hex'),
    -- The last row that retention removed: the first one kept continues from it.
    anchor_seq  bigint  not null default 0,
    anchor_hash bytea   not null default decode(repeat('00', 32), 'hex'),
    -- Rows from before the chain.
    unchained   bigint  not null,
    -- Signature of the columns above. Null: never signed, or changed by someone who does not have the key.
    key_id      text,
    mac         bytea
);
insert into elt.audit_chain (unchained) select count(*) from elt.audit;
-- grants: api select, update; worker select, update; reader select

-- Nobody may remove rows that are younger, not even retention.
create function elt.audit_is_kept_for() returns interval language sql stable as $$ select interval '30 days' $$;

create or replace function elt.keep_the_audit() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('elt.audit_retention', true) = 'on' then
        return null;
    end if;
    raise exception 'the audit is only ever added to' using errcode = 'insufficient_privilege';
end $$;

-- Removes the oldest rows from before `before`, at most `most`, and says how many of them were in the chain or not, and
-- which was the last one in it. Workers may call it; no role of the app may delete.
create function elt.remove_old_audit(before timestamptz, most integer)
    returns table (chained bigint, unchained bigint, last_seq bigint, last_hash bytea)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    cutoff timestamptz := least(before, now() - elt.audit_is_kept_for());
begin
    perform set_config('elt.audit_retention', 'on', true);
    with removed as (
        delete from elt.audit where id in (
            select a.id from elt.audit a where a.seq is null and a.at < cutoff order by a.id limit most)
        returning 1
    )
    select count(*) from removed into unchained;
    with oldest as (
        select a.seq, a.at from elt.audit a where a.seq is not null order by a.seq limit most
    ), removed as (
        delete from elt.audit a using oldest
        where a.seq = oldest.seq
          and a.seq < coalesce((select min(o.seq) from oldest o where o.at >= cutoff), 9223372036854775807)
        returning a.seq, a.hash
    )
    select count(*), max(r.seq), (select l.hash from removed l order by l.seq desc limit 1) from removed r
        into chained, last_seq, last_hash;
    perform set_config('elt.audit_retention', 'off', true);
    return next;
end $$;
-- grants: worker execute
