-- The audit keeps the changed fields of a write, and digests of long values. Entries of earlier versions have whole specs.
update audit set details = jsonb_build_object('sha256', encode(sha256(convert_to(details::text, 'UTF8')), 'hex'),
  'bytes', length(convert_to(details::text, 'UTF8')))
where length(details::text) > 4096;
create index audit_by_time on audit (at);
create index audit_by_reseller on audit (reseller, id);

-- Deletes at most two batches of audit rows: those that are older than keep_days, and those beyond the newest keep_rows of a reseller.
-- Runs with the owner's rights. The lower bounds hold even if the caller is taken over.
create function trim_audit(keep_days integer, keep_rows integer, batch integer) returns integer
language sql security definer set search_path = pg_catalog, public as $$
  with excess as (
    (select id from public.audit where at < now() - make_interval(days => greatest(keep_days, 7)) order by at limit batch)
    union
    (select beyond.id from public.resellers r cross join lateral (
       select a.id from public.audit a where a.reseller = r.name order by a.id desc offset greatest(keep_rows, 1000) limit batch
     ) beyond limit batch)
  ), deleted as (delete from public.audit where id in (select id from excess) returning 1)
  select count(*)::integer from deleted
$$;
revoke all on function trim_audit from public;

-- The registrable domain of a name, as the API found it in the list of public suffixes. Null in rows of earlier versions.
alter table domains add column registrable text;
-- Finds every name below a registrable domain: reverse(name) begins with its reverse.
create index domains_by_ending on domains (reverse(name) text_pattern_ops) where deleted_at is null;

-- All names of one registrable domain belong to one reseller, so a domain never moves to another reseller. The lock makes two concurrent writes wait for each other.
create function check_domain_owner() returns trigger
language plpgsql set search_path = pg_catalog, public as $$
declare
  claimant text;
  rival text;
begin
  select reseller into claimant from accounts where id = new.account;
  if new.deleted_at is not null then
    return new;
  end if;
  if tg_op = 'UPDATE' then
    if old.deleted_at is null and old.name = new.name
       and claimant = (select reseller from accounts where id = old.account) then
      return new;
    end if;
  end if;
  if new.registrable is null or new.registrable !~ '^[a-z0-9.-]+$'
     or (new.name <> new.registrable and right(new.name, length(new.registrable) + 1) <> '.' || new.registrable) then
    raise exception 'domain % is not below its registrable domain %', new.name, new.registrable
      using errcode = 'check_violation', constraint = 'domains_registrable';
  end if;
  perform pg_advisory_xact_lock(7077080, hashtext(new.registrable));
  select d.name into rival from domains d join accounts a on a.id = d.account
    where d.deleted_at is null and a.reseller <> claimant
      and (d.name = new.registrable or reverse(d.name) like reverse('.' || new.registrable) || '%') limit 1;
  if rival is not null then
    raise exception 'domain % belongs to the registrable domain of another reseller, who has %', new.name, rival
      using errcode = 'exclusion_violation', constraint = 'domains_of_one_reseller';
  end if;
  return new;
end
$$;
create trigger domain_owner before insert or update of name, account, registrable, deleted_at on domains
  for each row execute function check_domain_owner();
