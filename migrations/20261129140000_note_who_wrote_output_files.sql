-- The paths that pipelines write their combined CSV to. One path belongs to one pipeline.
create table elt.output_paths (
    path       text primary key,  -- in lower case, because some file systems take `A.csv` and `a.csv` for one file
    real_path  text not null,     -- without links
    pipeline   text not null,
    run_id     uuid not null,     -- the last run that was going to write here
    claimed_at timestamptz not null default clock_timestamp()
);

-- The files that runs wrote there. A run replaces a file only when it is one of these.
create table elt.output_files (
    path         text not null references elt.output_paths on delete cascade,
    inode        bigint not null,
    size         bigint not null,
    modified_ns  bigint not null,  -- since the epoch
    content_hash uuid,             -- null: not known, because the worker that wrote the file was lost
    run_id       uuid not null,
    written_at   timestamptz not null default clock_timestamp(),
    primary key (path, inode)
);

create index output_files_by_inode on elt.output_files (inode, size, modified_ns);

-- grants: worker select, insert, update, delete on elt.output_paths and elt.output_files
