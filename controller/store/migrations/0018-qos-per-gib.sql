-- `qos_per_gib`: parts of the total IOPS that grow with a volume, each `{perGib, least?, most?}`; null: none. They are not in `qos`.
alter table offering add column qos_per_gib jsonb;
