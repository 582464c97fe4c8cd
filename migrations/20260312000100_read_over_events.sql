-- Up Migration
-- Without transaction

-- After the one before has committed, and with it the lock that the new check took: workers go on while the events are read.
alter table job_events validate constraint job_events_are_legal;

-- Down Migration

alter table job_events drop constraint job_events_are_legal;
alter table job_events add constraint job_events_are_legal check (
  case event
    when 'ENQUEUE' then from_state is null and to_state = 'queued'
    when 'CLAIM' then from_state = 'queued' and to_state = 'claimed'
    when 'START' then from_state = 'claimed' and to_state = 'running'
    when 'SUCCEED' then from_state = 'running' and to_state = 'done'
  end is true or job_event_is_legal(event, from_state, to_state)
) not valid;
