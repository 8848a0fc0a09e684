-- The audit is only ever added to, whoever asks: a mistake in a query must not rewrite what was done.
create function elt.keep_the_audit() returns trigger language plpgsql as $$
begin
    raise exception 'the audit is only ever added to' using errcode = 'insufficient_privilege';
end $$;

create trigger audit_is_kept before update or delete or truncate on elt.audit
    for each statement execute function elt.keep_the_audit();
