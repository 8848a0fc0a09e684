-- Second factors (time-based one-time codes, RFC 6238) of users with a password.
create table elt.second_factors (
    user_id        uuid        primary key references elt.users (id) on delete cascade,
    -- The shared secret, sealed with the secret key that is named.
    key_id         text        not null,
    sealed         bytea       not null,
    created_at     timestamptz not null default now(),
    -- Null until the user has shown a code: until then logins need none.
    confirmed_at   timestamptz,
    -- The time step of the last code that was accepted: a code works once.
    last_step      bigint      not null default 0,
    -- Wrong codes since `failures_since`, counted for all addresses together.
    failures       integer     not null default 0,
    failures_since timestamptz
);

-- Codes that each replace the second factor once. They have 80 random bits; only their hashes are kept.
create table elt.recovery_codes (
    user_id   uuid  not null references elt.second_factors (user_id) on delete cascade,
    code_hash bytea not null,
    primary key (user_id, code_hash)
);
-- grants: api select, insert, update, delete
