-- Users who log in at an identity provider: known by the issuer and the subject there, never by their name, and without a
-- password.
alter table elt.users
    alter column password_hash drop not null,
    add column issuer  text,
    add column subject text check (length(subject) <= 255),
    add constraint users_local_or_external check (
        (issuer is null and subject is null and (password_hash is not null or is_service))
        or (issuer is not null and subject is not null and password_hash is null and not is_service));
create unique index users_subject on elt.users (issuer, subject) where issuer is not null;

-- One-time codes with which a browser that has logged in at the provider gets its token. Only their hashes are kept.
create table elt.login_codes (
    code_hash  bytea       primary key,
    user_id    uuid        not null references elt.users (id) on delete cascade,
    expires_at timestamptz not null
);
-- grants: api select, insert, delete
