-- One row for each login. A token is valid while the session that it names is there and has not ended, so that a token
-- signed with a stolen key, or one of a removed user, opens nothing.
create table elt.sessions (
    -- The `jti` of the session's token.
    id           uuid        primary key,
    user_id      uuid        not null references elt.users (id) on delete cascade,
    -- How the user logged in: with a password, or at the identity provider.
    method       text        not null check (method in ('password', 'oidc')),
    created_at   timestamptz not null default now(),
    -- Written at most once a minute.
    last_seen_at timestamptz not null default now(),
    expires_at   timestamptz not null,
    -- Logged out, ended by a person, or void because the user was changed.
    ended_at     timestamptz,
    ip           text,
    -- The first 200 characters.
    user_agent   text        check (length(user_agent) <= 200)
);
create index sessions_of_user on elt.sessions (user_id, created_at desc);
create index sessions_expired on elt.sessions (expires_at);
-- grants: api select, insert, update, delete; worker select, delete

-- Sessions replace the list of tokens that were logged out. Tokens that were issued before name no session: their users
-- log in again.
drop trigger tokens_revoked on elt.revoked_tokens;
drop function elt.tell_token_revoked();
drop table elt.revoked_tokens;

create function elt.tell_session_ended() returns trigger language plpgsql as $$
begin
    perform pg_notify('elt_users', old.id::text);
    return null;
end $$;

create trigger sessions_ended after update of ended_at on elt.sessions
    for each row when (old.ended_at is null and new.ended_at is not null)
    execute function elt.tell_session_ended();

create trigger sessions_removed after delete on elt.sessions
    for each row when (old.ended_at is null and old.expires_at > now())
    execute function elt.tell_session_ended();
