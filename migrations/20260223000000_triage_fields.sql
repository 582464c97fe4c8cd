-- Up Migration

-- Below its threshold a field is neither written to the ticket nor shown.
alter table org_settings
  add column ai_category_threshold double precision not null default 0.4 check (ai_category_threshold between 0 and 1),
  add column ai_priority_threshold double precision not null default 0.4 check (ai_priority_threshold between 0 and 1),
  add column ai_tags_threshold double precision not null default 0.4 check (ai_tags_threshold between 0 and 1),
  add column ai_assignee_threshold double precision not null default 0.5 check (ai_assignee_threshold between 0 and 1);

-- One row a prediction: what a model said of one field of one ticket, what people did with it, and what came of it.
--   value        the best guess, also where it was not sure enough to be offered; null where there was none
--   previous     what the ticket had before the prediction was written to it
--   state        by the suggestion machine; null: never offered to anybody (not sure enough, or the field is silent)
--   final_value  what the field was when the ticket was solved, or what somebody put in the prediction's place
create table ai_predictions (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  ticket_id uuid not null,
  field text not null check (field in ('category', 'priority', 'tags', 'assignee', 'escalation', 'smart_reply')),
  value jsonb,
  previous jsonb,
  confidence double precision check (confidence between 0 and 1),
  mode text not null check (mode in ('apply', 'suggest', 'silent')),
  threshold double precision not null check (threshold between 0 and 1),
  state text check (state in ('offered', 'accepted', 'edited', 'rejected', 'expired', 'replaced')),
  is_live boolean not null default true,
  applied_at timestamptz,
  explanation jsonb not null default '{}',
  model text not null,
  version text not null,
  inputs_hash bytea not null,
  created_at timestamptz not null default now(),
  decided_at timestamptz,
  decided_by uuid,
  decided_via text check (decided_via in ('suggestion', 'ticket', 'closing', 'expiry')),
  edit_distance integer check (edit_distance >= 0),
  final_value jsonb,
  is_right boolean,
  scored_at timestamptz,
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade,
  constraint decisions_have_a_time check ((decided_at is null) = (state is null or state = 'offered'))
);
create unique index ai_predictions_one_live on ai_predictions (organization_id, ticket_id, field) where is_live;
create index ai_predictions_of_ticket on ai_predictions (organization_id, ticket_id, created_at);
create index ai_predictions_newest on ai_predictions (organization_id, created_at desc);

-- What agents said a ticket is (is_right) or is not: models learn from it at once.
create table ai_labels (
  id bigint generated always as identity primary key,
  organization_id uuid not null references organizations (id),
  ticket_id uuid not null,
  field text not null check (field in ('category', 'priority', 'tags', 'assignee')),
  value jsonb not null,
  is_right boolean not null,
  source text not null check (source in ('accept', 'edit', 'reject', 'change')),
  user_id uuid not null,
  prediction_id uuid references ai_predictions (id) on delete set null,
  at timestamptz not null default now(),
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade,
  foreign key (organization_id, user_id) references users (organization_id, id)
);
create index ai_labels_newest on ai_labels (organization_id, id desc);
create index ai_labels_of_prediction on ai_labels (prediction_id);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['ai_predictions', 'ai_labels'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('create policy tenant on %I to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization())', tenant_table);
    execute format('grant select, insert, update, delete on %I to atum_app, atum_system', tenant_table);
  end loop;
end
$$;
grant usage on sequence ai_labels_id_seq to atum_app, atum_system;

-- Down Migration

drop table ai_labels, ai_predictions;
alter table org_settings drop column ai_category_threshold, drop column ai_priority_threshold, drop column ai_tags_threshold, drop column ai_assignee_threshold;
