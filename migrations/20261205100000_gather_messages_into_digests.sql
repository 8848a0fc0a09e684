-- Messages whose receiver asks for one message about everything that happened in a period.
alter table elt.notifications
    -- Waiting messages with the same text here go out as one. Null: the message goes out by itself.
    add column digest    text,
    -- The first message of the digest that this one is part of: all are sent, tried again and given up with it. Null: this one is
    -- not part of a digest yet.
    add column digest_id uuid,
    add constraint notifications_gathered check (digest_id is null or digest is not null);
create index notifications_by_digest on elt.notifications (digest, next_try_at) where state = 'waiting' and digest is not null;
create index notifications_of_digest on elt.notifications (digest_id, id) where digest_id is not null;
