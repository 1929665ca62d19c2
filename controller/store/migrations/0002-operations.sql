-- The journal of durable operations. Written by store/journal.ts only. `step` is the step at work (the first one while
-- queued); `undo_from` the one that may have started, without an end, when undo began.

create sequence fence_seq;

create table operation (
  id uuid primary key, seq bigint generated always as identity unique,
  saga text not null, version integer not null, lane smallint not null,
  state text not null check (state in ('queued', 'running', 'undoing', 'succeeded', 'failed', 'aborted')),
  input jsonb not null, resources text[] not null,
  account_id uuid, principal_id uuid, command text not null, subject_kind text, subject_id uuid,
  node text, fence bigint not null default 0, lease_until timestamptz,
  step text, attempt integer not null default 0, retry_at timestamptz, undo_from text,
  progress jsonb, failure jsonb, abort_asked boolean not null default false, takeovers integer not null default 0,
  created_at timestamptz not null default now(), started_at timestamptz, ended_at timestamptz
);
create index operation_open on operation (lane, seq) where state in ('queued', 'running', 'undoing');
create index operation_subject on operation (subject_id, seq);
create index operation_account on operation (account_id, seq);
create index operation_ended on operation (ended_at) where ended_at is not null;
create table operation_lock (
  resource text primary key, operation_id uuid not null references operation
);
create index operation_lock_operation on operation_lock (operation_id);
-- Queued operations by what they need: of those that share a resource the lowest seq is the first in line.
create table operation_wait (
  resource text not null, seq bigint not null, operation_id uuid not null references operation, primary key (resource, seq)
);
create index operation_wait_operation on operation_wait (operation_id);
create table operation_step (
  operation_id uuid not null references operation, ordinal integer not null, name text not null,
  state text not null check (state in ('done', 'undone')), result jsonb,
  ended_at timestamptz not null default now(), primary key (operation_id, ordinal)
);
create table operation_log (
  seq bigint generated always as identity primary key, operation_id uuid not null references operation,
  at timestamptz not null default now(), kind text not null, step text, node text, fence bigint,
  detail jsonb not null default '{}'
);
create index operation_log_operation on operation_log (operation_id, seq);
create table node (
  id text primary key, started_at timestamptz not null default now(), seen_at timestamptz not null default now(), address text not null default ''
);
