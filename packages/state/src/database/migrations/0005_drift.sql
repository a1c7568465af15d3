-- How many changes complete reconciliations made although every row had been observed: what scoped ones left undone, or what
-- others had changed on the host. `drift_last` is of the last complete one, the total only grows.
alter table hosts add column drift_last integer not null default 0;
alter table hosts add column drift_total bigint not null default 0;
alter table hosts add column complete_total bigint not null default 0;
