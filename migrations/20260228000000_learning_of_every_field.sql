-- Up Migration

-- Every field of triage has a model of its own, and moods are read by what agents said of them.
alter table ai_models
  drop constraint ai_models_field_check,
  add constraint ai_models_field_check check (field in ('category', 'priority', 'tags', 'group', 'assignee', 'sentiment'));
alter table ai_predictions
  drop constraint ai_predictions_field_check,
  add constraint ai_predictions_field_check
    check (field in ('category', 'priority', 'tags', 'group', 'assignee', 'sentiment', 'escalation', 'smart_reply'));
alter table ai_labels
  drop constraint ai_labels_field_check,
  add constraint ai_labels_field_check check (field in ('category', 'priority', 'tags', 'group', 'assignee', 'sentiment'));
create index ai_labels_of_ticket on ai_labels (organization_id, ticket_id, field);
create index ai_labels_at on ai_labels (organization_id, at);

-- Down Migration

drop index ai_labels_at;
drop index ai_labels_of_ticket;
delete from ai_labels where field in ('group', 'sentiment');
alter table ai_labels
  drop constraint ai_labels_field_check,
  add constraint ai_labels_field_check check (field in ('category', 'priority', 'tags', 'assignee'));
delete from ai_predictions where field = 'sentiment';
alter table ai_predictions
  drop constraint ai_predictions_field_check,
  add constraint ai_predictions_field_check check (field in ('category', 'priority', 'tags', 'group', 'assignee', 'escalation', 'smart_reply'));
delete from ai_models where field not in ('category', 'priority', 'sentiment');
alter table ai_models
  drop constraint ai_models_field_check,
  add constraint ai_models_field_check check (field in ('category', 'priority', 'sentiment'));
