-- What only a superuser can take from the API's role, applied after grants.sql to the embedded database.
-- A role may change most settings of its own sessions, so no timeout is set here. temp_file_limit is one that it may not change.

-- The API opens 21 connections, and twice as many during a restart. The agent must always find one.
alter role :api connection limit 50;
alter role :api set temp_file_limit = '1GB';

-- Advisory locks, large objects and messages in the write-ahead log are free to every role. The API needs one of these functions: it locks
-- the names below a registrable domain.
do $$
  declare
    free regprocedure;
  begin
    for free in select oid from pg_proc where pronamespace = 'pg_catalog'::regnamespace
      and (proname like '%advisory%' or proname in ('lo_creat', 'lo_create', 'lo_from_bytea', 'pg_logical_emit_message')) loop
      execute format('revoke execute on function %s from public', free);
    end loop;
  end $$;
grant execute on function pg_catalog.pg_advisory_xact_lock(integer, integer) to :api;
