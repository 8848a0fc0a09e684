-- Secrets that configs refer to as `${secret:NAME}`. A value is sealed, and no answer of the API ever contains it.
create table elt.secrets (
    name            text        primary key check (name ~ '^[A-Za-z0-9_.-]{1,64}$'),
    -- The value: nonce and ciphertext, bound to this name; and the secret key that opens it.
    sealed          bytea       not null check (octet_length(sealed) <= 65536 + 40),
    key_id          text        not null references elt.secret_keys (key_id),
    description     text        not null default '' check (char_length(description) <= 500),
    -- Names of the pipelines that may use it; `{*}`: all of them.
    pipelines       text[]      not null default '{}' check (cardinality(pipelines) <= 100),
    -- Whether configs that no admin has uploaded may use it as well.
    usable_by_users boolean     not null default false,
    -- Counts the values it has had.
    version         bigint      not null default 1,
    created_at      timestamptz not null default now(),
    created_by      text        not null,
    updated_at      timestamptz not null default now(),
    updated_by      text        not null
);
create index secrets_by_key on elt.secrets (key_id);

alter table elt.config_history
    -- Whether an admin has uploaded exactly this text. Only then it reaches secrets that users may not use.
    add column by_admin     boolean not null default false,
    -- The secrets that the text refers to, by their names.
    add column secret_names text[]  not null default '{}';
