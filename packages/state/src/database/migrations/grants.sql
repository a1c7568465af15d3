-- The rights of each role, applied after every migration. :api and :agent are replaced by the quoted role names.
-- The API writes specs and takes free slots. It never creates slots and never records observations.
-- The agent records observations.

grant usage on schema public to :api, :agent;
revoke all on all tables in schema public from :api, :agent;

grant select on all tables in schema public to :api;
grant insert, update, delete on plans to :api;
grant insert (reseller, name, host, slot, plan, ssh_keys, state, labels) on accounts to :api;
grant update (plan, ssh_keys, state, labels, generation, updated_at, deleted_at) on accounts to :api;
grant insert (name, registrable, account, port) on domains to :api;
grant update (account, port, generation, updated_at, listener, deleted_at) on domains to :api;
grant insert on audit to :api;
grant execute on function take_slot, release_slot to :api, :agent;
grant execute on function trim_audit to :agent;
grant update (pool_free, pool_max, generation, plan_wanted) on hosts to :api;

grant select on hosts, slots, plans, accounts, domains, usage, meters to :agent;
grant insert, update on hosts to :agent;
grant insert, update, delete on slots to :agent;
grant update (slot, observed_generation, conditions), delete on accounts to :agent;
grant update (observed_generation, conditions, listener), delete on domains to :agent;
grant insert, update, delete on usage, meters to :agent;
