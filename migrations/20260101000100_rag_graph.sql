-- Up Migration

-- What retrieval reads: a document per source (an article, a solved ticket), its chunks, and the graph of what relates to what.
create table rag_documents (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  source_type text not null check (source_type in ('kb', 'ticket')),
  source_id uuid not null,
  title text not null,
  visibility text not null check (visibility in ('public', 'internal')),
  content_hash bytea not null,
  indexed_at timestamptz not null default now(),
  unique (organization_id, id),
  unique (organization_id, source_type, source_id)
);

create table rag_chunks (
  organization_id uuid not null references organizations (id),
  document_id uuid not null,
  chunk_index integer not null check (chunk_index >= 0),
  content text not null,
  search_vector tsvector generated always as (to_tsvector('english', left(content, 100000))) stored,
  primary key (organization_id, document_id, chunk_index),
  foreign key (organization_id, document_id) references rag_documents (organization_id, id) on delete cascade
);
create index rag_chunks_search on rag_chunks using gin (search_vector);

create table rag_nodes (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  node_type text not null check (node_type in ('ticket', 'kb', 'service', 'user', 'tag')),
  node_key text not null,
  label text not null,
  unique (organization_id, id),
  unique (organization_id, node_type, node_key)
);

create table rag_edges (
  organization_id uuid not null references organizations (id),
  from_node uuid not null,
  to_node uuid not null,
  edge_type text not null check (edge_type in ('relates_to', 'duplicate_of', 'belongs_service', 'solves', 'mentioned_tag')),
  weight real not null default 1 check (weight >= 0),
  primary key (organization_id, from_node, edge_type, to_node),
  foreign key (organization_id, from_node) references rag_nodes (organization_id, id) on delete cascade,
  foreign key (organization_id, to_node) references rag_nodes (organization_id, id) on delete cascade
);
create index rag_edges_back on rag_edges (organization_id, to_node);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['rag_documents', 'rag_chunks', 'rag_nodes', 'rag_edges'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('create policy tenant on %I to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization())', tenant_table);
    execute format('grant select, insert, update, delete on %I to atum_app, atum_system', tenant_table);
  end loop;
end
$$;

-- Down Migration

drop table rag_edges, rag_nodes, rag_chunks, rag_documents;
