-- `class` names a finding more closely than `kind`: see docs/reference/census.md. `resources` are the locks of what is done
-- about it. An ignored finding stays so until `ignored_until` (null: for good), and as long as `detail` does not change.
alter table census_finding drop constraint census_finding_kind_check;
alter table census_finding add constraint census_finding_kind_check
  check (kind in ('orphan', 'ghost', 'drifted', 'duplicated', 'stale', 'foreign'));
alter table census_finding drop constraint census_finding_state_check;
alter table census_finding add constraint census_finding_state_check
  check (state in ('open', 'ignored', 'recycled', 'gone'));
alter table census_finding add column class text not null default '';
alter table census_finding add column bytes bigint;
alter table census_finding add column resources text[] not null default '{}';
alter table census_finding add column reason text;
alter table census_finding add column ignored_until timestamptz;
alter table census_finding add column recycled_at timestamptz;
alter table census_finding add column resolution text;
create index census_finding_state on census_finding (state, seq);

-- What a census at work has seen so far, with what it makes of it; empty between two of them. `class` null: as recorded.
-- `observed` is the QoS vector read back from where it is enforced.
create table census_seen (
  run text not null, place text not null, object text not null,
  class text, kind text, detail text, resources text[], bytes bigint, observed jsonb,
  primary key (run, place, object)
);

-- Bytes of back-end volumes on the array that are not ours, as the last census counted them.
alter table pool add column foreign_bytes bigint not null default 0;
