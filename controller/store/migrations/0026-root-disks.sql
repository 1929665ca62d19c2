-- The template from which a volume is made: of a root disk. Null for all others.
alter table volume add column template_id uuid references template;
create index volume_template on volume (template_id) where template_id is not null and removed_at is null;
