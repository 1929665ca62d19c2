-- When snapshots of a volume are taken by themselves, and which of them stay. CloudStack has one for each interval.
create table snapshot_policy (
  id uuid primary key, seq bigint generated always as identity unique,
  account_id uuid not null references account, volume_id uuid not null references volume,
  interval_type text not null check (interval_type in ('HOURLY', 'DAILY', 'WEEKLY', 'MONTHLY')),
  -- As CloudStack writes it, by clocks of the zone.
  schedule text not null, timezone text not null,
  max_snaps integer not null,
  -- Besides the newest max_snaps, the newest one of each of the last so many of these stays.
  keep_days integer not null default 0, keep_weeks integer not null default 0,
  keep_months integer not null default 0, keep_years integer not null default 0,
  -- Seconds after the schedule: policies that name the same minute need not all run in it.
  delay integer not null default 0,
  next_at timestamptz not null,
  created_at timestamptz not null default now(),
  unique (volume_id, interval_type)
);
create index snapshot_policy_next on snapshot_policy (next_at);
create index snapshot_policy_account on snapshot_policy (account_id, seq);

-- By which policy it was taken. The policy may be gone since; null: somebody asked for it.
alter table snapshot add column policy_id uuid;
alter table snapshot add column interval_type text;
create index snapshot_policy_taken on snapshot (policy_id) where policy_id is not null;
