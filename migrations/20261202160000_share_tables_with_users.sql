-- Tables that admins share with users, who read the target table of the pipeline without its config.
create table elt.shares (
    user_id    uuid        not null references elt.users (id) on delete cascade,
    pipeline   text        not null,
    granted_by text        not null,
    granted_at timestamptz not null default now(),
    primary key (user_id, pipeline)
);
create index shares_of_pipeline on elt.shares (pipeline);

-- Named views of shared tables: filters, order and hidden columns. They end with the share.
create table elt.saved_filters (
    user_id  uuid        not null,
    pipeline text        not null,
    name     text        not null check (length(name) between 1 and 100),
    view     jsonb       not null check (octet_length(view::text) <= 65536),
    saved_at timestamptz not null default now(),
    primary key (user_id, pipeline, name),
    foreign key (user_id, pipeline) references elt.shares (user_id, pipeline) on delete cascade
);
