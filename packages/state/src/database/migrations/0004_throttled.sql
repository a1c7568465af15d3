alter table accounts drop constraint accounts_state_check;
alter table accounts add constraint accounts_state_check check (state in ('active', 'throttled', 'suspended'));

-- What an account's processes have used, {"total": {…}, "now": {…}, "last": {…}, "boot": "…"}; null as long as nobody has looked.
-- Totals only grow: `last` is what the slice's own counters said, which begin anew with it.
alter table usage add column processes jsonb;
