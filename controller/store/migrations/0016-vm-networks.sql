-- The stand-ins of networks that a VM was to be in, in the order in which they were asked for: listed back as its cards.
alter table vm add column network_ids uuid[] not null default '{}';
