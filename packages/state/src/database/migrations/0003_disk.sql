-- What an account keeps on the file system of the homes, and its limits: {"bytes": {"used": 0, "limit": 1}, "inodes": {"used": 1}}.
-- Null where nobody counts.
alter table usage add column disk jsonb;
