-- Up Migration

-- Words of tickets and of what was said in them. The functions are what the index and the search share.
create function ticket_words(subject text, description text) returns tsvector
  language sql immutable parallel safe
  return setweight(to_tsvector('english', subject), 'A') || setweight(to_tsvector('english', description), 'B');
create index tickets_search on tickets using gin (ticket_words(subject, description));
create index comments_search on comments using gin (to_tsvector('english', content));

-- Row-level security keeps PostgreSQL from asking an index for words (the operator is not leakproof) before it has looked
-- at every ticket of the organisation. So this function runs as the owner, and names itself what the policy would: the
-- bound organisation. Within it, somebody finds what they may read: the own tickets, those of customers, or all; internal
-- comments only with all. The newest `most` matches of each kind are ranked.
create function search_tickets(words tsquery, viewer uuid, sees text, most integer) returns table (ticket_id uuid, rank real)
  language sql stable security definer set search_path = public, pg_temp
  begin atomic
  with visible_ticket as (
    select ticket.id, ts_rank(ticket_words(subject, description), words) as rank
      from tickets ticket
     where ticket.organization_id = bound_organization() and ticket_words(subject, description) @@ words
       and (sees = 'all' or requester_id = viewer or (sees = 'customers' and exists (
         select from users requester where requester.id = requester_id and requester.role in ('customer_user', 'customer_admin'))))
     order by ticket.created_at desc limit most
  ), visible_comment as (
    select comment.ticket_id as id, ts_rank(to_tsvector('english', content), words) as rank
      from comments comment join tickets ticket on ticket.organization_id = comment.organization_id and ticket.id = comment.ticket_id
     where comment.organization_id = bound_organization() and to_tsvector('english', content) @@ words and (sees = 'all' or not is_internal)
       and (sees = 'all' or requester_id = viewer or (sees = 'customers' and exists (
         select from users requester where requester.id = requester_id and requester.role in ('customer_user', 'customer_admin'))))
     order by comment.created_at desc limit most
  )
  select id, max(found.rank) from (select * from visible_ticket union all select * from visible_comment) found group by id;
end;
revoke execute on function search_tickets(tsquery, uuid, text, integer) from public;
grant execute on function search_tickets(tsquery, uuid, text, integer) to atum_app;

-- Down Migration

drop function search_tickets(tsquery, uuid, text, integer);
drop index comments_search;
drop index tickets_search;
drop function ticket_words(text, text);
