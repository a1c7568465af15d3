-- The first schema. What is wanted stands in rows with a generation; what was last seen to be true beside it.

create table resellers (
  name text primary key check (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  created_at timestamptz not null default now()
);
insert into resellers (name) values ('root');

create table keys (
  id text primary key check (id ~ '^[a-z0-9]{4,32}$'),
  reseller text not null references resellers,
  scopes text[] not null,
  secret_sha256 bytea not null check (length(secret_sha256) = 32),
  label text not null default '',
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz
);

create table hosts (
  name text primary key check (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  machine_id text not null,
  -- How slots become users, uids and ports here. It never changes while there are slots.
  layout jsonb not null,
  mode text not null check (mode in ('live', 'folder', 'dry_run')),
  pool_free integer not null check (pool_free >= 0),
  pool_max integer not null check (pool_max >= 0),
  -- What each facility can do here: {"haproxy": {"works": true, ...}}
  facilities jsonb not null default '{}',
  conditions jsonb not null default '[]',
  generation bigint not null default 1,
  observed_generation bigint not null default 0,
  -- A plan that somebody asked for, and the last one made.
  plan_wanted bigint not null default 0,
  plan_made bigint not null default 0,
  changes jsonb not null default '[]',
  heartbeat_at timestamptz,
  -- When the agent last looked at everything.
  looked_at timestamptz,
  created_at timestamptz not null default now()
);

create table slots (
  host text not null references hosts,
  n integer not null check (n >= 0),
  state text not null check (state in ('building', 'free', 'taken', 'dirty', 'blocked')),
  -- Processes ended and keys gone; only then may a deleted account's row go.
  evicted boolean not null default true,
  reason text,
  message text,
  used_at timestamptz,
  changed_at timestamptz not null default now(),
  primary key (host, n)
);
create index slots_of_a_state on slots (host, state, used_at nulls first, n);

-- The two things that the API may do to a slot. They run with the owner's rights, so that it needs none on the table.
create function take_slot(wanted_host text) returns integer
language sql security definer set search_path = pg_catalog, public as $$
  update public.slots set state = 'taken', used_at = now(), changed_at = now(), evicted = false, reason = null, message = null
  where (host, n) = (select host, n from public.slots where host = wanted_host and state = 'free'
    order by used_at nulls first, n limit 1 for update skip locked) returning n
$$;
create function release_slot(released_host text, released integer) returns void
language sql security definer set search_path = pg_catalog, public as $$
  update public.slots set state = 'dirty', evicted = false, reason = null, message = null, used_at = now(), changed_at = now()
  where host = released_host and n = released and state = 'taken'
$$;
revoke all on function take_slot, release_slot from public;

create table plans (
  name text primary key check (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  spec jsonb not null,
  generation bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table accounts (
  id bigint generated always as identity primary key,
  reseller text not null references resellers,
  name text not null check (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  host text not null references hosts,
  slot integer,
  plan text not null references plans,
  ssh_keys text[] not null,
  state text not null check (state in ('active', 'suspended')),
  labels jsonb not null,
  generation bigint not null default 1,
  observed_generation bigint not null default 0,
  conditions jsonb not null default '[]',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  foreign key (host, slot) references slots
);
-- A name and a slot are free again the moment the row is marked deleted.
create unique index accounts_by_name on accounts (reseller, name) where deleted_at is null;
create unique index accounts_by_slot on accounts (host, slot) where deleted_at is null;
create index accounts_behind on accounts (host) where observed_generation < generation or deleted_at is not null;

create table domains (
  id bigint generated always as identity primary key,
  name text not null,
  account bigint not null references accounts,
  port integer not null check (port between 1 and 65535),
  generation bigint not null default 1,
  observed_generation bigint not null default 0,
  conditions jsonb not null default '[]',
  -- What was last seen on the port: listening, nobody or wrong_address.
  listener text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz
);
create unique index domains_by_name on domains (name) where deleted_at is null;
create index domains_by_account on domains (account);

-- Totals that only grow: what the proxy counted, added up over its restarts. `counted` is its last reading.
create table usage (
  account bigint primary key references accounts on delete cascade,
  requests bigint not null default 0,
  bytes_in bigint not null default 0,
  bytes_out bigint not null default 0,
  counted jsonb not null default '{}',
  since timestamptz not null default now(),
  sampled_at timestamptz not null default now()
);

create table audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  key_id text,
  reseller text,
  address text,
  request_id text,
  action text not null,
  target text not null,
  details jsonb not null default '{}'
);
