-- Up Migration

-- What was asked where an article helped: its search learns from it.
create index ticket_kb_suggestions_helpful on ticket_kb_suggestions (organization_id, article_id, created_at desc) where is_helpful;

-- Down Migration

drop index ticket_kb_suggestions_helpful;
