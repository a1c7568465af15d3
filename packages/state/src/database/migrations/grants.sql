-- The rights of each role, applied after every migration. :api and :agent are replaced by the quoted role names.
-- The API writes specs and takes free slots. It never creates slots and never records observations.
-- The agent records observations.

grant usage on schema public to :api, :agent;
revoke all on all tables in schema public from :api, :agent;
-- Every role may create temporary tables, and before PostgreSQL 15 also tables.
revoke temporary on database :database from public;
revoke create on schema public from public;

grant select on all tables in schema public to :api;
-- Columns only: a right on a whole table includes the right to lock the table, and then no pass of the agent could read it.
grant insert (name, spec) on plans to :api;
grant update (spec, generation, updated_at) on plans to :api;
grant insert (reseller, name, host, slot, plan, ssh_keys, state, labels) on accounts to :api;
grant update (plan, ssh_keys, state, labels, generation, updated_at, deleted_at) on accounts to :api;
grant insert (name, registrable, account, port) on domains to :api;
grant update (account, port, generation, updated_at, listener, deleted_at) on domains to :api;
grant insert (key_id, reseller, address, request_id, action, target, details) on audit to :api;
grant execute on function take_slot, release_slot to :api, :agent;
grant execute on function trim_audit to :agent;
grant execute on function delete_plan to :api;
grant update (pool_free, pool_max, generation, plan_wanted) on hosts to :api;

grant select on hosts, slots, plans, accounts, domains, usage, meters to :agent;
grant insert, update on hosts to :agent;
grant select, insert, update on leases to :agent;
grant insert, update, delete on slots to :agent;
grant update (slot, observed_generation, conditions), delete on accounts to :agent;
grant update (observed_generation, conditions, listener), delete on domains to :agent;
grant insert, update, delete on usage, meters to :agent;
