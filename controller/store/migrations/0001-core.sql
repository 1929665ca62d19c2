-- Core schema. Ids are UUIDs made by the controller; `seq` is the internal number that CloudStack clients may use and
-- the key of keyset paging. Bytes and operations are bigint below 2^53. Times are timestamptz of the database clock.
-- `operation_id` of a pool, VM, volume or snapshot names the operation that is changing it, while it does.

create table installation (
  one boolean primary key default true check (one),
  id uuid not null,
  key_check bytea,
  created_at timestamptz not null default now()
);

create table zone (
  id uuid primary key, seq bigint generated always as identity unique,
  name text not null, allocation_state text not null default 'Enabled', network_type text not null default 'Basic',
  created_at timestamptz not null default now(), removed_at timestamptz
);
create unique index zone_name on zone (name) where removed_at is null;
create table pod (
  id uuid primary key, seq bigint generated always as identity unique,
  zone_id uuid not null references zone, name text not null, allocation_state text not null default 'Enabled',
  created_at timestamptz not null default now(), removed_at timestamptz
);
create unique index pod_name on pod (zone_id, name) where removed_at is null;
create table cluster (
  id uuid primary key, seq bigint generated always as identity unique,
  zone_id uuid not null references zone, pod_id uuid not null references pod,
  name text not null, hypervisor text not null, allocation_state text not null default 'Enabled',
  created_at timestamptz not null default now(), removed_at timestamptz
);
create unique index cluster_name on cluster (pod_id, name) where removed_at is null;
create table host (
  id uuid primary key, seq bigint generated always as identity unique,
  zone_id uuid not null references zone, pod_id uuid not null references pod, cluster_id uuid not null references cluster,
  name text not null, plugin text not null, hypervisor text not null, url text not null,
  settings jsonb not null, sealed_settings bytea not null,
  identity text not null, initiator text not null, cpus integer not null, memory_bytes bigint not null, version text not null,
  state text not null default 'Up', resource_state text not null default 'Enabled', tags text[] not null default '{}',
  last_seen_at timestamptz, created_at timestamptz not null default now(), removed_at timestamptz
);
create unique index host_identity on host (plugin, identity) where removed_at is null;

create table domain (
  id uuid primary key, seq bigint generated always as identity unique,
  parent_id uuid references domain, name text not null, path text not null unique,
  created_at timestamptz not null default now(), removed_at timestamptz
);
create table account (
  id uuid primary key, seq bigint generated always as identity unique,
  domain_id uuid not null references domain, name text not null,
  role text not null check (role in ('admin', 'domain-admin', 'user', 'read-only-admin')),
  state text not null default 'enabled', chap_account text not null,
  created_at timestamptz not null default now(), removed_at timestamptz
);
create unique index account_name on account (domain_id, name) where removed_at is null;
create table principal (
  id uuid primary key, seq bigint generated always as identity unique,
  account_id uuid not null references account, username text not null,
  firstname text not null default '', lastname text not null default '', email text not null default '',
  password_hash text not null, api_key text unique, sealed_secret_key bytea,
  state text not null default 'enabled', created_at timestamptz not null default now(), removed_at timestamptz
);
create table session (
  id text primary key, session_key text not null, principal_id uuid not null references principal,
  created_at timestamptz not null default now(), used_at timestamptz not null default now()
);

-- `unreachable_since`: null while its array answers.
create table pool (
  id uuid primary key, seq bigint generated always as identity unique,
  zone_id uuid not null references zone, pod_id uuid references pod, cluster_id uuid references cluster,
  scope text not null check (scope in ('ZONE', 'CLUSTER', 'HOST')), host_id uuid references host,
  name text not null, provider text not null, url text not null, managed boolean not null,
  hypervisor text,
  settings jsonb not null, sealed_settings bytea not null, identity text not null,
  state text not null, tags text[] not null default '{}',
  total_bytes bigint not null, used_bytes bigint not null, total_iops bigint,
  capacity_bytes bigint, capacity_iops bigint,
  bytes_factor double precision not null default 1, iops_factor double precision not null default 1,
  reserved_bytes bigint not null default 0, reserved_iops bigint not null default 0,
  operation_id uuid,
  reported_at timestamptz, unreachable_since timestamptz, created_at timestamptz not null default now(), removed_at timestamptz
);
create unique index pool_identity on pool (provider, identity) where removed_at is null;

create table offering (
  id uuid primary key, seq bigint generated always as identity unique,
  kind text not null check (kind in ('disk', 'service')),
  name text not null, display_text text not null,
  bytes bigint, customized boolean not null default false,
  qos jsonb not null, qos_tier text not null check (qos_tier in ('storage', 'hypervisor', 'any', 'none')),
  qos_kind text not null default 'fixed' check (qos_kind in ('fixed', 'customized')),
  settings jsonb not null default '{}', tags text[] not null default '{}', host_tags text[] not null default '{}',
  cpus integer, cpu_mhz integer, memory_bytes bigint,
  provisioning_type text not null default 'thin', hypervisor_snapshot_reserve integer,
  created_at timestamptz not null default now(), removed_at timestamptz
);
create table template (
  id uuid primary key, seq bigint generated always as identity unique,
  account_id uuid not null references account, zone_id uuid references zone,
  name text not null, display_text text not null, format text not null, hypervisor text not null,
  url text not null, image text not null, bytes bigint not null, checksum text not null,
  os_type text not null default 'Other', public boolean not null default false, featured boolean not null default false,
  created_at timestamptz not null default now(), removed_at timestamptz
);

create table vm (
  id uuid primary key, seq bigint generated always as identity unique,
  account_id uuid not null references account, zone_id uuid not null references zone,
  name text not null, display_name text not null,
  offering_id uuid not null references offering, template_id uuid references template,
  hypervisor text not null, host_id uuid references host, last_host_id uuid references host,
  state text not null, generation bigint not null default 0,
  cpus integer not null, memory_bytes bigint not null, user_data text,
  parked_by_pool_id uuid references pool, operation_id uuid,
  created_at timestamptz not null default now(), destroyed_at timestamptz, removed_at timestamptz
);
create index vm_account on vm (account_id, seq);
create index vm_host on vm (host_id);

-- `qos_alerted`: the observed vector that an alert told of; null while what is observed is what was applied.
create table volume (
  id uuid primary key, seq bigint generated always as identity unique,
  account_id uuid not null references account, zone_id uuid not null references zone,
  name text not null, type text not null check (type in ('ROOT', 'DATADISK')),
  offering_id uuid references offering, bytes bigint not null check (bytes > 0),
  qos_tier text not null check (qos_tier in ('storage', 'hypervisor', 'any', 'none')),
  qos_requested jsonb not null, qos_applied jsonb, qos_observed jsonb, qos_observed_at timestamptz, qos_alerted jsonb,
  settings jsonb not null default '{}',
  state text not null, generation bigint not null default 0,
  source_snapshot_id uuid, custom_id boolean not null default false, chain_info text, display boolean not null default true,
  operation_id uuid,
  created_at timestamptz not null default now(), destroyed_at timestamptz, removed_at timestamptz
);
-- Lists and their counts read these alone, without the rows.
create index volume_live on volume (seq, id) where removed_at is null;
create index volume_account on volume (account_id, seq) where removed_at is null;
create index volume_state on volume (state, seq) where removed_at is null;
create index volume_name on volume (name);

-- Where a volume lives: a back-end volume in a pool. `intended`: recorded before the array was asked. Its `qos_tier` is the
-- tier that enforces the volume's QoS there; the volume's own is what its offering allows.
create table location (
  volume_id uuid primary key references volume, pool_id uuid not null references pool,
  state text not null check (state in ('intended', 'present', 'deleting')),
  name text, bytes bigint not null, used_bytes bigint not null default 0,
  qos_tier text not null check (qos_tier in ('storage', 'hypervisor', 'none')),
  created_at timestamptz not null default now()
);
create index location_pool on location (pool_id);

-- One row per volume that is, or should be, a disk of a VM. The generation grows with every attach of the volume.
create table attachment (
  volume_id uuid primary key references volume, vm_id uuid not null references vm,
  device_id integer not null, generation bigint not null,
  desired text not null check (desired in ('attached', 'detached')),
  actual text not null check (actual in ('attached', 'detached', 'unknown')),
  device text, attached_at timestamptz, created_at timestamptz not null default now(),
  unique (vm_id, device_id)
);
create index attachment_vm on attachment (vm_id);

-- Access of one host to one volume or snapshot. Sealed: it may hold CHAP secrets.
create table connection (
  source_kind text not null check (source_kind in ('volume', 'snapshot')), source_id uuid not null,
  host_id uuid not null references host, pool_id uuid not null references pool,
  generation bigint not null, mode text not null, state text not null check (state in ('intended', 'given', 'withdrawing')),
  sealed bytea, created_at timestamptz not null default now(),
  primary key (source_kind, source_id, host_id)
);
create index connection_host on connection (host_id);

create table snapshot (
  id uuid primary key, seq bigint generated always as identity unique,
  account_id uuid not null references account, zone_id uuid not null references zone,
  volume_id uuid not null references volume, name text not null, state text not null,
  bytes bigint not null, taken_at timestamptz, operation_id uuid,
  created_at timestamptz not null default now(), removed_at timestamptz
);
create index snapshot_volume on snapshot (volume_id);
create index snapshot_account on snapshot (account_id, seq);
create table snapshot_copy (
  id uuid primary key, snapshot_id uuid not null references snapshot,
  kind text not null check (kind in ('array', 'archive')), pool_id uuid references pool,
  name text, bytes bigint not null default 0, state text not null check (state in ('intended', 'present', 'deleting', 'gone')),
  created_at timestamptz not null default now()
);
create index snapshot_copy_snapshot on snapshot_copy (snapshot_id);
create index snapshot_copy_pool on snapshot_copy (pool_id);

-- The ledger: what a volume holds of a pool. Its sums stand in pool.reserved_*, changed by conditional updates only.
create table reservation (
  volume_id uuid primary key references volume, pool_id uuid not null references pool,
  bytes bigint not null, iops bigint not null, created_at timestamptz not null default now()
);
create index reservation_pool on reservation (pool_id);

create table tag (
  resource_type text not null, resource_id uuid not null, account_id uuid not null references account,
  key text not null, value text not null, primary key (resource_type, resource_id, key)
);
create table configuration (
  name text not null, scope text not null default 'global', scope_id text not null default '', value text not null,
  updated_at timestamptz not null default now(), primary key (name, scope, scope_id)
);
create table event (
  id uuid primary key, seq bigint generated always as identity unique,
  account_id uuid references account, principal_id uuid, type text not null, level text not null, state text not null,
  description text not null, resource_kind text, resource_id uuid, operation_id uuid, created_at timestamptz not null default now()
);
create index event_account on event (account_id, seq);
create index event_resource on event (resource_id);
create table census_finding (
  id uuid primary key, seq bigint generated always as identity unique,
  kind text not null check (kind in ('orphan', 'ghost', 'drifted', 'foreign')),
  place text not null, object text not null, detail text not null default '',
  state text not null check (state in ('open', 'gone', 'ignored')),
  first_seen_at timestamptz not null default now(), last_seen_at timestamptz not null default now(), run_id uuid not null,
  unique (kind, place, object)
);
