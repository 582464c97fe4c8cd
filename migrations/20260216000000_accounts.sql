-- Up Migration

-- Whose sign-ins ended lately: every API process reads it once a second, so that an access token ends with its sign-in.
create index refresh_tokens_ended on refresh_tokens (revoked_at) where revoked_at is not null;

-- Wrong passwords and codes, and mails asked for, counted in windows. The subject is a digest of an account, an address or both: no list of
-- addresses can be read from it.
create table attempt_counts (
  subject text collate "C" primary key check (length(subject) <= 100),
  attempts integer not null check (attempts >= 0),
  window_ends timestamptz not null
);
create index attempt_counts_by_end on attempt_counts (window_ends);

-- A second factor. The secret is sealed with the service's own; it counts once confirmed_at is set. last_step is the last
-- 30 s step whose code was used: a code is good for one sign-in.
create table two_factors (
  user_id uuid primary key references users (id) on delete cascade,
  organization_id uuid references organizations (id),
  sealed_secret bytea not null,
  confirmed_at timestamptz,
  last_step bigint,
  created_at timestamptz not null default now()
);

create table recovery_codes (
  user_id uuid not null references two_factors (user_id) on delete cascade,
  organization_id uuid references organizations (id),
  code_hash bytea not null check (length(code_hash) = 32),
  used_at timestamptz,
  primary key (user_id, code_hash)
);

-- What an organisation asks of its people's accounts. Without a row: nobody needs a second factor, customers may register.
create table account_policies (
  organization_id uuid primary key references organizations (id),
  two_factor_roles user_role[] not null default '{}',
  registration_enabled boolean not null default true,
  updated_at timestamptz not null default now()
);

create table api_tokens (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid references organizations (id),
  user_id uuid not null references users (id) on delete cascade,
  name text not null check (length(name) between 1 and 200),
  token_hash bytea not null unique check (length(token_hash) = 32),
  scopes text[] not null check (cardinality(scopes) between 1 and 100),
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
create index api_tokens_of_user on api_tokens (user_id, created_at);

-- Who asked for an account and has not yet shown that the address is theirs.
create table registrations (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  email text not null check (length(email) between 3 and 254 and email = lower(email)),
  full_name text not null check (length(full_name) between 1 and 200),
  password_hash text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index registrations_by_email on registrations (email, created_at);
create index registrations_by_expiry on registrations (expires_at);

-- What a mail lets its reader do once. Only the hash is looked up; unsent is the token itself, until the mail is out: it
-- stands neither in a job's payload nor anywhere that an organisation's people can read.
create table mail_tokens (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid references organizations (id),
  user_id uuid references users (id) on delete cascade,
  registration_id uuid references registrations (id) on delete cascade,
  token_hash bytea not null unique check (length(token_hash) = 32),
  unsent text,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  constraint of_an_account_or_a_registration check ((user_id is null) <> (registration_id is null))
);
create index mail_tokens_of_user on mail_tokens (user_id);
create index mail_tokens_of_registration on mail_tokens (registration_id);
create index mail_tokens_by_expiry on mail_tokens (expires_at);

-- Sign-in belongs to the installation: these tables open to its role alone.
do $$
declare
  account_table text;
begin
  foreach account_table in array array['attempt_counts', 'two_factors', 'recovery_codes', 'api_tokens', 'registrations', 'mail_tokens'] loop
    execute format('alter table %I enable row level security', account_table);
    execute format('create policy installation on %I to atum_system using (true) with check (true)', account_table);
    execute format('grant select, insert, update, delete on %I to atum_system', account_table);
  end loop;
end
$$;

alter table account_policies enable row level security;
create policy tenant on account_policies to atum_app using (organization_id = bound_organization()) with check (organization_id = bound_organization());
create policy installation on account_policies to atum_system using (true) with check (true);
grant select, insert, update on account_policies to atum_app, atum_system;

-- Down Migration

drop table mail_tokens, registrations, api_tokens, account_policies, recovery_codes, two_factors, attempt_counts;
drop index refresh_tokens_ended;
