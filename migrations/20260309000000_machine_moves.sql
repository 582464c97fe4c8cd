-- Up Migration

-- How SLA clocks moved: a row a move, written by the database whoever writes the clock. `at` is when it happened, which may be
-- before it was seen; `since` is when the clock came into `from_state`, null where nobody noted it.
create table sla_clock_moves (
  id bigint generated always as identity,
  organization_id uuid not null references organizations (id),
  ticket_id uuid not null,
  clock text not null,
  cycle integer not null,
  event text not null,
  from_state text not null,
  to_state text not null,
  since timestamptz,
  at timestamptz not null,
  primary key (organization_id, id),
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade
);
create index sla_clock_moves_newest on sla_clock_moves (organization_id, at);
create index sla_clock_moves_of_clock on sla_clock_moves (organization_id, ticket_id, clock, cycle, id);
alter table sla_clock_moves enable row level security;
create policy tenant on sla_clock_moves to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization());
grant select, insert, delete on sla_clock_moves to atum_app, atum_system;

-- The next move of a clock on its way to where it was found: a look may find that it made several since the last one. No row
-- where the machine has no way. A test holds this equal to the machine.
create function sla_clock_step(here text, found text) returns table (event text, to_state text) language sql immutable as $$
  select ways.event, ways.to_state from (values
    ('pending', 'cancelled', 'CANCEL', 'cancelled'),
    ('pending', null, 'START', 'running'),
    ('running', 'paused', 'PAUSE', 'paused'),
    ('running', 'breached', 'BREACH', 'breached'),
    ('running', 'missed', 'BREACH', 'breached'),
    ('running', 'met', 'FULFIL', 'met'),
    ('running', 'cancelled', 'CANCEL', 'cancelled'),
    ('paused', 'running', 'RESUME', 'running'),
    ('paused', 'breached', 'BREACH', 'breached'),
    ('paused', 'missed', 'BREACH', 'breached'),
    ('paused', 'met', 'FULFIL', 'met'),
    ('paused', 'cancelled', 'CANCEL', 'cancelled'),
    ('breached', 'missed', 'FULFIL', 'missed'),
    ('breached', 'cancelled', 'CANCEL', 'cancelled'),
    ('met', null, 'REOPEN', 'running'),
    ('missed', 'breached', 'REOPEN', 'breached'),
    ('missed', 'cancelled', 'REOPEN', 'breached')
  ) ways (from_state, target, event, to_state)
   where ways.from_state = here and (ways.target = found or ways.target is null) and here <> found
   order by ways.target nulls last limit 1
$$;

create function note_sla_clock_moves() returns trigger language plpgsql as $$
declare
  here text := 'pending';
  since timestamptz;
  moved timestamptz;
  step record;
begin
  if tg_op = 'UPDATE' then
    here := old.state;
    select move.at into since from sla_clock_moves move
     where move.organization_id = new.organization_id and move.ticket_id = new.ticket_id and move.clock = new.clock and move.cycle = new.cycle
     order by move.id desc limit 1;
  elsif new.cycle = 1 and new.clock <> 'next_response' then
    select ticket.created_at into since from tickets ticket where ticket.organization_id = new.organization_id and ticket.id = new.ticket_id;
  end if;
  loop
    select * into step from sla_clock_step(here, new.state);
    exit when not found;
    moved := case step.event when 'START' then new.started_at when 'BREACH' then new.breached_at when 'FULFIL' then new.fulfilled_at end;
    -- What pauses, resumes or ends a clock is a move of its ticket, or else a change of its policy that was just looked at.
    if moved is null then
      select coalesce(max(transition.at), now()) into moved from ticket_transitions transition
       where transition.organization_id = new.organization_id and transition.ticket_id = new.ticket_id and transition.from_status <> transition.to_status
         and (since is null or transition.at > since);
    end if;
    moved := greatest(moved, since);
    insert into sla_clock_moves (organization_id, ticket_id, clock, cycle, event, from_state, to_state, since, at)
    values (new.organization_id, new.ticket_id, new.clock, new.cycle, step.event, here, step.to_state, since, moved);
    here := step.to_state;
    since := moved;
  end loop;
  return null;
end
$$;
create trigger sla_cycles_begin_moves after insert on sla_cycles for each row execute function note_sla_clock_moves();
create trigger sla_cycles_note_moves after update of state on sla_cycles for each row when (old.state <> new.state) execute function note_sla_clock_moves();

-- How the actors of a worker moved: a row each ten seconds, with every edge that was taken, how often, and how long they had
-- stood before. The edges are src/machines'; src/actors/move-log.ts says what `moves` holds.
create table actor_moves (
  id bigint generated always as identity primary key,
  worker integer not null references workers (id) on delete cascade,
  at timestamptz not null default now(),
  moves jsonb not null
);
create index actor_moves_newest on actor_moves (at);
grant select, insert, delete on actor_moves to atum_system;

-- Down Migration

drop table actor_moves;
drop trigger sla_cycles_note_moves on sla_cycles;
drop trigger sla_cycles_begin_moves on sla_cycles;
drop function note_sla_clock_moves();
drop function sla_clock_step(text, text);
drop table sla_clock_moves;
