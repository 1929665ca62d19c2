-- What clients asked for of kinds that Moorage does not make (domain/stand-in.ts): records without any effect.
-- `attributes` is what was asked for, as it is listed back. `account_id` null: nobody's, recorded by an operator.
create table stand_in (
  id uuid primary key, seq bigint generated always as identity unique,
  kind text not null,
  account_id uuid references account, zone_id uuid references zone,
  name text not null default '',
  attributes jsonb not null,
  created_at timestamptz not null default now()
);
create index stand_in_kind on stand_in (kind, account_id, seq);
create index stand_in_account on stand_in (account_id);
create unique index stand_in_name on stand_in (kind, account_id, name) where kind in ('securitygroup', 'sshkeypair');
