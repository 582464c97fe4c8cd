-- Up Migration

-- The W3C traceparent under which a job was enqueued; null where nothing is traced.
alter table job_queue add column traceparent text;

-- Down Migration

alter table job_queue drop column traceparent;
