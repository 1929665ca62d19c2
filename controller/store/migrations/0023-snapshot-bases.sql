-- The copy on the array that the next increment of its volume's archived snapshots is told apart from.
alter table snapshot_copy add base boolean not null default false;
