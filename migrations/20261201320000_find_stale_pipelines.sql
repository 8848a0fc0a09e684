-- Pipelines whose configs say after how long they are stale.
create index config_history_freshness on elt.config_history (name) where notify ? 'freshness_seconds';
