-- A template of which an archive holds the bytes of a root disk, as it holds a snapshot: under the template's id, as snapshot
-- and as volume. No archive: hosts hold its boot image by name, and it is always Ready. `operation_id` names the operation
-- that is changing it; `failure` says, for whoever asked, why it has Failed; `data_bytes` is what of it is not zeros.
alter table template add column archive_id uuid references archive;
alter table template add column state text not null default 'Ready' check (state in ('Creating', 'Ready', 'Failed'));
alter table template add column failure text;
alter table template add column operation_id uuid;
alter table template add column data_bytes bigint not null default 0;
create index template_archive on template (archive_id) where archive_id is not null;
