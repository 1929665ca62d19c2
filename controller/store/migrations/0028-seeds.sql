-- The seed of a template in a pool: a volume with the template's bytes, and the snapshot of it of which root disks are clones.
-- Both are rows like any other, and may be gone or half there: only what is whole is used.
create table seed (
  template_id uuid not null references template, pool_id uuid not null references pool,
  volume_id uuid not null references volume, snapshot_id uuid not null references snapshot,
  created_at timestamptz not null default now(),
  primary key (template_id, pool_id)
);
