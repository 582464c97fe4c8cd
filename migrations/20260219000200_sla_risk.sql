-- Up Migration

-- One row a training: what was learned (src/sla/risk-model.ts reads it), and how it did on cases that it had not seen.
create table sla_models (
  organization_id uuid not null references organizations (id),
  version integer not null check (version >= 1),
  model jsonb not null,
  measured jsonb not null,
  cases integer not null,
  is_active boolean not null,
  trained_at timestamptz not null default now(),
  primary key (organization_id, version)
);
create unique index sla_models_one_active on sla_models (organization_id) where is_active;

-- One row a prediction, scored once its clock was missed or kept. Without a model, version is null and basis says what served instead.
create table sla_predictions (
  id bigint generated always as identity primary key,
  organization_id uuid not null references organizations (id),
  ticket_id uuid not null,
  cycle integer not null check (cycle >= 1),
  risk real not null check (risk between 0 and 1),
  basis text not null check (basis in ('model', 'history', 'elapsed_share', 'breached')),
  model_version integer,
  target_seconds double precision not null,
  elapsed_seconds double precision not null,
  solved_early timestamptz,
  solved_likely timestamptz,
  solved_late timestamptz,
  predicted_at timestamptz not null default now(),
  breached boolean,
  scored_at timestamptz,
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade,
  constraint a_model_has_a_version check ((basis = 'model') = (model_version is not null))
);
create index sla_predictions_of_ticket on sla_predictions (organization_id, ticket_id, id desc);
create index sla_predictions_scored on sla_predictions (organization_id, scored_at desc) where scored_at is not null;

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['sla_models', 'sla_predictions'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('create policy tenant on %I to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization())', tenant_table);
    execute format('grant select, insert, update, delete on %I to atum_app, atum_system', tenant_table);
  end loop;
end
$$;

-- Down Migration

drop table sla_predictions, sla_models;
