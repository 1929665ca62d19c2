-- For the history of one volume.
create index usage_io_volume on usage_io (volume_id, at);
