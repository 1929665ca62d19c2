-- The audit: who asked for what, one row per mutating command, refused ones included. A row is inserted in the transaction
-- of what it tells of, is sealed once (position, previous, hash) and then never changes. `mac` is made by the controller that
-- writes the row, under a key that is not in this database. `params` and `text` are JSON and text without secrets.
create table audit_record (
  seq bigint generated always as identity primary key,
  at timestamptz not null default now(), node text not null, request uuid not null,
  account_id uuid, account text not null, principal_id uuid, username text not null, source text not null,
  command text not null, params text not null,
  outcome text not null check (outcome in ('done', 'accepted', 'refused', 'failed')),
  code integer, text text not null, operation_id uuid, mac bytea not null,
  position bigint unique, previous bytea, hash bytea
);
create index audit_record_unsealed on audit_record (seq) where position is null;
create index audit_record_account on audit_record (account_id, seq);
create index audit_record_request on audit_record (request);

-- The two ends of the chain: what retention left as its beginning, and the last record sealed.
create table audit_chain (
  one boolean primary key default true check (one),
  base_position bigint not null, base_hash bytea not null, head_position bigint not null, head_hash bytea not null,
  mac bytea not null
);
