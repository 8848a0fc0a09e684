-- The secret keys that seal something here, by their ids. A process that lacks one of them is refused at its start.
create table elt.secret_keys (
    -- Derived from the key, and of no help to guess it.
    key_id   text        primary key,
    -- A known value, sealed: it opens with the right key only.
    canary   bytea       not null,
    added_at timestamptz not null default now()
);

-- The text of a config is kept sealed, and shown masked. `elt migrate` and `elt up` seal the rows of earlier releases,
-- which have `yaml_content` only; afterwards that column is empty. Processes of earlier releases cannot read sealed rows.
alter table elt.config_history
    alter column yaml_content drop not null,
    -- The whole text, every secret `***`.
    add column yaml_masked text,
    -- The text exactly as uploaded: nonce and ciphertext, bound to this version.
    add column yaml_sealed bytea,
    -- The key that opens it, which also made `content_key`.
    add column key_id      text references elt.secret_keys (key_id),
    add constraint config_history_sealed
        check (num_nonnulls(yaml_masked, yaml_sealed, key_id) = case when yaml_content is null then 3 else 0 end);
create index config_history_in_clear on elt.config_history (id) where yaml_content is not null;
create index config_history_by_key on elt.config_history (key_id, id);
