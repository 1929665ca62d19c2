-- What 0012 added, of the rows that were there: the slots in use, and what hosts throttle.
update pool set reserved_volumes = (select count(*) from reservation where reservation.pool_id = pool.id);
update attachment set
  charged_iops = coalesce((volume.qos_requested->'totalIops'->>'max')::bigint,
    coalesce((volume.qos_requested->'readIops'->>'max')::bigint, 0) + coalesce((volume.qos_requested->'writeIops'->>'max')::bigint, 0)),
  charged_rate = coalesce((volume.qos_requested->'totalBytes'->>'max')::bigint,
    coalesce((volume.qos_requested->'readBytes'->>'max')::bigint, 0) + coalesce((volume.qos_requested->'writeBytes'->>'max')::bigint, 0))
  from volume join location on location.volume_id = volume.id
  where volume.id = attachment.volume_id and location.qos_tier = 'hypervisor';
