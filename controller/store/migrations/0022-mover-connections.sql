-- Whom a connection serves: `host_id` is the id of a host, or of a mover, which reads and writes for as long as an operation
-- needs it. There is no reference any more, since it is one table or the other.
alter table connection drop constraint connection_host_id_fkey;
alter table connection add consumer_kind text not null default 'host' check (consumer_kind in ('host', 'mover'));
