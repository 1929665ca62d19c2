-- A volume that moves to another pool holds room in both: `second` where it is not, or not yet, at home. What it has left behind
-- in the recycle bin of the pool that it came from goes on to hold its bytes until that is gone.
alter table reservation add column second boolean not null default false;
alter table reservation drop constraint reservation_pkey;
alter table reservation add primary key (volume_id, pool_id);
create unique index reservation_home on reservation (volume_id) where not second;

-- Whoever finds that it is gone: the purge, or a census.
create function left_behind_gone() returns trigger language plpgsql as $$
begin
  with held as (
    delete from reservation r where r.second
      and new.object = 'volume:' || r.volume_id::text and new.place = 'pool:' || r.pool_id::text
    returning r.pool_id, r.bytes, r.iops
  )
  update pool set reserved_bytes = pool.reserved_bytes - held.bytes, reserved_iops = pool.reserved_iops - held.iops,
    reserved_volumes = pool.reserved_volumes - 1
    from held where pool.id = held.pool_id;
  return null;
end $$;
create trigger census_finding_gone after update of state on census_finding for each row
  when (new.state = 'gone' and old.state <> 'gone') execute function left_behind_gone();
