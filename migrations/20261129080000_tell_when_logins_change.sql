-- Open streams end at once when the user who reads them may no longer log in. Each process has one listener that
-- receives the id of a user who was changed or removed, and of a token that was logged out.
create function elt.tell_user_changed() returns trigger language plpgsql as $$
begin
    perform pg_notify('elt_users', old.id::text);
    return null;
end $$;

create trigger users_changed after update or delete on elt.users
    for each row execute function elt.tell_user_changed();

create function elt.tell_token_revoked() returns trigger language plpgsql as $$
begin
    perform pg_notify('elt_users', new.jti::text);
    return null;
end $$;

create trigger tokens_revoked after insert on elt.revoked_tokens
    for each row execute function elt.tell_token_revoked();

-- Failed logins are also counted by address alone, and over all addresses.
create index login_failures_at on elt.login_failures (at);

-- A token issued before its user was added is void, because it belongs to a removed user of the same name.
alter table elt.users alter column tokens_after set default clock_timestamp();
