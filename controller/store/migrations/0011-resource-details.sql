-- Names and values that operators put on whatever they like. `display` false: seen by operators only.
create table resource_detail (
  resource_type text not null, resource_id uuid not null, key text not null, value text not null,
  display boolean not null default true, primary key (resource_type, resource_id, key)
);
-- Archived events are listed only when asked for.
alter table event add column archived boolean not null default false;
