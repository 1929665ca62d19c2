-- Archives: CloudStack's image stores.
-- `sealed_key`: the key that opens an encrypted archive; null: it is not encrypted. `unreachable_since`: null while it answers.
create table archive (
  id uuid primary key, seq bigint generated always as identity unique,
  zone_id uuid not null references zone,
  name text not null, provider text not null, url text not null,
  settings jsonb not null, sealed_settings bytea not null, identity text not null,
  sealed_key bytea, chunk_bytes integer not null,
  conditional_put text not null check (conditional_put in ('atomic', 'none')),
  read_only boolean not null default false,
  total_bytes bigint, used_bytes bigint, capacity_bytes bigint,
  reported_at timestamptz, unreachable_since timestamptz,
  created_at timestamptz not null default now(), removed_at timestamptz
);
create unique index archive_identity on archive (provider, identity) where removed_at is null;

alter table snapshot_copy add archive_id uuid references archive;
create index snapshot_copy_archive on snapshot_copy (archive_id);
