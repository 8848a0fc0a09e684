-- Service accounts: users that only programs act as. They have no password, so nobody can log in as one.
alter table elt.users add column is_service boolean not null default false;
alter table elt.users alter column password_hash drop not null;
alter table elt.users add constraint users_service_has_no_password check (not is_service or password_hash is null);

-- Keys for programs. The token itself is shown once and never stored.
create table elt.api_tokens (
    id           uuid primary key,
    name         text        not null check (name <> '' and length(name) <= 100),
    -- A token ends with its owner: it is removed, and a later user of the same name has another id.
    owner_id     uuid        not null references elt.users on delete cascade,
    -- SHA-256 of the whole token. A plain hash is enough, because a token has more than 160 random bits.
    hash         bytea       not null unique check (octet_length(hash) = 32),
    scopes       text[]      not null check (
        cardinality(scopes) > 0 and scopes <@ array['trigger', 'read', 'upload', 'data', 'admin']),
    -- Names of the pipelines it may touch; null: all of them.
    pipelines    text[] check (cardinality(pipelines) between 1 and 100),
    expires_at   timestamptz not null,
    -- Both are written at most once a minute.
    last_used_at timestamptz,
    last_used_ip text,
    revoked_at   timestamptz,
    created_by   text        not null,
    created_at   timestamptz not null default now()
);
-- The audit names a token, so a name belongs to one token at a time.
create unique index api_tokens_name on elt.api_tokens (lower(name)) where revoked_at is null;
create index api_tokens_owner on elt.api_tokens (owner_id);
-- Retention looks for tokens that ended long ago.
create index api_tokens_end on elt.api_tokens (least(revoked_at, expires_at));

-- Open streams end at once when the token that reads them is revoked or removed.
create function elt.tell_api_token_ended() returns trigger language plpgsql as $$
begin
    perform pg_notify('elt_users', old.id::text);
    return null;
end $$;

create trigger api_tokens_ended after update of revoked_at or delete on elt.api_tokens
    for each row execute function elt.tell_api_token_ended();

-- grants: api select, insert, update; worker select, delete
