-- Whether a host gets to a pool within whose scope it is, as the host itself said last. Without a row it has not said yet.
create table pool_reach (
  pool_id uuid not null references pool (id), host_id uuid not null references host (id),
  reached boolean not null,
  -- Why it does not get there, for operators; '' when it does.
  why text not null,
  -- Since when it has been so.
  since timestamptz not null default now(),
  asked_at timestamptz not null default now(),
  primary key (pool_id, host_id)
);
create index pool_reach_host on pool_reach (host_id);
