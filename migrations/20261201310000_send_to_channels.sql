-- Channels: receivers of messages that an admin defines once, so that configs name them instead of an address.
create table elt.channels (
    name        text        primary key check (name ~ '^[A-Za-z0-9_.-]{1,64}$'),
    -- The address: nonce and ciphertext, bound to this name; and the secret key that opens it.
    sealed      bytea       not null check (octet_length(sealed) <= 65536 + 40),
    key_id      text        not null references elt.secret_keys (key_id),
    -- The address for people, without secrets.
    destination text        not null,
    created_at  timestamptz not null default now(),
    created_by  text        not null,
    updated_at  timestamptz not null default now(),
    updated_by  text        not null
);
create index channels_by_key on elt.channels (key_id);

-- A message goes to an item of a config, or to a channel. A test of a channel is about no incident and no pipeline.
alter table elt.notifications add column channel text;
alter table elt.notifications alter column incident_id drop not null;
alter table elt.notifications alter column config_id drop not null;
alter table elt.notifications alter column entry drop not null;
alter table elt.notifications add constraint notifications_go_somewhere
    check (channel is not null or (config_id is not null and entry is not null));
