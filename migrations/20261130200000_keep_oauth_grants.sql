-- OAuth grants of API sources with a refresh token. A server may answer a refresh token with a new one, and may refuse the
-- one before from then on, so that the newest one must be kept, once for all workers.
create table elt.oauth_grants (
    -- SHA-256 of the token endpoint, the client and the refresh token that the config names, in hexadecimal.
    grant_hash    text        primary key check (grant_hash ~ '^[0-9a-f]{64}$'),
    -- The newest refresh token and access token: nonce and ciphertext, bound to this row; and the key that opens them.
    sealed        bytea       not null check (octet_length(sealed) <= 262144),
    key_id        text        not null constraint oauth_grants_key references elt.secret_keys (key_id),
    -- Counts the answers of the token endpoint that were kept.
    version       bigint      not null default 0,
    -- When the access token expires. Null: no access token is kept.
    expires_at    timestamptz,
    -- The worker that asks the token endpoint now, and until when the others wait for it.
    renewed_by    uuid,
    renewed_until timestamptz,
    created_at    timestamptz not null default now(),
    -- When an answer was kept last.
    kept_at       timestamptz not null default now(),
    constraint oauth_grants_lease check ((renewed_by is null) = (renewed_until is null))
);
create index oauth_grants_by_key on elt.oauth_grants (key_id);
create index oauth_grants_by_kept_at on elt.oauth_grants (kept_at);
