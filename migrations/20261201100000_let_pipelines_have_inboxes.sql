-- What a config says about the pipeline's inbox, the folder of files that people and programs upload, so that an upload can be
-- allowed without opening the text: `{"users": bool, "globs": [...]}`. Null: no source of it reads an inbox, or an older
-- release stored the version.
alter table elt.config_history add column inbox jsonb check (jsonb_typeof(inbox) = 'object');
create index config_history_with_inbox on elt.config_history (name collate "C", version desc) where inbox is not null;
