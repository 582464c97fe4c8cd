-- Up Migration

-- The group follows from the service: its prediction is what the categories say together of each group.
alter table ai_predictions drop constraint ai_predictions_field_check;
alter table ai_predictions add constraint ai_predictions_field_check
  check (field in ('category', 'priority', 'tags', 'group', 'assignee', 'escalation', 'smart_reply'));
alter table org_settings
  add column ai_group_mode text not null default 'suggest' check (ai_group_mode in ('apply', 'suggest', 'silent')),
  add column ai_group_threshold double precision not null default 0.5 check (ai_group_threshold between 0 and 1);

-- Down Migration

alter table org_settings drop column ai_group_mode, drop column ai_group_threshold;
delete from ai_predictions where field = 'group';
alter table ai_predictions drop constraint ai_predictions_field_check;
alter table ai_predictions add constraint ai_predictions_field_check
  check (field in ('category', 'priority', 'tags', 'assignee', 'escalation', 'smart_reply'));
