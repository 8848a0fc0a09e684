-- Messages to people and programs about what happened to pipelines.

-- What `notify:` of a config says, without secrets: events, thresholds, and where messages go. Null: an earlier release stored
-- the config, and no worker has read it since.
alter table elt.config_history add column notify jsonb;

-- One row for each time that something is wrong with a pipeline, from the run that shows it to the run that shows that it is
-- over. While an incident is open, no further message is made about it.
create table elt.incidents (
    id        uuid        primary key,
    pipeline  text        not null,
    event     text        not null,
    -- What tells two incidents of one pipeline and event apart, such as the number of rejected rows above which it counts.
    subject   text        not null default '',
    opened_at timestamptz not null default clock_timestamp(),
    -- The run that showed it. Not a reference, because runs are deleted earlier than incidents.
    opened_by uuid,
    closed_at timestamptz,
    closed_by uuid
);
create unique index incidents_one_open on elt.incidents (pipeline, event, subject) where closed_at is null;
create index incidents_closed on elt.incidents (closed_at) where closed_at is not null;

-- The messages: written in the transaction that opens or closes their incident, and sent by any worker afterwards.
create table elt.notifications (
    -- Receivers see it, and recognise a message by it that arrives twice.
    id          uuid        primary key,
    incident_id uuid        not null references elt.incidents (id) on delete cascade,
    pipeline    text        not null,
    event       text        not null,
    run_id      uuid,
    -- The queue whose workers send it: only they can be expected to know what the config refers to.
    queue       text        not null,
    -- Where it goes: the item of `notify:` in this config version, counted from 0.
    config_id   bigint      not null,
    entry       integer     not null,
    -- The same for people, without secrets.
    destination text        not null,
    -- What it says, without secrets and without values of rows.
    message     jsonb       not null,
    state       text        not null default 'waiting' check (state in ('waiting', 'sent', 'given_up')),
    attempt     integer     not null default 0,
    -- When it is due. A worker that takes it moves this past the time that sending may take, so that another worker takes it
    -- after the loss of that one.
    next_try_at timestamptz not null default now(),
    give_up_at  timestamptz not null default now() + interval '24 hours',
    created_at  timestamptz not null default clock_timestamp(),
    ended_at    timestamptz,
    -- Why the last attempt failed, in words.
    error       text,
    constraint notifications_ended check ((state = 'waiting') = (ended_at is null))
);
create index notifications_due on elt.notifications (next_try_at) where state = 'waiting';
create index notifications_of_incident on elt.notifications (incident_id, id);
create index notifications_newest on elt.notifications (id desc);
create index notifications_ended on elt.notifications (ended_at) where ended_at is not null;
