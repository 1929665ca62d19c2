-- Live migration, lost hosts, maintenance.
-- `target_host_id`: where a VM in state Migrating is going; its memory counts on both hosts. `ha`: it is started elsewhere
-- when its host is lost. `restart_wanted`: its host was lost, and nobody has started or stopped it since.
alter table vm add column target_host_id uuid references host;
alter table vm add column ha boolean not null default false;
alter table vm add column restart_wanted boolean not null default false;
alter table offering add column ha boolean not null default false;
-- `silent_since`: null while the host answers. `lost_at`: since when it is Down: given up, its VMs are to run elsewhere.
-- `dead`: an operator has said that it runs nothing any more, so that nothing there has to be fenced.
alter table host add column silent_since timestamptz;
alter table host add column lost_at timestamptz;
alter table host add column dead boolean not null default false;
alter table host add column operation_id uuid;
