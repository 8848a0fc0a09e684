-- A version that an admin has sent only to have it planned, tested or previewed decides nothing about shares and inboxes: a look at
-- a user's config must not change which table a share shows. 'draft': it decides once it runs. 'of_user': a user had sent it
-- before, and it decides once an admin uploads it. Null: an admin has uploaded it, or no admin has sent it.
alter table elt.config_history add column only_tried text check (only_tried in ('draft', 'of_user'));
