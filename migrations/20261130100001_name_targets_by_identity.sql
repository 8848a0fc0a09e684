-- A place in words, for people. Null: `place` is in words. A target is named by its identity, because its address is that
-- of another database some day, or differs from one network to another.
alter table elt.retention add column shown text;
