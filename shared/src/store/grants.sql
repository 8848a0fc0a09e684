-- What each role may do in the control database. `elt migrate` executes this file after the migrations, as the owner.
-- A migration that makes a table adds a line here for each role that needs it: a table without a line can be used by
-- the owner only, and the test of the privilege matrix fails until the table is listed there.

revoke all on all tables in schema elt, apalis from elt_api, elt_worker, elt_reader;
revoke execute on all functions in schema elt, apalis from public, elt_api, elt_worker, elt_reader;
revoke create on schema public from public;
grant usage on schema elt, apalis to elt_api, elt_worker, elt_reader;

-- The API.
grant select on elt._sqlx_migrations, elt.run_attempts, elt.run_totals, elt.workers, apalis.workers to elt_api;
grant select, insert on elt.audit, elt.coverage_reports, elt.log_lines, elt.run_ends, elt.secret_keys to elt_api;
grant select, insert, update on elt.idempotency_keys, elt.runs, elt.schedules, apalis.jobs to elt_api;
grant select, insert, update, delete on elt.known_hosts, elt.sessions, elt.users to elt_api;
grant select, insert, delete on elt.config_history, elt.login_codes, elt.login_failures to elt_api;
grant select, insert, update on elt.api_tokens to elt_api;
grant select, insert, update, delete on elt.recovery_codes, elt.second_factors, elt.secrets to elt_api;
grant update (by_admin, only_tried, secret_names) on elt.config_history to elt_api;
grant select, update on elt.audit_chain to elt_api;
grant update (drain_asked_at, drain_asked_by) on elt.workers to elt_api;
grant select, insert, delete, update (scope) on elt.pauses to elt_api;
grant select, insert, update, delete on elt.queue_limits to elt_api;
grant select on elt.dropped_keys, elt.retention, elt.schema_compatibility, elt.target_outages to elt_api;
grant select on elt.run_counts, elt.run_days to elt_api;
grant select, insert on elt.run_count_changes to elt_api;
grant select, insert, update on elt.backfill_windows, elt.backfills to elt_api;
grant select, insert, update on elt.incidents, elt.notifications to elt_api;
grant select, insert, update, delete on elt.channels to elt_api;
grant select on elt.run_profiles to elt_api;
grant select, insert, delete on elt.shares to elt_api;
grant select, insert, update, delete on elt.saved_filters to elt_api;

-- Workers.
grant select on elt._sqlx_migrations, elt.pauses, elt.queue_limits, elt.secret_keys, elt.secrets to elt_worker;
grant select, update, delete on elt.idempotency_keys to elt_worker;
grant select, delete on elt.api_tokens, elt.config_history, elt.login_failures, elt.sessions to elt_worker;
grant select, insert, update, delete on elt.output_files, elt.output_paths, elt.target_outages to elt_worker;
grant select, insert, update on elt.known_hosts, elt.run_totals to elt_worker;
grant select, insert, update, delete on elt.run_attempts, elt.runs to elt_worker;
grant select, update, delete on elt.schedules to elt_worker;
grant select, delete on elt.coverage_reports to elt_worker;
grant select, insert, delete on elt.log_lines, elt.run_ends to elt_worker;
grant select, insert, update, delete on elt.retention, elt.workers, apalis.jobs, apalis.workers to elt_worker;
grant select, update on elt.audit_chain to elt_worker;
grant execute on function elt.remove_old_audit(timestamptz, integer) to elt_worker;
grant execute on function apalis.get_jobs(text, text, integer) to elt_worker;
grant select on elt.dropped_keys, elt.installation, elt.schema_compatibility to elt_worker;
grant select, insert, update, delete on elt.run_counts, elt.run_days to elt_worker;
grant select, insert, delete on elt.run_count_changes to elt_worker;
-- A refresh token that a server has just given is sealed by the worker, with a key that may be new.
grant select, insert, update, delete on elt.oauth_grants to elt_worker;
grant insert on elt.secret_keys to elt_worker;
grant select, update, delete on elt.backfill_windows, elt.backfills to elt_worker;
grant select, insert, update, delete on elt.incidents, elt.notifications to elt_worker;
grant select on elt.channels to elt_worker;
-- Profiles have values of rows, so that readers have no right to them.
grant select, insert, delete on elt.run_profiles to elt_worker;
-- What `notify:` of a config says, where an earlier release stored the config.
grant update (notify) on elt.config_history to elt_worker;

-- People and programs that look: no password hash, no config text, no key.
grant select on elt.audit, elt.audit_chain, elt.coverage_reports, elt.known_hosts, elt.log_lines, elt.run_attempts, elt.run_ends,
    elt.run_totals, elt.runs, elt.schedules, elt.workers, apalis.jobs, apalis.workers to elt_reader;
grant select (id, username, role, disabled, tokens_after, created_at) on elt.users to elt_reader;
grant select (id, version, "timestamp", name, yaml_preview, runnable, problems, warnings, created_by)
    on elt.config_history to elt_reader;
grant select (key_id, added_at) on elt.secret_keys to elt_reader;
grant select (name, key_id, description, pipelines, usable_by_users, version, created_at, created_by, updated_at, updated_by)
    on elt.secrets to elt_reader;
grant select on elt.dropped_keys, elt.pauses, elt.queue_limits, elt.retention, elt.schema_compatibility, elt.target_outages
    to elt_reader;
grant select on elt.run_count_changes, elt.run_counts, elt.run_days to elt_reader;
grant select (grant_hash, key_id, version, expires_at, renewed_by, renewed_until, created_at, kept_at)
    on elt.oauth_grants to elt_reader;
grant select on elt.backfill_windows, elt.backfills to elt_reader;
grant select on elt.incidents, elt.notifications to elt_reader;
grant select (name, key_id, destination, created_at, created_by, updated_at, updated_by) on elt.channels to elt_reader;
grant select on elt.shares to elt_reader;
