-- What the firewall counts by slot, added up by account: totals that only grow, null as long as nobody has counted.
alter table usage add column sent bigint, add column received bigint;

-- What a slot's counters said last, and whose they were then: {"account": 7, "clean": false, "boot": "…", "counted": {…}}.
-- They are the slot's and go on over whoever has it, and begin anew when they please.
create table meters (
  host text not null,
  n integer not null,
  last jsonb not null,
  primary key (host, n),
  foreign key (host, n) references slots on delete cascade
);
