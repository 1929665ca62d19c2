-- What accounts and domains may have at most; no row: no limit. `owner_id` is an account or a domain; `limited` is a name
-- of domain/limits.ts; `most` in pieces or bytes.
create table resource_limit (
  owner_id uuid not null,
  limited text not null,
  most bigint not null check (most >= 0),
  primary key (owner_id, limited)
);
