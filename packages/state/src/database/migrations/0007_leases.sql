-- Which connection manages a host: the server process of the agent's connection. The lease ends with that process.
create table leases (
  host text primary key,
  pid integer,
  started_at timestamptz
);

-- A free slot that a row of an account names already is not taken: the row could not be inserted, and each call would find the same slot.
create or replace function take_slot(wanted_host text) returns integer
language sql security definer set search_path = pg_catalog, public as $$
  update public.slots set state = 'taken', used_at = now(), changed_at = now(), evicted = false, reason = null, message = null
  where (host, n) = (select s.host, s.n from public.slots s where s.host = wanted_host and s.state = 'free'
    and not exists (select 1 from public.accounts a where a.host = s.host and a.slot = s.n and a.deleted_at is null)
    order by s.used_at nulls first, s.n limit 1 for update of s skip locked) returning n
$$;

-- The API deletes plans by this function, because the right to delete rows includes the right to lock the whole table.
create function delete_plan(deleted text) returns boolean
language sql security definer set search_path = pg_catalog, public as $$
  with gone as (delete from public.plans where name = deleted returning 1) select exists (select 1 from gone)
$$;
revoke all on function delete_plan from public;
