-- What happens to limits that were changed outside of Moorage, on volumes that live in the pool: they are told, or put back in
-- force as well.
alter table pool add column qos_drift text not null default 'report' check (qos_drift in ('report', 'repair'));
