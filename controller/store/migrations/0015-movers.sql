-- Movers read snapshots into archives and write them back. `id` is the consumer under which one is given access to sources.
-- `accepts`, `archives`: what it can read and write, as it says. `unreachable_since`: null while it answers.
create table mover (
  id uuid primary key, seq bigint generated always as identity unique,
  zone_id uuid not null references zone,
  name text not null, url text not null, settings jsonb not null, sealed_settings bytea not null,
  identity text not null, initiator text not null, accepts text[] not null, archives text[] not null, version text not null,
  reported_at timestamptz, unreachable_since timestamptz,
  created_at timestamptz not null default now(), removed_at timestamptz
);
create unique index mover_identity on mover (identity) where removed_at is null;
