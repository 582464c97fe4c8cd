-- Up Migration

-- Each training is a version of its field's model, with its weights; one version of a field answers, and an older one can
-- be made to again. Weights go when a version is old (null), what was measured stays.
alter table ai_models
  drop constraint ai_models_field_check,
  add constraint ai_models_field_check check (field in ('category', 'priority', 'sentiment')),
  add column version integer not null default 1 check (version >= 1),
  add column weights bytea,
  add column is_active boolean not null default false,
  add column activated_at timestamptz,
  add column verdict text not null default '' check (length(verdict) <= 500);
update ai_models set version = numbered.version
  from (select id, row_number() over (partition by organization_id, field order by trained_at, id) as version from ai_models) numbered
 where numbered.id = ai_models.id;
create unique index ai_models_one_active on ai_models (organization_id, field) where is_active;
create unique index ai_models_version on ai_models (organization_id, field, version);

-- Down Migration

drop index ai_models_version;
drop index ai_models_one_active;
delete from ai_models where field not in ('category', 'priority');
alter table ai_models
  drop column verdict, drop column activated_at, drop column is_active, drop column weights, drop column version,
  drop constraint ai_models_field_check,
  add constraint ai_models_field_check check (field in ('category', 'priority'));
