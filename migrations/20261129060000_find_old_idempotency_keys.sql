-- Retention deletes keys by their age.
create index idempotency_keys_by_age on elt.idempotency_keys (created_at);
