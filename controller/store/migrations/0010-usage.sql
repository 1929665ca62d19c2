-- Usage: who had how much of what, and since when. Written by triggers of the tables it tells of, so that it is in the
-- transaction of the change whoever makes it, controllers of the release before this one included.
-- A thing is metered by `kind` and `part_id`: a volume, a VM or a copy of a snapshot. `subject_id` is what a record is about:
-- the volume, the VM, the snapshot. `bytes`, `min_iops`, `max_iops`, `cpus`, `memory_bytes` are null where it has none.

-- What is had just now: one row for each thing, changed with it.
create table usage_open (
  kind text not null check (kind in ('vm-running', 'vm-allocated', 'volume', 'snapshot')),
  part_id uuid not null, subject_id uuid not null, account_id uuid not null, zone_id uuid not null,
  offering_id uuid, template_id uuid,
  bytes bigint, min_iops bigint, max_iops bigint, cpus integer, memory_bytes bigint,
  since timestamptz not null,
  primary key (kind, part_id)
);
create index usage_open_account on usage_open (account_id);
-- The ledger: what was had without a change from `since` until `till`. Rows are added and never changed.
create table usage_span (
  seq bigint generated always as identity primary key,
  kind text not null, part_id uuid not null, subject_id uuid not null, account_id uuid not null, zone_id uuid not null,
  offering_id uuid, template_id uuid,
  bytes bigint, min_iops bigint, max_iops bigint, cpus integer, memory_bytes bigint,
  since timestamptz not null, till timestamptz not null, check (since < till)
);
create index usage_span_till on usage_span (till);
create index usage_span_account on usage_span (account_id, till);
create index usage_span_part on usage_span (part_id);

-- I/O counters of a volume: the sums that never go down, and what was read last from which counter (`source`, see
-- domain/usage.ts). `live`: there may be more to read than was read last. `readings` counts them: who read at the same time
-- as another is told by it. Read never: in 1970.
create table volume_io (
  volume_id uuid primary key references volume,
  read_ops bigint not null default 0, write_ops bigint not null default 0,
  read_bytes bigint not null default 0, write_bytes bigint not null default 0,
  source text not null default '',
  raw_read_ops bigint not null default 0, raw_write_ops bigint not null default 0,
  raw_read_bytes bigint not null default 0, raw_write_bytes bigint not null default 0,
  live boolean not null default true, readings bigint not null default 0,
  read_at timestamptz not null default to_timestamp(0)
);
create index volume_io_due on volume_io (read_at) where live;
-- The ledger of I/O: what one reading found to be new. Rows are added and never changed.
create table usage_io (
  seq bigint generated always as identity primary key,
  volume_id uuid not null, vm_id uuid, account_id uuid not null, zone_id uuid not null,
  at timestamptz not null,
  read_ops bigint not null, write_ops bigint not null, read_bytes bigint not null, write_bytes bigint not null
);
create index usage_io_account on usage_io (account_id, at);
create index usage_io_at on usage_io (at);

-- From now on `used` is had; with `used.subject_id` null nothing is had any more. What was had until now goes to the ledger.
create function usage_metered(used usage_open) returns void language plpgsql as $$
declare
  was usage_open;
  now_at timestamptz;
begin
  select * into was from usage_open o where o.kind = used.kind and o.part_id = used.part_id for update;
  used.since := was.since;
  if was is not distinct from used then return; end if;
  -- Not now(), which is when the transaction began: what it waited for may have ended after that.
  now_at := greatest(clock_timestamp(), was.since);
  if was.since < now_at then
    insert into usage_span (kind, part_id, subject_id, account_id, zone_id, offering_id, template_id,
        bytes, min_iops, max_iops, cpus, memory_bytes, since, till)
      values (was.kind, was.part_id, was.subject_id, was.account_id, was.zone_id, was.offering_id, was.template_id,
        was.bytes, was.min_iops, was.max_iops, was.cpus, was.memory_bytes, was.since, now_at);
  end if;
  delete from usage_open o where o.kind = used.kind and o.part_id = used.part_id;
  if used.subject_id is null then return; end if;
  used.since := now_at;
  insert into usage_open select used.*;
end $$;

-- IOPS of a QoS vector: guaranteed (`part` min) or the most (max); null where it has none.
create function usage_iops(qos jsonb, part text) returns bigint language sql immutable as $$
  select coalesce((qos -> 'totalIops' ->> part)::bigint,
    nullif(coalesce((qos -> 'readIops' ->> part)::bigint, 0) + coalesce((qos -> 'writeIops' ->> part)::bigint, 0), 0))
$$;

-- A volume counts from when it is there until it is destroyed or expunged, as with CloudStack; its IOPS are those that were
-- applied, since nobody is to pay for more than there is; until they were, those that are to be.
create function usage_of_volume() returns trigger language plpgsql as $$
declare
  used usage_open;
  qos jsonb := case when jsonb_typeof(new.qos_applied) = 'object' then new.qos_applied else new.qos_requested end;
begin
  used.kind := 'volume';
  used.part_id := new.id;
  if new.removed_at is null and new.state not in ('Destroy', 'Expunging', 'Expunged') then
    used.subject_id := new.id;
    used.account_id := new.account_id;
    used.zone_id := new.zone_id;
    used.offering_id := new.offering_id;
    used.bytes := new.bytes;
    used.min_iops := usage_iops(qos, 'min');
    used.max_iops := usage_iops(qos, 'max');
  end if;
  perform usage_metered(used);
  return null;
end $$;
create trigger volume_usage after insert or update on volume for each row execute function usage_of_volume();

-- A VM is allocated until it is destroyed, and runs from when it has started until it has stopped.
create function usage_of_vm() returns trigger language plpgsql as $$
declare
  used usage_open;
begin
  used.part_id := new.id;
  used.account_id := new.account_id;
  used.zone_id := new.zone_id;
  used.offering_id := new.offering_id;
  used.template_id := new.template_id;
  used.cpus := new.cpus;
  used.memory_bytes := new.memory_bytes;
  used.kind := 'vm-allocated';
  if new.removed_at is null and new.state not in ('Destroyed', 'Expunging', 'Error') then used.subject_id := new.id; end if;
  perform usage_metered(used);
  used.kind := 'vm-running';
  used.subject_id := null;
  -- One that is stopped before it had started never ran.
  if new.state in ('Running', 'Migrating') or (new.state = 'Stopping' and exists (
      select from usage_open o where o.kind = 'vm-running' and o.part_id = new.id)) then
    used.subject_id := new.id;
  end if;
  perform usage_metered(used);
  return null;
end $$;
create trigger vm_usage after insert or update on vm for each row execute function usage_of_vm();

-- Each copy of a snapshot counts from when it is there, whatever becomes of its volume.
create function usage_of_copy() returns trigger language plpgsql as $$
declare
  used usage_open;
begin
  used.kind := 'snapshot';
  used.part_id := new.id;
  if new.state = 'present' then
    select s.id, s.account_id, s.zone_id into used.subject_id, used.account_id, used.zone_id
      from snapshot s where s.id = new.snapshot_id;
    used.bytes := new.bytes;
  end if;
  perform usage_metered(used);
  return null;
end $$;
create trigger snapshot_copy_usage after insert or update on snapshot_copy for each row execute function usage_of_copy();

-- A volume that is, or was just now, a disk of a VM has I/O to be read.
create function volume_io_of_attachment() returns trigger language plpgsql as $$
begin
  insert into volume_io (volume_id) values (new.volume_id) on conflict (volume_id) do update set live = true;
  return null;
end $$;
create trigger attachment_io after insert on attachment for each row execute function volume_io_of_attachment();

-- What is there already is metered from now on: when it became what it is nobody has written down. Of its I/O, the same.
update volume set state = state where removed_at is null;
update vm set state = state where removed_at is null;
update snapshot_copy set state = state where state = 'present';
insert into volume_io (volume_id, source, live) select l.volume_id, 'unread',
    exists (select from attachment a where a.volume_id = l.volume_id)
  from location l;
