-- Up Migration

-- Two roles serve every request and job. Neither owns a table, so row-level security binds both.
--   atum_app     acts for one organisation, the one bound by set_config('atum.organization_id', ..., true)
--   atum_system  acts for the installation: sign-in, the job engine, operators. It still sees no ticket without a bound organisation.
-- Roles belong to the whole cluster, so they may be there already.
do $$
begin
  create role atum_app nologin;
exception when duplicate_object or unique_violation then null;
end
$$;
do $$
begin
  create role atum_system nologin;
exception when duplicate_object or unique_violation then null;
end
$$;

-- A pooled connection carries '' after a transaction-local setting ends; nullif keeps the cast from raising.
create function bound_organization() returns uuid
  language sql stable parallel safe
  return nullif(current_setting('atum.organization_id', true), '')::uuid;

create type ticket_status as enum ('new', 'accepted', 'assigned', 'in_progress', 'waiting_customer', 'resolved', 'closed', 'cancelled');
create type ticket_priority as enum ('low', 'medium', 'high', 'urgent');
create type user_role as enum ('customer_user', 'customer_admin', 'agent', 'manager', 'admin', 'operator');

create table organizations (
  id uuid primary key default gen_random_uuid(),
  slug text not null unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  name text not null check (length(name) between 1 and 200),
  last_ticket_number integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table users (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid references organizations (id),
  email text not null check (length(email) between 3 and 254 and email = lower(email)),
  password_hash text not null,
  full_name text not null check (length(full_name) between 1 and 200),
  role user_role not null,
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (organization_id, id),
  constraint operators_have_no_organization check ((role = 'operator') = (organization_id is null))
);
create unique index users_email_per_organization on users (organization_id, email) nulls not distinct;
create index users_by_email on users (email);

create table refresh_tokens (
  id uuid primary key default gen_random_uuid(),
  family_id uuid not null,
  organization_id uuid references organizations (id),
  user_id uuid not null references users (id) on delete cascade,
  token_hash bytea not null unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  revoked_at timestamptz
);
create index refresh_tokens_by_family on refresh_tokens (family_id);
create index refresh_tokens_by_user on refresh_tokens (user_id);
create index refresh_tokens_by_expiry on refresh_tokens (expires_at);

create table idempotency_keys (
  organization_id uuid not null references organizations (id),
  user_id uuid not null,
  key text not null check (length(key) between 1 and 255),
  request_hash bytea not null,
  response_status smallint not null,
  response_body jsonb not null,
  created_at timestamptz not null default now(),
  primary key (organization_id, user_id, key)
);
create index idempotency_keys_by_age on idempotency_keys (created_at);

create table services (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  name text not null check (length(name) between 1 and 200),
  description text not null default '',
  default_priority ticket_priority not null default 'medium',
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (organization_id, id),
  unique (organization_id, name)
);

create table sla_calendars (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  name text not null check (length(name) between 1 and 200),
  definition jsonb not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (organization_id, id),
  unique (organization_id, name)
);

create table sla_policies (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  name text not null check (length(name) between 1 and 200),
  calendar_id uuid,
  is_default boolean not null default false,
  first_response_minutes jsonb not null,
  resolution_minutes jsonb not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (organization_id, id),
  unique (organization_id, name),
  foreign key (organization_id, calendar_id) references sla_calendars (organization_id, id)
);
create unique index sla_policies_one_default on sla_policies (organization_id) where is_default;

create table tickets (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  number integer not null check (number > 0),
  requester_id uuid not null,
  service_id uuid,
  subject text not null check (length(subject) between 1 and 500),
  description text not null check (length(description) between 1 and 100000),
  status ticket_status not null default 'new',
  priority ticket_priority not null default 'medium',
  tags text[] not null default '{}',
  assigned_to uuid,
  accepted_by uuid,
  accepted_at timestamptz,
  sla_policy_id uuid,
  sla_started_at timestamptz,
  sla_due_at timestamptz,
  resolved_at timestamptz,
  closed_at timestamptz,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (organization_id, id),
  unique (organization_id, number),
  foreign key (organization_id, requester_id) references users (organization_id, id),
  foreign key (organization_id, assigned_to) references users (organization_id, id),
  foreign key (organization_id, accepted_by) references users (organization_id, id),
  foreign key (organization_id, service_id) references services (organization_id, id),
  foreign key (organization_id, sla_policy_id) references sla_policies (organization_id, id)
);
create index tickets_newest on tickets (organization_id, created_at desc, id desc);
create index tickets_by_status on tickets (organization_id, status, created_at desc);
create index tickets_by_requester on tickets (organization_id, requester_id, created_at desc);

create table comments (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  ticket_id uuid not null,
  author_id uuid not null,
  content text not null check (length(content) between 1 and 100000),
  is_internal boolean not null default false,
  is_ai_generated boolean not null default false,
  created_at timestamptz not null default now(),
  unique (organization_id, id),
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade,
  foreign key (organization_id, author_id) references users (organization_id, id)
);
create index comments_of_ticket on comments (organization_id, ticket_id, created_at);

create table attachments (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  ticket_id uuid not null,
  comment_id uuid,
  filename text not null check (length(filename) between 1 and 255),
  content_type text not null,
  size_bytes bigint not null check (size_bytes >= 0),
  sha256 bytea not null check (length(sha256) = 32),
  storage_key text not null unique,
  uploaded_by uuid not null,
  created_at timestamptz not null default now(),
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade,
  foreign key (organization_id, comment_id) references comments (organization_id, id) on delete cascade,
  foreign key (organization_id, uploaded_by) references users (organization_id, id)
);
create index attachments_of_ticket on attachments (organization_id, ticket_id);

create table kb_categories (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  name text not null check (length(name) between 1 and 200),
  description text not null default '',
  is_internal boolean not null default false,
  position integer not null default 0,
  created_at timestamptz not null default now(),
  unique (organization_id, id),
  unique (organization_id, name)
);

create table kb_articles (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  category_id uuid,
  slug text not null,
  title text not null check (length(title) between 1 and 500),
  content text not null check (length(content) between 1 and 500000),
  is_internal boolean not null default false,
  is_published boolean not null default false,
  version integer not null default 1,
  author_id uuid,
  search_vector tsvector generated always as (
    setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', left(content, 100000)), 'B')
  ) stored,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  published_at timestamptz,
  unique (organization_id, id),
  unique (organization_id, slug),
  foreign key (organization_id, category_id) references kb_categories (organization_id, id),
  foreign key (organization_id, author_id) references users (organization_id, id)
);
create index kb_articles_search on kb_articles using gin (search_vector);

create table audit_log (
  id bigint generated always as identity primary key,
  organization_id uuid references organizations (id),
  actor_id uuid,
  action text not null check (length(action) between 1 and 100),
  entity_type text not null,
  entity_id text not null,
  details jsonb not null default '{}',
  request_id text,
  at timestamptz not null default now()
);
create index audit_log_newest on audit_log (organization_id, id desc);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end
$$;
create trigger audit_log_is_append_only before update or delete or truncate on audit_log
  for each statement execute function refuse_change();

-- Row-level security: a tenant table shows and takes the rows of the bound organisation, and none where none is bound.
do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['idempotency_keys', 'services', 'sla_calendars', 'sla_policies', 'tickets', 'comments', 'attachments', 'kb_categories', 'kb_articles'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('create policy tenant on %I to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization())', tenant_table);
    execute format('grant select, insert, update, delete on %I to atum_app, atum_system', tenant_table);
  end loop;
end
$$;

alter table organizations enable row level security;
create policy tenant on organizations to atum_app using (id = bound_organization());
create policy installation on organizations to atum_system using (true) with check (true);
grant select, update on organizations to atum_app;
grant select, insert, update on organizations to atum_system;

alter table users enable row level security;
create policy tenant on users to atum_app using (organization_id = bound_organization()) with check (organization_id = bound_organization());
create policy installation on users to atum_system using (true) with check (true);
grant select, insert, update on users to atum_app, atum_system;

alter table refresh_tokens enable row level security;
create policy installation on refresh_tokens to atum_system using (true) with check (true);
grant select, insert, update, delete on refresh_tokens to atum_system;

alter table audit_log enable row level security;
create policy tenant on audit_log to atum_app using (organization_id = bound_organization()) with check (organization_id = bound_organization());
create policy installation on audit_log to atum_system using (true) with check (true);
grant select, insert on audit_log to atum_app, atum_system;

-- Down Migration

drop table audit_log, kb_articles, kb_categories, attachments, comments, tickets, sla_policies, sla_calendars, services,
  idempotency_keys, refresh_tokens, users, organizations;
drop function refuse_change();
drop function bound_organization();
drop type ticket_status, ticket_priority, user_role;
-- The roles stay: another database of the cluster may use them.
