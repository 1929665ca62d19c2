-- Seconds from one collection of an archive to the next, and from one restore drill to the next; 0: never; null: as the settings say.
alter table archive add collect_interval integer check (collect_interval >= 0);
alter table archive add drill_interval integer check (drill_interval >= 0);
-- How an archive was last seen to. `bytes`: removed, or read and checked. `objects`: removed. `waiting`: condemned, to go with a later
-- collection. `damaged`: what is wrong with what was checked. `snapshot_id`: which was checked; it may be gone since. `note`: why
-- nothing could be done.
create table archive_upkeep (
  archive_id uuid not null references archive, kind text not null check (kind in ('collect', 'drill')),
  ended_at timestamptz not null default now(), took_ms bigint not null, bytes bigint not null,
  objects integer, waiting integer, damaged integer, snapshot_id uuid, note text,
  primary key (archive_id, kind)
);
