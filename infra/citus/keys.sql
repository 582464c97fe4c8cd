-- Gives every key of the desk's tables the organisation, as a table needs that is distributed by it. Run once, as the owner, on a
-- database that is up to date and that nobody uses; docs/scale.md says what comes after. PostgreSQL 15 or newer.
begin;

-- Whatever has an organisation in each row; accounts, the audit and the engine's tables have rows of the installation as well, or serve all at once.
create temporary table desk_tables on commit drop as
  select oid as id, relname as name from pg_class
   where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition and relname !~ '^(audit|job|registrations)'
     and exists (select from pg_attribute where attrelid = pg_class.oid and attname = 'organization_id' and attnotnull);

alter table ai_labels drop constraint ai_labels_prediction_id_fkey;
alter table ai_suggestions drop constraint ai_suggestions_prediction_id_fkey;
alter table kb_suggestion_votes drop constraint kb_suggestion_votes_suggestion_id_fkey;

do $$
declare
  wanted record;
begin
  for wanted in
    select desk_tables.name as table_name, conname, contype, array_to_string(array(
             select quote_ident(attname) from unnest(conkey) with ordinality as key (number, place)
               join pg_attribute on attrelid = conrelid and attnum = key.number order by place), ', ') as columns
      from pg_constraint join desk_tables on desk_tables.id = conrelid
     where contype in ('p', 'u')
       and not exists (select from pg_attribute where attrelid = conrelid and attname = 'organization_id' and attnum = any(conkey))
  loop
    execute format('alter table %I drop constraint %I, add constraint %2$I %s (organization_id, %s)', wanted.table_name, wanted.conname,
                   case wanted.contype when 'p' then 'primary key' else 'unique' end, wanted.columns);
  end loop;
end $$;

alter table ai_labels add constraint ai_labels_prediction_id_fkey
  foreign key (organization_id, prediction_id) references ai_predictions (organization_id, id) on delete set null (prediction_id);
alter table ai_suggestions add constraint ai_suggestions_prediction_id_fkey
  foreign key (organization_id, prediction_id) references ai_predictions (organization_id, id) on delete set null (prediction_id);
alter table kb_suggestion_votes add constraint kb_suggestion_votes_suggestion_id_fkey
  foreign key (organization_id, suggestion_id) references ticket_kb_suggestions (organization_id, id) on delete cascade;

commit;
