-- Where the snapshots of a policy are kept: on their array, or in an archive. `max_primary`: of those in an archive, so many of
-- the newest stay on their array, too. `display`: false: only operators see the policy.
alter table snapshot_policy add location text not null default 'PRIMARY' check (location in ('PRIMARY', 'SECONDARY'));
alter table snapshot_policy add max_primary integer not null default 0;
alter table snapshot_policy add display boolean not null default true;
