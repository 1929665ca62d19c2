-- Terms of the ledger: what a conditional update needs to decide stands in the one row that it locks. The settings that
-- they come from are rows of `configuration`; whoever changes one writes the pools that it concerns in that transaction.
-- `terms_from`: the scope each term was set at, by its name; absent: the usual value.
alter table pool add column terms_from jsonb not null default '{}';
alter table pool add column used_threshold double precision not null default 1;
alter table pool add column allocated_threshold double precision not null default 1;
alter table pool add column floor_iops bigint not null default 0;
alter table pool add column bounded_only boolean not null default false;

-- Slots: `reserved_volumes` is the number of the pool's reservations, `capacity_volumes` the operator's cap.
alter table pool add column reserved_volumes bigint not null default 0;
alter table pool add column foreign_volumes bigint not null default 0;
alter table pool add column capacity_volumes bigint;

-- While a change is under way a reservation holds the larger of before and after: what it goes back to if the change fails.
alter table reservation add column before_bytes bigint;
alter table reservation add column before_iops bigint;

-- What a host may promise to the disks that it throttles itself, null: no limit. What it has promised is the sum over the
-- attachments of the VMs that are on it, or on their way: no counter that could be left behind.
alter table host add column capacity_iops bigint;
alter table host add column capacity_rate bigint;
alter table host add column qos_factor double precision not null default 1;
alter table attachment add column charged_iops bigint not null default 0;
alter table attachment add column charged_rate bigint not null default 0;
